"""The cube of millimetres around a volume, without torch.

Convention: a volume of (d, h, w) voxels lies in the middle of a cube whose side is its
longest extent from edge to edge, in millimetres. Normalised points (x, y, z) span -1..1
from face to face of the cube, the same length along all axes, so that a similarity of
the patient is one of points. z counts slices, from the first one up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeprac.geometry.square import Square


@dataclass(frozen=True)
class Cube:
    """The cube around a volume.

    Attributes:
        shape: voxels (slices, height, width).
        spacing_mm: (z, y, x) in millimetres.
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]

    @property
    def side_mm(self) -> float:
        """Side of the cube in millimetres."""
        return max(self._extents_mm)

    @property
    def shares(self) -> tuple[float, ...]:
        """Extent of the volume (z, y, x) as shares of the cube's side."""
        return tuple(extent / self.side_mm for extent in self._extents_mm)

    @property
    def _extents_mm(self) -> tuple[float, ...]:
        pairs = zip(self.shape, self.spacing_mm, strict=True)
        return tuple(count * mm for count, mm in pairs)

    def from_vx(self, points_vx: ArrayLike) -> NDArray[np.floating]:
        """Native voxel indices (..., 3), as (x, y, z), to normalised points.

        Example:
            >>> Cube((2, 4, 4), (6.0, 2.0, 2.0)).from_vx([0, 3, 1]).round(6).tolist()
            [-0.5, 0.5, 0.5]
        """
        counts, shares = np.array(self.shape[::-1]), np.array(self.shares[::-1])
        return ((2 * np.asarray(points_vx) + 1) / counts - 1) * shares

    def to_vx(self, points: ArrayLike) -> NDArray[np.floating]:
        """Inverse of :meth:`from_vx`; indices may be fractional or outside."""
        counts, shares = np.array(self.shape[::-1]), np.array(self.shares[::-1])
        return ((np.asarray(points) / shares + 1) * counts - 1) / 2

    def from_square(self) -> NDArray[np.floating]:
        """(2, 3) matrix from points (x, y) of the slices' padded square to the cube's.

        See :mod:`deeprac.geometry.square`, which pads whole pixels.
        """
        square = Square(*self.shape[1:])
        mm = np.array(self.spacing_mm[:0:-1]) / self.side_mm
        before = np.array(square.before[::-1])
        uneven = square.size - np.array(self.shape[:0:-1]) - 2 * before
        return np.column_stack([np.diag(square.size * mm), uneven * mm])
