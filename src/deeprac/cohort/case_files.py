"""Cases whose image and label lie in files: what the folder formats have in common.

A format lists its cases as ``CaseFiles``; all are read alike.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import SimpleITK as sitk

from deeprac.cohort import seg_nrrd, volume_files
from deeprac.cohort.findings import CaseError, Finding, ForeignError
from deeprac.cohort.patients import Patient, patients_of
from deeprac.cohort.reader import ListedCase, Segmentation, SourceCase
from deeprac.cohort.source_files import stamp
from deeprac.settings.cohort import CohortConfig

Labels = tuple[Segmentation, ...]
"""The segmentations of one case, one for each layer."""

Read = TypeVar("Read", sitk.Image, Labels)


@dataclass(frozen=True)
class LabelFiles:
    """The files that hold the label of one case, in a fixed order."""

    paths: tuple[Path, ...]
    names: Mapping[int, str]
    """Name of each number, as far as the files do not name it themselves."""
    read: Callable[[], tuple[Labels, list[Finding]]]
    """Raises a CaseError where they cannot be read."""


def label_file(
    path: Path,
    names: Mapping[int, str],
    refuse: Callable[[Labels], None] | None = None,
) -> LabelFiles:
    """One file with a label map; 3D Slicer's segmentations bring their own names.

    ``refuse`` raises ``CaseError`` for labels that the format does not allow.
    """
    return LabelFiles((path,), names, partial(_read_label, path, names, refuse))


def _read_label(
    path: Path, names: Mapping[int, str], refuse: Callable[[Labels], None] | None
) -> tuple[Labels, list[Finding]]:
    if seg_nrrd.holds_segments(path):
        labels, findings = seg_nrrd.read_segmentations(path, names)
    else:
        volume, findings = volume_files.read_volume(path)
        labels = (Segmentation(volume, names),)
    if refuse is not None:
        refuse(labels)
    return labels, findings


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case, and its patient as the source names it.

    ``get_image`` tells the user how to get a missing image, where more is known than
    that it must be there.
    """

    image: Path
    label: LabelFiles
    patient: Patient
    get_image: str | None = None

    def read_image(self) -> tuple[sitk.Image, list[Finding]]:
        """Read the image, or raise a CaseError."""
        if self.get_image is not None and not self.image.exists():
            raise CaseError.of("file", f"the file is missing. {self.get_image}")
        return volume_files.read_volume(self.image)


def listed(
    config: CohortConfig, cases: Mapping[str, CaseFiles]
) -> dict[str, ListedCase]:
    """List cases of files, with their patients from ``cohort.patients``.

    Raises:
        CohortError: the table of patients cannot be used, or names collide.
    """
    own = {key: case.patient for key, case in cases.items()}
    patients = patients_of(config, own)
    return {
        key: ListedCase(
            patient=patients[key].name,
            files={"image": case.image} | numbered("label", case.label.paths),
            settings=partial(_settings, case, patients[key]),
            read=partial(_read, case, patients[key]),
        )
        for key, case in sorted(cases.items())
    }


def _settings(case: CaseFiles, patient: Patient) -> dict[str, Any]:
    """Files by size and time of change, names of the labels, and the age."""
    return {
        "files": [stamp(path) for path in (case.image, *case.label.paths)],
        "names": {str(value): name for value, name in case.label.names.items()},
        "age_years": patient.age_years,
    }


def _read(case: CaseFiles, patient: Patient) -> SourceCase:
    """Read all files; complain about all that are unreadable, each by its role."""
    image, of_image = read_part("image", case.read_image)
    label, of_label = read_part("label", case.label.read)
    findings = (*of_image, *of_label)
    if image is None or label is None:
        raise CaseError(findings)
    return SourceCase(image, label, patient.age_years, findings)


def numbered(role: str, paths: Iterable[Path]) -> dict[str, Path]:
    """Files by role, with numbers from the second on.

    Example:
        >>> list(numbered("label", [Path("a"), Path("b")]))
        ['label', 'label_2']
    """
    return {
        f"{role}_{number}" if number > 1 else role: path
        for number, path in enumerate(paths, start=1)
    }


def read_part(
    which: str, read: Callable[[], tuple[Read, list[Finding]]]
) -> tuple[Read | None, list[Finding]]:
    """Read image or label; every finding begins with which of the two it is about.

    Returns:
        What was read, None where it cannot be read, and what was found.

    Raises:
        ForeignError: a library failed over it in a way that nothing here expects.
    """
    try:
        value, findings = read()
    except CaseError as error:
        value, findings = None, list(error.findings)
    except Exception as error:
        raise ForeignError(which) from error
    return value, [finding.about(f"the {which}") for finding in findings]
