"""Masks, surfaces and hulls of numbered parts, each made once and on its own box."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, Delaunay, KDTree

from deeprac.surgery.extents import Spacing, surface_points


class Shapes:
    """The parts of one array of numbers.

    Points are [n, 3] millimetres (z, y, x) from the centre of the array's first voxel.
    """

    def __init__(self, numbers: NDArray[np.integer], spacing_mm: Spacing) -> None:
        """Take the array [z, y, x], 0 outside of all parts."""
        self._numbers = numbers
        self._spacing_mm = spacing_mm
        self._surfaces: dict[int, NDArray[np.float64]] = {}
        self._trees: dict[int, KDTree] = {}
        self._hulls: dict[int, Delaunay] = {}

    @cached_property
    def _boxes(self) -> list[tuple[slice, ...]]:
        # It takes no unsigned numbers of 32 bits.
        small = self._numbers.dtype.itemsize == 1
        numbers = self._numbers if small else self._numbers.astype(np.int32)
        return ndimage.find_objects(numbers)

    def mask(self, number: int) -> NDArray[np.bool_]:
        """The voxels of a part on the box around it, [z, y, x]."""
        return self._numbers[self._boxes[number - 1]] == number

    def centres_mm(self, number: int) -> NDArray[np.float64]:
        """The centres of its voxels."""
        voxels = np.argwhere(self.mask(number)) * np.array(self._spacing_mm)
        return voxels + self._start_mm(number)

    def surface_mm(self, number: int) -> NDArray[np.float64]:
        """Its surface, as ``surface_points`` has it."""
        if number not in self._surfaces:
            points = surface_points(self.mask(number), self._spacing_mm)
            self._surfaces[number] = points + self._start_mm(number)
        return self._surfaces[number]

    def tree(self, number: int) -> KDTree:
        """Its surface, to search the nearest point of."""
        if number not in self._trees:
            self._trees[number] = KDTree(self.surface_mm(number))
        return self._trees[number]

    def hull(self, number: int) -> Delaunay:
        """Its convex hull, which tells whether it holds a point."""
        if number not in self._hulls:
            points = self.surface_mm(number)
            self._hulls[number] = Delaunay(points[ConvexHull(points).vertices])
        return self._hulls[number]

    def _start_mm(self, number: int) -> NDArray[np.float64]:
        box = self._boxes[number - 1]
        return np.array([part.start for part in box]) * np.array(self._spacing_mm)
