"""Kidneys and tumours of one patient, each a structure with a side.

Convention: arrays are [z, y, x] with the axes ordered as in the canonical frame, x to
the patient's left, y to posterior, z to superior. The grid keeps the true axes of the
source, a tilt included: millimetres are the source's LPS.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deeprac.cohort.grid import Grid


class Kind(StrEnum):
    """What a structure is."""

    KIDNEY = "kidney"
    """Kidney without its tumours."""
    TUMOUR = "tumour"
    """One connected tumour."""
    CYST = "cyst"
    """All renal cysts, where the model tells them from kidney."""


class BodySide(StrEnum):
    """The patient's side."""

    LEFT = "left"
    """Larger x."""
    RIGHT = "right"
    """Smaller x."""
    UNKNOWN = "unknown"
    """It cannot be told, or the structure has none."""


@dataclass(frozen=True)
class Structure:
    """One structure of ``Anatomy``.

    Attributes:
        number: its voxels' number in ``Anatomy.numbers``, from 1.
        kind: what it is.
        side: a kidney's own; a tumour's that of the kidney it belongs to.
        instance: tumours are counted from 1, the largest first; None otherwise.
    """

    number: int
    kind: Kind
    side: BodySide
    instance: int | None = None

    @property
    def name(self) -> str:
        """Name in tables and of files, such as ``kidney_left`` or ``tumour_1``.

        Example:
            >>> Structure(1, Kind.KIDNEY, BodySide.UNKNOWN).name
            'kidney'
        """
        if self.instance is not None:
            return f"{self.kind}_{self.instance}"
        known = self.kind is Kind.KIDNEY and self.side is not BodySide.UNKNOWN
        return f"{self.kind}_{self.side}" if known else str(self.kind)


@dataclass(frozen=True)
class Anatomy:
    """All structures of one label map.

    Attributes:
        numbers: [z, y, x] uint8, 0 or the number of a structure.
        grid: of ``numbers``: axes ordered LPS, with the source's true directions.
        structures: by number, kidneys before tumours.
    """

    numbers: NDArray[np.uint8]
    grid: Grid
    structures: tuple[Structure, ...]

    def mask(self, *structures: Structure) -> NDArray[np.bool_]:
        """The voxels of these structures, [z, y, x]."""
        return np.isin(self.numbers, [one.number for one in structures])

    def of_kind(self, kind: Kind) -> tuple[Structure, ...]:
        """The structures of one kind, by number."""
        return tuple(one for one in self.structures if one.kind is kind)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing (z, y, x) in millimetres."""
        x, y, z = self.grid.spacing_xyz_mm
        return z, y, x

    @cached_property
    def voxel_ml(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing_mm)) / 1000

    def volume_ml(self, *structures: Structure) -> float:
        """Volume of all voxels of these structures."""
        voxels = sum(int(self._voxels[one.number]) for one in structures)
        return voxels * self.voxel_ml

    @cached_property
    def _voxels(self) -> NDArray[np.int64]:
        """Number of voxels of each number."""
        return np.bincount(self.numbers.ravel(), minlength=256)

    def cropped(self) -> "Anatomy":
        """The same on the box around all structures, which is much smaller."""
        box = bounding_box(self.numbers)
        start_xyz = [part.start for part in reversed(box)]
        to_mm = self.grid.lps_from_voxel_mm
        grid = Grid.along(
            self.grid.axes,
            [part.stop - part.start for part in reversed(box)],
            self.grid.spacing_xyz_mm,
            to_mm[:, :3] @ start_xyz + to_mm[:, 3],
        )
        return Anatomy(self.numbers[box], grid, self.structures)


def bounding_box(labels: NDArray[np.generic]) -> tuple[slice, ...]:
    """The smallest box around what is not 0, as slices; all where there is nothing."""
    if not labels.any():
        return tuple(slice(0, n) for n in labels.shape)
    box = []
    for axis in range(labels.ndim):
        others = tuple(other for other in range(labels.ndim) if other != axis)
        found = np.flatnonzero(labels.any(axis=others))
        box.append(slice(int(found[0]), int(found[-1]) + 1))
    return tuple(box)
