"""Cases whose image and label lie in files: what the folder formats have in common.

A format lists its cases as ``CaseFiles``; one reader reads them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import SimpleITK as sitk

from deeprac.cohort import seg_nrrd, volume_files
from deeprac.cohort.findings import CaseError, Finding, ForeignError
from deeprac.cohort.patients import Patient
from deeprac.cohort.reader import Segmentation, SourceCase
from deeprac.cohort.source_files import stamp

Read = TypeVar("Read", sitk.Image, tuple[Segmentation, ...])


class LabelFiles(Protocol):
    """The files that hold the label of one case."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, in a fixed order."""

    @property
    def names(self) -> Mapping[int, str]:
        """Name of each number, as far as the files do not say it themselves."""

    def read(self) -> tuple[tuple[Segmentation, ...], list[Finding]]:
        """Read all of them.

        Raises:
            CaseError: they cannot be read.
        """


@dataclass(frozen=True)
class LabelMap:
    """One label map; 3D Slicer's segmentations bring their own names."""

    path: Path
    names: Mapping[int, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def read(self) -> tuple[tuple[Segmentation, ...], list[Finding]]:
        """Read it.

        Raises:
            CaseError: it cannot be read.
        """
        if seg_nrrd.holds_segments(self.path):
            return seg_nrrd.read_segmentations(self.path, self.names)
        volume, findings = volume_files.read_volume(self.path)
        return (Segmentation(volume, self.names),), findings


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case, and its patient.

    ``get_image`` says how a missing image is got, where more is known than that it
    must be there.
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

    def __init__(self, cases: Mapping[str, CaseFiles]) -> None:
        """Take the files of all cases."""
        self._cases = dict(cases)

    def keys(self) -> list[str]:
        """Names of all cases, sorted."""
        return sorted(self._cases)

    def patient(self, key: str) -> str:
        """The patient of a case, in the source's own words."""
        return self._cases[key].patient.name

    def settings(self, key: str) -> Mapping[str, Any]:
        """Files by size and time of change, names of the labels, and the age."""
        case = self._cases[key]
        return {
            "files": [stamp(path) for path in (case.image, *case.label.paths)],
            "names": {str(value): name for value, name in case.label.names.items()},
            "age_years": case.patient.age_years,
        }

    def files(self, key: str) -> Mapping[str, Path]:
        """Image and label; a label of several files has numbers from the second on."""
        case = self._cases[key]
        numbered = enumerate(case.label.paths, start=1)
        return {"image": case.image} | {
            f"label_{number}" if number > 1 else "label": path
            for number, path in numbered
        }

    def read(self, key: str) -> SourceCase:
        """Read all files; complain about all that are unreadable.

        Raises:
            CaseError: a file cannot be read; each message begins with which.
        """
        case = self._cases[key]
        image, of_image = _told("image", case.read_image)
        label, of_label = _told("label", case.label.read)
        findings = (*of_image, *of_label)
        if image is None or label is None:
            raise CaseError(findings)
        return SourceCase(image, label, case.patient.age_years, findings)


def _told(
    which: str, read: Callable[[], tuple[Read, list[Finding]]]
) -> tuple[Read | None, list[Finding]]:
    """Read one of the two, None where it cannot be read; findings say which it was.

    Raises:
        ForeignError: a library failed over it, and nobody foresaw how.
    """
    try:
        value, findings = read()
    except CaseError as error:
        value, findings = None, list(error.findings)
    except Exception as error:
        raise ForeignError(which) from error
    return value, [
        replace(finding, message=f"the {which}: {finding.message}")
        for finding in findings
    ]
