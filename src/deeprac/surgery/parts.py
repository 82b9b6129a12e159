"""Connected parts of a mask, their sizes, and which of them touch."""

from collections.abc import Iterator
from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray

from deeprac.surgery.extents import Spacing


@dataclass(frozen=True)
class Parts:
    """The 26-connected parts of a mask, as lesions are in the evaluation.

    Attributes:
        numbers: [z, y, x], 0 or the number of a part, from 1.
        voxels: voxels of each part by its number; those of 0 are the rest.
    """

    numbers: NDArray[np.unsignedinteger]
    voxels: NDArray[np.int64]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> "Parts":
        """The parts of a mask [z, y, x]."""
        numbers = cc3d.connected_components(mask, connectivity=26, out_dtype=np.uint32)
        return cls(numbers, np.bincount(numbers.ravel(), minlength=1))

    @property
    def by_size(self) -> list[int]:
        """Their numbers, the largest first."""
        return (np.argsort(-self.voxels[1:], kind="stable") + 1).tolist()


def touching(
    parts: Parts, others: Parts, spacing_mm: Spacing
) -> Iterator[tuple[int, int, float]]:
    """Pairs of parts that share faces of voxels, and the area of those in mm2.

    To compare contacts with each other; as an area it is too large by half.

    Args:
        parts: of one mask.
        others: of a mask on the same grid that shares no voxel with it.
        spacing_mm: (z, y, x).
    """
    first = len(parts.voxels) - 1
    moved = np.where(others.numbers > 0, others.numbers + np.uint32(first), 0)
    areas = cc3d.contacts(
        parts.numbers + moved.astype(np.uint32), connectivity=6, anisotropy=spacing_mm
    )
    for pair, area in sorted(areas.items()):
        one, other = sorted(pair)
        if one <= first < other:
            yield one, other - first, float(area)
