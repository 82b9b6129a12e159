"""Packing masks that may overlap into as few label maps as possible."""

from collections.abc import Iterable

import numpy as np

from deeprac.cohort.grid import Grid
from deeprac.cohort.reader import Segmentation

MAX_NUMBER = 255
"""Label maps are uint8."""


class Layers:
    """Label maps on one grid; a mask goes into the first in which it overlaps none.

    Masks of one name count as one segment.
    """

    def __init__(self, grid: Grid, names: Iterable[str]) -> None:
        """Take the names of all segments, also of those without a mask."""
        self._grid = grid
        self._names = sorted(set(names))
        self._maps: list[np.ndarray] = []

    def add(self, mask: np.ndarray, name: str) -> None:
        """Add a mask [k, j, i] of bool; an empty one changes nothing."""
        number = self._names.index(name) + 1
        if number > MAX_NUMBER:
            raise OverflowError(f"more than {MAX_NUMBER} names")
        if not mask.any():
            return
        for layer in self._maps:
            there = layer[mask]
            if np.all((there == 0) | (there == number)):
                layer[mask] = number
                return
        layer = np.zeros(mask.shape, np.uint8)
        layer[mask] = number
        self._maps.append(layer)

    def segmentations(self) -> tuple[Segmentation, ...]:
        """One segmentation per layer, one without voxels if there is none.

        All of them know all names, so that names without a meaning are found.
        """
        names = {index + 1: name for index, name in enumerate(self._names)}
        size = self._grid.size[::-1]
        maps = self._maps or [np.zeros(size, np.uint8)]
        return tuple(Segmentation(self._grid.volume(m), names) for m in maps)
