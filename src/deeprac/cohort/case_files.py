"""Cases whose image and label lie in files: what the folder formats have in common.

A format lists its cases as ``CaseFiles``; one reader reads them all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import SimpleITK as sitk

from deeprac.cohort import seg_nrrd, volume_files
from deeprac.cohort.findings import CaseError, Finding, ForeignError
from deeprac.cohort.patients import Patient, patients_of
from deeprac.cohort.reader import Segmentation, SourceCase
from deeprac.cohort.source_files import stamp
from deeprac.settings.cohort import CohortConfig

Labels = tuple[Segmentation, ...]
"""The segmentations of one case, one for each layer."""

Read = TypeVar("Read", sitk.Image, Labels)


class LabelFiles(Protocol):
    """The files that hold the label of one case."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, in a fixed order."""

    @property
    def names(self) -> Mapping[int, str]:
        """Name of each number, as far as the files do not name it themselves."""

    def read(self) -> tuple[Labels, list[Finding]]:
        """Read all of them.

        Raises:
            CaseError: they cannot be read.
        """


@dataclass(frozen=True)
class LabelFile:
    """One file with a label map; 3D Slicer's segmentations bring their own names.

    ``refuse`` raises ``CaseError`` for labels that the format does not allow.
    """

    path: Path
    names: Mapping[int, str]
    refuse: Callable[[Labels], None] | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def read(self) -> tuple[Labels, list[Finding]]:
        """Read it, as ``LabelFiles`` asks for."""
        if seg_nrrd.holds_segments(self.path):
            labels, findings = seg_nrrd.read_segmentations(self.path, self.names)
        else:
            volume, findings = volume_files.read_volume(self.path)
            labels = (Segmentation(volume, self.names),)
        if self.refuse is not None:
            self.refuse(labels)
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
        """Read the image.

        Raises:
            CaseError: it is missing or cannot be read.
        """
        if self.get_image is not None and not self.image.exists():
            raise CaseError.of("file", f"the file is missing. {self.get_image}")
        return volume_files.read_volume(self.image)


class FileReader:
    """Reads the cases of a folder, one at a time."""

    def __init__(self, config: CohortConfig, cases: Mapping[str, CaseFiles]) -> None:
        """Take the files of all cases, and their patients from ``cohort.patients``.

        Raises:
            CohortError: the table of patients cannot be used, or names collide.
        """
        own = {key: case.patient for key, case in cases.items()}
        self._patients = patients_of(config, own)
        self._cases = dict(cases)

    def keys(self) -> list[str]:
        """Names of all cases, sorted."""
        return sorted(self._cases)

    def patient(self, key: str) -> str:
        """The patient of a case, in the source's own words."""
        return self._patients[key].name

    def settings(self, key: str) -> Mapping[str, Any]:
        """Files by size and time of change, names of the labels, and the age."""
        case = self._cases[key]
        return {
            "files": [stamp(path) for path in (case.image, *case.label.paths)],
            "names": {str(value): name for value, name in case.label.names.items()},
            "age_years": self._patients[key].age_years,
        }

    def files(self, key: str) -> Mapping[str, Path]:
        """Image and label; a label of several files has numbers from the second on."""
        case = self._cases[key]
        return {"image": case.image} | numbered("label", case.label.paths)

    def read(self, key: str) -> SourceCase:
        """Read all files; complain about all that are unreadable.

        Raises:
            CaseError: a file cannot be read; each message begins with which.
        """
        case = self._cases[key]
        image, of_image = read_part("image", case.read_image)
        label, of_label = read_part("label", case.label.read)
        findings = (*of_image, *of_label)
        if image is None or label is None:
            raise CaseError(findings)
        return SourceCase(image, label, self._patients[key].age_years, findings)


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
        value, findings = None, error.findings
    except Exception as error:
        raise ForeignError(which) from error
    return value, [finding.about(f"the {which}") for finding in findings]
