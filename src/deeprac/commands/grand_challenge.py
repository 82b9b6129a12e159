"""Verb grand-challenge: ``segment`` with files where that platform lays them."""

import argparse
from pathlib import Path

HELP = (
    "Segment the one volume that grand-challenge.org lays in /input with the bundle in "
    "/opt/ml/model, and write the label map and the flags to /output. Research "
    "software, not a medical device."
)
EXAMPLE = "deeprac grand-challenge"

ENDINGS = (".mha", ".mhd", ".nii.gz", ".nii", ".nrrd")
BUNDLE = "bundle.zip"
FLAGS = "quality-flags.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    for name, default in (
        ("input", "/input"),
        ("output", "/output"),
        ("model", "/opt/ml/model"),
    ):
        help_ = f"the platform's {default}; for trying it elsewhere"
        add(f"--{name}", type=Path, default=Path(default), metavar="DIR", help=help_)
    add(
        "--slug",
        default="kidney-tumour-segmentation",
        help="name of the output interface (default: %(default)s)",
    )
    add(
        "--device",
        choices=("auto", "cuda", "cpu"),
        default="auto",
        help="as of `deeprac segment`",
    )


def run(args: argparse.Namespace) -> None:
    import tempfile

    import SimpleITK as sitk

    from deeprac.files import atomic_path, read_json, write_json

    volume, bundle = the_volume(args.input), the_bundle(args.model)
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "result"
        segment(volume, bundle, out, args.device)
        labels = sitk.ReadImage(str(out / "labels.nii.gz"))
        result = read_json(out / "result.json")
    # NIfTI's own fields, which MetaImage has no place for.
    for key in labels.GetMetaDataKeys():
        labels.EraseMetaData(key)
    target = args.output / "images" / args.slug / "output.mha"
    with atomic_path(target) as path:
        sitk.WriteImage(labels, str(path), useCompression=True)
    flags = {key: result[key] for key in ("overall", "flags", "structures")}
    write_json(args.output / FLAGS, flags)


def segment(volume: Path, bundle: Path, out: Path, device: str) -> None:
    """Call the verb ``segment`` as the command line would."""
    from deeprac.commands import segment as verb

    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    arguments = (volume, "--bundle", bundle, "--out", out, "--device", device)
    verb.run(parser.parse_args(list(map(str, arguments))))


def the_volume(folder: Path) -> Path:
    """The one volume in ``images/*/`` of a folder.

    Raises:
        SurgeryError: there is none, or there are several.
    """
    from deeprac.errors import SurgeryError

    found = [
        path
        for path in sorted((folder / "images").glob("*/*"))
        if path.name.lower().endswith(ENDINGS)
    ]
    if len(found) != 1:
        raise SurgeryError(
            f"The platform lays one volume in {folder}/images/*/; got {len(found)}. "
            "Give the algorithm one input interface of kind image."
        )
    return found[0]


def the_bundle(folder: Path) -> Path:
    """The bundle among the model's files.

    Raises:
        BundleError: it is not there.
    """
    from deeprac.errors import BundleError

    path = folder / BUNDLE
    if not path.is_file():
        raise BundleError(
            f"The bundle lies in {folder} as {BUNDLE}; it is not there. Upload a model "
            "tarball with it, or build the image with it."
        )
    return path
