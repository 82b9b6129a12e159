"""Cohorts as TotalSegmentator lays them out: one mask per organ.

``cohort.path`` holds a folder per case. The image is ``{case}/ct.nii.gz`` or, beside
the folder, ``{case}.nii.gz``; the masks are in ``{case}/segmentations`` or ``{case}``,
each called after what it shows, such as ``kidney_left.nii.gz``. The training data set
has ages in ``meta.csv``.

A folder has more than a hundred masks. Only those are read that ``cohort.labels``
names, and all of kidneys, so that none is forgotten; other organs are background.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import seg_nrrd, volume_files
from deeprac.cohort.case_files import CaseFiles, LabelFiles, Labels, listed
from deeprac.cohort.endings import without_ending
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.grid import Grid
from deeprac.cohort.label_map import KIDNEYS
from deeprac.cohort.patients import Patient, age_in
from deeprac.cohort.reader import Layers, ListedCase
from deeprac.cohort.tables import by_case, read_rows
from deeprac.errors import CohortError
from deeprac.labels import TITLES, plain_name
from deeprac.settings.cohort import CohortConfig

IMAGE, MASKS, CLINICAL = "ct", "segmentations", "meta.csv"
"""Image, folder of masks and table of patients, as the training data set has them."""

MEANT = tuple(title for title in TITLES if title != "background")

_LAYOUT = (
    "a folder as TotalSegmentator writes it: CASE/ct.nii.gz and "
    "CASE/segmentations/kidney_left.nii.gz"
)
_GET_IMAGE = (
    f"Put it into the case's folder as {IMAGE}.nii.gz, or beside that folder under its "
    "name"
)
_OTHER_SIDE = {"left": "right", "right": "left"}


def open_totalsegmentator(config: CohortConfig) -> dict[str, ListedCase]:
    """List the cases and read the tables of patients.

    Raises:
        CohortError: the folder is not laid out so, or a table cannot be used.
    """
    root, wanted = config.source_path, config.labels
    images = _images(root)
    masks = {case: _masks(root / case, wanted) for case in images}
    if not any(_kidneys(of_case, wanted) for of_case in masks.values()):
        raise CohortError(
            f"{root} has no case with a mask that is called as cohort.labels calls "
            f"kidneys ({_listed(wanted)}). cohort.path must be {_LAYOUT}."
        )
    ages = _ages(root / CLINICAL)
    return listed(
        config,
        {
            case: CaseFiles(
                image,
                LabelFiles(
                    tuple(masks[case].values()),
                    Layers(masks[case]).names,
                    partial(_read_masks, masks[case], wanted),
                ),
                Patient(case, ages.get(case)),
                _GET_IMAGE,
            )
            for case, image in images.items()
        },
    )


def _masks(folder: Path, labels: Mapping[str, Sequence[str]]) -> dict[str, Path]:
    """The masks of a case that ``cohort.labels`` names, by name, sorted.

    And all of kidneys: one that no title names would become background unnoticed.
    """
    below = folder / MASKS
    named = _plain_names(labels, MEANT)
    ignored = _plain_names(labels, ("background",))
    files = _volumes(below if below.is_dir() else folder)
    return {
        name: files[name]
        for name in sorted(files)
        if (plain := plain_name(name)) in named
        or (plain.startswith("kidney") and not ignored & {plain, "*"})
    }


def _kidneys(masks: Iterable[str], labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of the masks that are kidneys."""
    named = _plain_names(labels, KIDNEYS)
    return [name for name in masks if plain_name(name) in named]


def _read_masks(
    masks: Mapping[str, Path], labels: Mapping[str, Sequence[str]]
) -> tuple[Labels, list[Finding]]:
    """Pack masks into one label map, those that overlap or have another grid into more.

    Raises:
        CaseError: a mask is missing, cannot be read, or is none.
    """
    if not _kidneys(masks, labels):
        raise CaseError.of(
            "file",
            f"there is no mask of a kidney ({_listed(labels)}). Segment the image "
            "again, or leave the case out",
        )
    there = {plain_name(name): name for name in masks}
    missing = _plain_names(labels, MEANT) - set(there)
    for plain, name in there.items():
        if _other_side(plain) in missing:
            raise CaseError.of(
                "file",
                f"the mask {name} has none of the other side beside it. Segment the "
                "image again: an organ that is not there has an empty mask",
            )
    layers, findings = Layers(masks), []
    for name, path in masks.items():
        volume, found = _read(name, path)
        findings += found
        mask = sitk.GetArrayViewFromImage(volume) != 0
        layers.add(mask, name, Grid.of(volume))
    return layers.segmentations(), list(dict.fromkeys(findings))


def _images(root: Path) -> dict[str, Path]:
    """Image by case: every volume beside the folders, every folder that looks like one.

    Files may be missing; what is missing is reported when the case is read.
    """
    images = _volumes(root)
    folders = [path for path in sorted(root.glob("*")) if path.is_dir()]
    for folder in folders:
        volumes = _volumes(folder)
        inside = volumes.get(IMAGE)
        if inside and folder.name in images:
            raise CohortError(
                f"{root}: a case has an image in its folder ({IMAGE}) and another one "
                "beside it. Keep one."
            )
        if volumes or (folder / MASKS).is_dir():
            image = inside or folder / f"{IMAGE}.nii.gz"
            images.setdefault(folder.name, image)
    if not images:
        raise CohortError(f"{root} holds no cases. cohort.path must be {_LAYOUT}.")
    return images


def _volumes(folder: Path) -> dict[str, Path]:
    """Files of volumes by name without ending; archives leave hidden files behind."""
    found: dict[str, Path] = {}
    for path in folder.glob("*.*"):
        if path.name.startswith("."):
            continue
        name = without_ending(path)
        if name != path.name and found.setdefault(name, path) != path:
            raise CohortError(
                f"{folder} has two files whose names differ only in their ending. "
                "Keep one."
            )
    return found


def _read(name: str, path: Path) -> tuple[sitk.Image, list[Finding]]:
    """Read a mask: 0, and one whole number where the organ is.

    Raises:
        CaseError: it cannot be read, or is no such mask.
    """
    try:
        if seg_nrrd.holds_segments(path):
            slicers = "it is a segmentation of 3D Slicer. Export it as a label map"
            raise CaseError.of("file", slicers)
        volume, findings = volume_files.read_volume(path)
    except CaseError as error:
        raise error.about(f"mask {name}") from error
    values = sitk.GetArrayViewFromImage(volume)
    highest = values.max()
    labelled = np.count_nonzero(values)
    if labelled and not (
        highest >= 1
        and abs(highest - np.rint(highest)) <= 1e-3  # stored with a scale
        and np.count_nonzero(values == highest) == labelled
    ):
        raise CaseError.of(
            "label values",
            f"mask {name}: it holds values from {values.min():g} to {highest:g}, but "
            "a mask has 0 and one other whole number. Export it as a mask",
        )
    return volume, findings


def _plain_names(
    labels: Mapping[str, Sequence[str]], titles: Sequence[str]
) -> set[str]:
    return {plain_name(name) for title in titles for name in labels.get(title, ())}


def _listed(labels: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(name for title in KIDNEYS for name in labels.get(title, ()))


def _other_side(plain: str) -> str | None:
    """The name of the same organ on the other side; None where names have no side."""
    swapped = re.sub(r"\b(left|right)\b", lambda side: _OTHER_SIDE[side[0]], plain)
    return None if swapped == plain else swapped


def _ages(path: Path) -> dict[str, float | None]:
    """Age by case, where the data set has it."""
    if not path.is_file():
        return {}
    rows = by_case(
        read_rows(path, ("image_id",)), path, lambda row: row.cells["image_id"]
    )
    return {case: age_in(row, path, "age") for case, row in rows.items()}
