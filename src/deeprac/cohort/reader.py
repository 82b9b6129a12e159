"""What every source format yields, before anything is checked, mapped or turned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import SimpleITK as sitk

from deeprac.cohort.findings import Finding


@dataclass(frozen=True)
class Segmentation:
    """A label map of whole numbers and the name of each; 0 is background.

    Where segments overlap (DICOM-SEG, RTSTRUCT, 3D Slicer's layers), a case has several
    of them. ``expected`` are the names that ``cohort.label_numbers`` or
    ``dataset.json`` give the numbers of a file that names them itself.
    """

    volume: sitk.Image
    names: Mapping[int, str]
    expected: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceCase:
    """CT volume and segmentations of one case as they come, in any orientation.

    The image has exact, orthonormal axes (what is certain is repaired, with a finding);
    its values are the source's, rescaled where the format defines it.
    """

    image: sitk.Image
    segmentations: tuple[Segmentation, ...]
    age_years: float | None = None
    findings: tuple[Finding, ...] = ()


class Reader(Protocol):
    """A source format; one implementation per module, one line in ``formats``.

    The constructor takes the ``CohortConfig`` and raises ``CohortError`` when the
    source as a whole cannot be read.
    """

    def keys(self) -> list[str]:
        """The source's names of its cases, in a fixed order.

        Keys stay inside the program: unless ``cohort.pseudonyms`` is off they are
        never written or shown.
        """

    def patient(self, key: str) -> str:
        """The patient of a case in the source's own words; never written either."""

    def settings(self, key: str) -> Mapping[str, Any]:
        """Everything that the case depends on, as JSON values; only hashed."""

    def files(self, key: str) -> Mapping[str, Path]:
        """Where the case lies, by role: image, label; a folder for DICOM series.

        The local table of pseudonyms lists them; without pseudonyms, errors do.
        """

    def read(self, key: str) -> SourceCase:
        """Read one case.

        Raises:
            CaseError: it cannot be read; everything that was found.
        """
