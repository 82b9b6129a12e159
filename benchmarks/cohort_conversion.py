"""Time and peak memory of converting one case, and what a cohort of 300 would take.

    python benchmarks/cohort_conversion.py

The cases are made up, of sizes as in KiTS19 (512 x 512 pixels; the median number of
slices is about 216) and one of 1000 slices, which must stay below 4 GB. They are
written as NIfTI in KiTS's order of axes, slices first, so that every voxel has to be
moved, and are noisy, as CT is, so that packing them takes its true time. Every case has
a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
           "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")  # fmt: skip
os.environ.update(dict.fromkeys(THREADS, "1"))

import numpy as np  # noqa: E402  (after the number of threads is set)
import SimpleITK as sitk  # noqa: E402

from deeprac.cohort.build import build_cohort  # noqa: E402
from deeprac.config import load_config  # noqa: E402
from deeprac.labels import source_names  # noqa: E402

ROOT = Path(__file__).parents[1]
SLICES = (216, 1000)
CASES, CORES = 300, 8


def main() -> None:
    """Measure and report; with ``--work`` convert one folder in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, nargs="+", default=SLICES)
    parser.add_argument("--pixels", type=int, default=512)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        print(json.dumps(measured(args.work)))
        return
    rate = f"{CASES} cases, {CORES} cores"
    print(f"{'voxels':20}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}  {rate}")
    for slices in args.slices:
        with tempfile.TemporaryDirectory() as folder:
            write_raw(Path(folder), slices, args.pixels)
            report(Path(folder), f"{args.pixels} x {args.pixels} x {slices}")


def report(folder: Path, size: str) -> None:
    """Convert in a fresh process and print what it took."""
    command = [sys.executable, __file__, "--work", str(folder)]
    run = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    minutes = run["wall"] * CASES / CORES / 60
    print(
        f"{size:20}{run['wall']:8.1f}{run['cpu']:8.1f}{run['peak_mb']:9.0f}"
        f"  {minutes:.0f} minutes",
        flush=True,
    )


def measured(folder: Path) -> dict[str, float]:
    """Seconds of wall clock and CPU, and the peak memory of this process in MB."""
    config = replace(
        load_config([ROOT / "config" / "config.yaml"]).cohort,
        name="benchmark",
        format="nnunet_raw",
        path=folder,
        patients=None,
        labels=source_names("nnunet_raw", {}),
        pseudonyms=False,
        intensity="hu",
    )
    wall, cpu = time.perf_counter(), time.process_time()
    build_cohort(config, folder / "cohort")
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def write_raw(folder: Path, slices: int, pixels: int) -> None:
    """One case in nnU-Net's raw layout: a noisy body, two kidneys, a tumour."""
    rng = np.random.default_rng(0)
    image = np.empty((slices, pixels, pixels), np.int16)
    label = np.zeros(image.shape, np.uint8)
    y, x = np.ogrid[-1 : 1 : pixels * 1j, -1 : 1 : pixels * 1j]
    body = (x / 0.85) ** 2 + (y / 0.65) ** 2 < 1
    noise = rng.normal(0, 12, (pixels, pixels))
    for index in range(slices):
        noise = np.roll(noise, (37, 101), axis=(0, 1))
        image[index] = np.where(body, 40, -1000) + noise
        if 0.3 < index / slices < 0.7:
            for side in (-0.35, 0.35):
                label[index][(x - side) ** 2 + (y - 0.2) ** 2 < 0.02] = 1
            label[index][(x - 0.35) ** 2 + y**2 < 0.03] = 2
    (folder / "imagesTr").mkdir()
    (folder / "labelsTr").mkdir()
    for name, values in (("imagesTr/a_0000", image), ("labelsTr/a", label)):
        volume = sitk.GetImageFromArray(values)
        volume.SetSpacing((0.78, 0.78, 1.0))
        turned = sitk.DICOMOrient(volume, "IPL")
        sitk.WriteImage(turned, str(folder / f"{name}.nii.gz"))
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "kidney": 1, "tumour": 2},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))


if __name__ == "__main__":
    main()
