"""Verb measure: a segmentation in numbers and 3D models."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deeprac.commands.arguments import add_patient

if TYPE_CHECKING:
    import SimpleITK as sitk

    from deeprac.cohort.findings import Finding
    from deeprac.surgery.read_labels import Labelled
    from deeprac.surgery.study import Study

HELP = (
    "Measure kidneys and tumours of a segmentation, of a model or corrected by hand, "
    "and write measures, flags, 3D models and a page. Research software, not a medical "
    "device."
)
EXAMPLE = "deeprac measure case.seg.nrrd --image ct.nii.gz --out result --age 4.5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "segmentation",
        type=Path,
        metavar="LABELS",
        help="NIfTI, NRRD, MetaImage, or a .seg.nrrd of 3D Slicer, whose names count",
    )
    parser.add_argument(
        "--image", type=Path, metavar="CT", help="the CT that was segmented, a volume"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="new or empty folder"
    )
    parser.add_argument(
        "--labels",
        nargs="+",
        default=[],
        metavar="NAME",
        help="what the numbers 1, 2, ... of a file without names mean (default: as "
        "result.json or dataset.json of DeePRAC beside it says)",
    )
    add_patient(parser, "to compare the kidneys' size with")
    parser.add_argument(
        "--previous",
        type=Path,
        metavar="FILE",
        help="result.json of an earlier CT of this patient, to tell the change",
    )


def run(args: argparse.Namespace) -> None:
    from deeprac.surgery.outputs import result_folder, write_files
    from deeprac.termination import ended_by_signal

    held: list[Path] = []
    with ended_by_signal(lambda: held) as end, result_folder(args.out) as working:
        held.append(working)
        write_files(measured(args), working)
        end.obey()


def measured(args: argparse.Namespace) -> "Study":
    """Read, check and measure what the arguments name."""
    from deeprac.provenance import git_state
    from deeprac.surgery.patient import Patient, study_of
    from deeprac.surgery.previous import read_previous
    from deeprac.surgery.protocol import TimePoint

    patient = Patient(
        age_years=args.age,
        time_point=TimePoint(args.timepoint) if args.timepoint else None,
        previous=read_previous(args.previous) if args.previous else None,
        margin_mm=args.margin,
    )
    labelled, image = read_input(args)
    return study_of(
        labelled,
        image,
        patient,
        provenance={
            "verb": "measure",
            "git": git_state(),
            "labels": labelled.labels.numbers,
            "age_years": args.age,
            "margin_mm": args.margin,
            "timepoint": args.timepoint,
            "previous": patient.previous and patient.previous.as_json(),
        },
    )


def read_input(args: argparse.Namespace) -> "tuple[Labelled, sitk.Image | None]":
    """The segmentation and the CT; nothing that names patient or file gets out."""
    from dataclasses import replace

    from deeprac.cohort.confidential import confidential, names_of_files
    from deeprac.surgery.read_labels import read_labels

    files = {"segmentation": args.segmentation}
    files |= {"CT": args.image} if args.image else {}
    out = args.out.resolve()
    log = out.with_name(f"{out.name}.private.log")
    try:
        with confidential(log, lambda: names_of_files(files, Path())):
            image, findings = _read_ct(args.image) if args.image else (None, ())
            labelled = read_labels(args.segmentation, args.labels, image)
    finally:
        if log.is_file() and not log.stat().st_size:
            log.unlink()
    return replace(labelled, findings=(*findings, *labelled.findings)), image


def _read_ct(path: Path) -> "tuple[sitk.Image, tuple[Finding, ...]]":
    """The CT with certain faults repaired, and what was found; it may not be in HU."""
    import SimpleITK as sitk

    from deeprac.cohort import intensity
    from deeprac.cohort.case_files import read_part
    from deeprac.cohort.findings import CaseError
    from deeprac.cohort.grid import Grid
    from deeprac.cohort.volume import of_one_volume
    from deeprac.cohort.volume_files import read_volume

    image, findings = read_part("CT", lambda: read_volume(path))
    if image is None:
        raise CaseError(findings)
    values, found = intensity.plausible(sitk.GetArrayViewFromImage(image), "hu")
    findings += (one.about("the CT") for one in found)
    return Grid.of(image).volume(values), tuple(map(of_one_volume, findings))
