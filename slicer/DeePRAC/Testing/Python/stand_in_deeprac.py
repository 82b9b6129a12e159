"""A stand-in for ``deeprac segment``, ``measure`` and ``bundle check``: a small box.

It speaks as they do: events, exit codes, files. ``STAND_IN`` in the environment says
how it behaves: ``sleep``, ``deaf`` (SIGTERM is ignored), ``children``, ``cuda``,
``full disk``, ``error``, ``killed``, ``wrong grid``, ``changed``, ``schema``.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 60
"""How long it sleeps: until it is ended."""


def main() -> int:
    """Be ``deeprac``."""
    behaviour = os.environ.get("STAND_IN", "")
    if sys.argv[1:] == ["--version"]:
        print("0.0.0, a stand-in")
        return 0
    if sys.argv[1] == "bundle":
        return _check(Path(sys.argv[3]))
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("input", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--slicer-cli", action="store_true")
    args, _ = parser.parse_known_args()
    if failed := _fail(behaviour):
        return failed
    if args.slicer_cli:
        print("<filter-progress>0.1</filter-progress>", flush=True)
    _tell(event="started", message="segmenting")
    _tell(event="device", device="cpu", reason=f"asked for {args.device}, no GPU")
    _tell(event="progress", stage="read", fraction=0.1, seconds_left=9)
    if behaviour in ("sleep", "deaf", "children"):
        _sleep(behaviour)
    sys.stdout.buffer.write(b"a line that is no UTF-8: \xff\n")
    _write(args.image or args.input, args.out, behaviour)
    _tell(event="finished", fraction=1.0, message="done")
    return 0


def _tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


def _check(bundle: Path) -> int:
    if bundle.read_bytes()[:2] != b"PK":
        print("deeprac bundle check: error: the bundle is no zip.", file=sys.stderr)
        return 1
    print(f"{bundle}: phantom, not for patients 1 is whole")
    return 0


def _fail(behaviour: str) -> int:
    lines = {
        "cuda": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
        "full disk": "OSError: [Errno 28] No space left on device",
        "error": "deeprac segment: error: the volume is no CT. Give one in HU.",
    }
    if behaviour in lines:
        print(lines[behaviour], file=sys.stderr)
        return 1
    return 137 if behaviour == "killed" else 0


def _sleep(behaviour: str) -> None:
    if behaviour != "sleep":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "children":
        subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({SECONDS})"])
    _tell(event="progress", stage="network", fraction=0.4, seconds_left=75)
    time.sleep(SECONDS)


def _write(image: Path, out: Path, behaviour: str) -> None:
    import numpy as np
    import SimpleITK as sitk

    volume = sitk.ReadImage(str(image))
    labels = np.zeros(volume.GetSize()[::-1], np.uint8)
    labels[1:3, 2:5, 2:6] = 1
    label_map = sitk.GetImageFromArray(labels)
    label_map.CopyInformation(volume)
    out.mkdir()
    label_map.SetMetaData("Segment0_ID", "kidney_left")
    label_map.SetMetaData("Segment0_Name", "Left kidney")
    label_map.SetMetaData("Segment0_LabelValue", "1")
    label_map.SetMetaData("Segment0_Layer", "0")
    sitk.WriteImage(label_map, str(out / "segmentation.seg.nrrd"), useCompression=True)
    sitk.WriteImage(label_map, str(out / "labels.nii.gz"))
    (out / "measures.csv").write_text(
        "structure,measure,value,unit,definition\n"
        "kidney_left,volume_ml,101.5,ml,voxels times voxel volume\n"
        "tumour_1,largest_diameter_mm,41.2,mm,largest distance of two of its voxels\n"
    )
    (out / "report.html").write_text("<!doctype html><title>A stand-in</title>")
    names = ("segmentation.seg.nrrd", "labels.nii.gz", "measures.csv", "report.html")
    files = {name: _stated(out / name) for name in names}
    origin = list(volume.GetOrigin())
    if behaviour == "wrong grid":
        origin[0] += 1
    result = {
        "schema": 99 if behaviour == "schema" else 1,
        "overall": "look",
        "flags": [
            {
                "code": "kidney_count",
                "verdict": "look",
                "message": "One kidney was found instead of two.",
                "value": 1.0,
                "limit": 2.0,
                "remedy": "Check the other side.",
                "structure": "",
            }
        ],
        "files": files,
        "grid": {
            "size": volume.GetSize(),
            "spacing_mm": volume.GetSpacing(),
            "origin_mm": origin,
            "direction": volume.GetDirection(),
        },
        "structures": [],
    }
    if behaviour == "changed":
        (out / "measures.csv").write_text("structure,measure,value,unit\n")
    (out / "result.json").write_text(json.dumps(result))


def _stated(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


if __name__ == "__main__":
    sys.exit(main())
