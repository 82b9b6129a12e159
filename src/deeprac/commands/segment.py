"""Verb segment: one CT with a bundle, to labels, measures, flags and 3D models."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deeprac.commands.arguments import add_patient

if TYPE_CHECKING:
    from deeprac.bundle.archive import Bundle
    from deeprac.cohort.volume import Volume
    from deeprac.events import Events
    from deeprac.inference.segment import Segmented
    from deeprac.inference.study import Asked
    from deeprac.termination import Termination

HELP = (
    "Segment one CT with a bundle, and write label maps, measures, quality flags, 3D "
    "models and a page. Research software, not a medical device."
)
EXAMPLE = "deeprac segment ct.nii.gz --bundle kidney.zip --out result"

STAGES = {"read": 3.0, "segment": 60.0, "measure": 10.0, "write": 40.0}
"""Each with the seconds that it takes, until the volume is known."""

SECONDS_PER_MILLION_VOXELS = {"measure": 0.3, "write": 1.2}
"""On two cores: what an ordinary segmentation takes after the network."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("input", type=Path, help="NIfTI, NRRD or MetaImage file, or a DICOM folder")
    add("--bundle", type=Path, required=True, metavar="FILE", help="trained model")
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder of the results, new or empty",
    )
    _add_model_arguments(parser)
    add_patient(parser, "of the patient; else the header's")
    add(
        "--no-postprocessing",
        action="store_true",
        help="leave the labels as the networks gave them",
    )
    add("--dicom-seg", action="store_true", help="write a DICOM-SEG too (DICOM input)")
    add(
        "--events",
        metavar="FILE",
        help="write progress as JSON lines; - for standard output",
    )
    add(
        "--slicer-cli",
        action="store_true",
        help="print progress as 3D Slicer's command-line modules do",
    )
    add(
        "--private-log",
        type=Path,
        metavar="FILE",
        help="what libraries say of the input; it may name the patient",
    )


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--folds",
        type=int,
        nargs="+",
        metavar="FOLD",
        help="folds that segment together; default: all of the bundle",
    )
    add(
        "--device",
        choices=("auto", "cuda", "cpu"),
        default="auto",
        help="auto takes the GPU where PyTorch sees one; default: %(default)s",
    )
    add(
        "--batch",
        type=_positive,
        metavar="N",
        help="slices that are segmented together; fewer need less memory",
    )
    add(
        "--series",
        type=_pattern,
        metavar="REGEX",
        help="what the description of the DICOM series must contain",
    )


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no regular expression: {error}"
        ) from error
    return text


def run(args: argparse.Namespace) -> None:
    import sys

    from deeprac.events import Console, Events, SlicerCli
    from deeprac.termination import ended_by_signal

    held: list[Path] = []
    with ended_by_signal(lambda: held) as end, Events(STAGES) as events:
        if args.slicer_cli:
            events.listeners.append(SlicerCli(sys.stdout, "DeePRAC"))
        if args.events is not None:
            events.listen(args.events)
        events.listeners.append(Console(sys.stderr))
        events.send("started", notice="Research software, not a medical device.")
        verdict = segment(args, events, held, end)
        text = f"{verdict}; research software, not a medical device"
        events.send("finished", message=text, verdict=verdict, seconds=events.seconds)
    if not (args.slicer_cli or args.events == "-"):
        sys.stdout.write(f"{args.out}: {verdict}\n")


def segment(
    args: argparse.Namespace, events: "Events", held: list[Path], end: "Termination"
) -> str:
    """Segment, measure and write; return the overall verdict.

    ``held`` takes the folder that is to be removed where the run ends early.
    """
    from deeprac.bundle.archive import check_contents, opened
    from deeprac.surgery.outputs import result_folder, write_files
    from deeprac.surgery.result import NAME, read_result

    with result_folder(args.out) as working, opened(args.bundle) as bundle:
        held.append(working)
        check_contents(bundle)
        events.progress("read")
        volume = read_input(args, bundle.manifest["intensity"])
        millions = volume.image.GetNumberOfPixels() / 1e6
        rates = SECONDS_PER_MILLION_VOXELS
        events.expect(**{stage: 1 + rates[stage] * millions for stage in rates})
        segmented = segmented_by(bundle, volume, args, events)
        end.obey()
        # It imports vtk, and nnU-Net must find its environment first.
        from deeprac.inference.study import study_of

        events.progress("measure")
        study = study_of(volume, segmented, bundle, asked_of(args))
        events.progress("write")
        write_files(study, working, dicom=volume.dicom if args.dicom_seg else ())
        events.progress("write", 1.0)
        end.obey()
    return read_result(args.out / NAME).overall


def asked_of(args: argparse.Namespace) -> "Asked":
    """What the arguments say of the patient and the measures."""
    from deeprac.inference.study import Asked
    from deeprac.surgery.protocol import TimePoint

    moment = None if args.timepoint is None else TimePoint(args.timepoint)
    return Asked(args.age, moment, args.margin, not args.no_postprocessing)


def read_input(args: argparse.Namespace, unit: str) -> "Volume":
    """Read the CT; nothing that names patient or file gets out but by our messages.

    Raises:
        CaseError: it cannot be used.
        SurgeryError: a DICOM-SEG was asked for of another input.
    """
    from deeprac.cohort.findings import CaseError
    from deeprac.cohort.volume import open_volume
    from deeprac.errors import SurgeryError

    if args.dicom_seg and not args.input.is_dir():
        raise SurgeryError(
            "A DICOM-SEG refers to the DICOM series that was segmented, and the input "
            "is none. Give a DICOM folder, or leave --dicom-seg out."
        )
    with quiet_libraries(args.input, args.private_log):
        try:
            return open_volume(args.input, unit, args.series)
        except CaseError as error:
            raise error.about("the input") from error


@contextmanager
def quiet_libraries(path: Path, log: Path | None) -> Iterator[None]:
    """Keep what libraries say of a file to the private log, or to nothing."""
    from deeprac.cohort.confidential import confidential, names_of_files

    names = names_of_files({"input": path}, path.parent)
    with confidential(log, lambda: names):
        yield


def segmented_by(
    bundle: "Bundle", volume: "Volume", args: argparse.Namespace, events: "Events"
) -> "Segmented":
    """Set nnU-Net up and segment."""
    import tempfile

    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.layout import Layout

    # nnU-Net only wants the names of its folders.
    nowhere = Path(tempfile.gettempdir())
    configure_nnunet(Layout(nowhere), workspace=nowhere, data_workers=0)
    from deeprac.inference.segment import SegmentSettings, segment

    folds = None if args.folds is None else tuple(args.folds)
    settings = SegmentSettings(folds, args.device, args.batch)
    return segment(volume, bundle, settings, events)
