"""The padded square of an axial slice, without torch.

Convention: a slice of (h, w) pixels is padded with air to ``n = max(h, w)``, centred:
``(n - size) // 2`` pixels before, the rest after. Normalised points are those of
:mod:`deeprac.geometry` on the square: pixel i of n lies at ``(2 i + 1) / n - 1``, so
the square spans -1..1 from edge to edge.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Slices = TypeVar("Slices")
"""An array or a tensor of slices."""


@dataclass(frozen=True)
class Square:
    """The square around an axial slice.

    Attributes:
        height: rows of the native slice.
        width: columns of the native slice.
    """

    height: int
    width: int

    @property
    def size(self) -> int:
        """Side of the square in pixels."""
        return max(self.height, self.width)

    @property
    def before(self) -> tuple[int, int]:
        """Rows above and columns to the left of the slice."""
        return (self.size - self.height) // 2, (self.size - self.width) // 2

    def pad(self, slices: NDArray, value: float) -> NDArray:
        """Pad (..., height, width) to (..., size, size)."""
        top, left = self.before
        bottom = self.size - self.height - top
        right = self.size - self.width - left
        widths = [(0, 0)] * (slices.ndim - 2) + [(top, bottom), (left, right)]
        return np.pad(slices, widths, constant_values=value)

    def crop(self, slices: Slices) -> Slices:
        """Cut (..., size, size) back to (..., height, width)."""
        top, left = self.before
        return slices[..., top : top + self.height, left : left + self.width]

    def from_px(self, points_px: ArrayLike) -> NDArray[np.floating]:
        """Native pixel indices (..., 2), as (x, y), to normalised points."""
        return (2 * (np.asarray(points_px) + self.before[::-1]) + 1) / self.size - 1

    def to_px(self, points: ArrayLike) -> NDArray[np.floating]:
        """Inverse of :meth:`from_px`; indices may be fractional or outside."""
        return ((np.asarray(points) + 1) * self.size - 1) / 2 - self.before[::-1]
