"""What every source format yields, before anything is checked, mapped or turned."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from deeprac.cohort.findings import Finding
from deeprac.cohort.grid import Grid
from deeprac.settings.cohort import CohortConfig


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


@dataclass(frozen=True)
class ListedCase:
    """A case as its format lists it, before it is read.

    Listed are the files by role, such as image and label, for DICOM the folder of the
    series: the local table of pseudonyms has them; without pseudonyms, errors do.
    """

    patient: str
    """In the source's own words: never written or shown unless pseudonyms are off."""
    files: Mapping[str, Path]
    settings: Callable[[], Mapping[str, Any]]
    """Everything that the case depends on, as JSON values; only hashed."""
    read: Callable[[], SourceCase]
    """Raises a CaseError where it cannot be read, with everything that was found."""


Reader = Callable[[CohortConfig], dict[str, ListedCase]]
"""A source format: its cases by the source's names, which are no more shown than
patients; a CohortError where the source as a whole cannot be read."""


MAX_NUMBER = 255
"""Label maps are uint8."""


class Layers:
    """Label maps; a mask goes into the first of its grid in which it overlaps none.

    Masks of one name count as one segment.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names of all segments, also of those without a mask."""
        self.names = dict(enumerate(sorted(set(names)), start=1))
        """Name of each number."""
        self._numbers = {name: number for number, name in self.names.items()}
        self._layers: list[tuple[Grid, np.ndarray]] = []

    def add(self, mask: np.ndarray, name: str, grid: Grid) -> None:
        """Add a mask [z, y, x] of bool on its grid."""
        number = self._numbers[name]
        for of_layer, layer in self._layers:
            if of_layer.is_same_as(grid):
                there = layer[mask]
                if np.all((there == 0) | (there == number)):
                    layer[mask] = number
                    return
        self._layers.append((grid, mask * np.uint8(number)))

    def segmentations(self) -> tuple[Segmentation, ...]:
        """One segmentation per layer.

        All of them have all names, so that names without a meaning are found.
        """
        return tuple(
            Segmentation(grid.volume(layer), self.names) for grid, layer in self._layers
        )
