"""Packing masks that may overlap into as few label maps as possible."""

from collections.abc import Iterable

import numpy as np

from deeprac.cohort.grid import Grid
from deeprac.cohort.reader import Segmentation

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
