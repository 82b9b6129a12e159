"""Diameters of a structure, and gaps between two.

A structure's surface is taken halfway between a voxel inside and its neighbour outside,
where marching cubes would cut the grid's edges: a row of n voxels is n voxels long, and
structures that share a face touch. Diameters are those of the contours that this gives
in the slices, as a radiologist draws them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, KDTree
from scipy.spatial.distance import pdist, squareform

from deeprac.surgery.anatomy import bounding_box

Spacing = tuple[float, float, float]
"""(z, y, x) in millimetres."""

SPARSE = 50
"""One of so many points tells how far the nearest may lie at most."""


@dataclass(frozen=True)
class Extents:
    """The lengths that a radiologist measures, in millimetres.

    Attributes:
        diameter_mm: largest distance of two points of the contours of all slices, or
            ``craniocaudal_mm`` where that is larger.
        axial_mm: largest distance of two points of one slice's contours.
        perpendicular_mm: extent across it in that slice.
        craniocaudal_mm: number of slices times their spacing.
    """

    diameter_mm: float
    axial_mm: float
    perpendicular_mm: float
    craniocaudal_mm: float

    @property
    def ellipsoid_ml(self) -> float:
        """The ellipsoid with the last three as its axes, pi/6 x a x b x c.

        Example:
            >>> round(Extents(100.0, 100.0, 80.0, 60.0).ellipsoid_ml, 1)
            251.3
        """
        axes_mm = self.axial_mm * self.perpendicular_mm * self.craniocaudal_mm
        return math.pi / 6 * axes_mm / 1000


def surface_points(
    mask: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> NDArray[np.float64]:
    """Points halfway between each voxel inside and each neighbour outside.

    Args:
        mask: [z, y, x] or [y, x]; beyond its border lies outside.
        spacing_mm: as many, in the order of the axes.

    Returns:
        [n, axes] millimetres from the centre of the first voxel, in that order.
    """
    box = bounding_box(mask)
    padded = np.pad(mask[box], 1)
    start = np.array([part.start for part in box]) - 1.0
    found = []
    for axis in range(mask.ndim):
        steps = np.argwhere(np.diff(padded, axis=axis)) + start
        steps[:, axis] += 0.5
        found.append(steps)
    return np.concatenate(found) * np.array(spacing_mm)


def extents(mask: NDArray[np.bool_], spacing_mm: Spacing) -> Extents:
    """Measure a structure.

    Args:
        mask: [z, y, x], not empty.
        spacing_mm: (z, y, x).
    """
    slice_mm, in_plane_mm = spacing_mm[0], spacing_mm[1:]
    mask = mask[bounding_box(mask)]
    axial = perpendicular = 0.0
    contours = []
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        corners = _corners(surface_points(mask[z], in_plane_mm))
        contours.append(np.insert(corners, 0, z * slice_mm, axis=1))
        length, along = _farthest(corners)
        if length > axial:
            across = corners @ [-along[1], along[0]]
            axial, perpendicular = length, float(np.ptp(across))
    diameter, height = axial, len(mask) * slice_mm
    if len(contours) > 1:
        diameter, _ = _farthest(_corners(np.concatenate(contours)))
    return Extents(max(diameter, height), axial, perpendicular, height)


def gap_mm(points: NDArray[np.float64], others: KDTree) -> float:
    """Smallest distance between two surfaces, each as ``surface_points``."""
    few, _ = others.query(points[::SPARSE])
    # Farther away nothing is searched, which saves most of the time.
    nearer, _ = others.query(points, distance_upper_bound=few.min())
    return float(min(few.min(), nearer.min()))


def _corners(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those on the convex hull; the points of one pixel already span an area."""
    return points[ConvexHull(points).vertices]


def _farthest(points: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Largest distance of two points, and the unit vector between them."""
    distances = squareform(pdist(points))
    first, second = np.unravel_index(distances.argmax(), distances.shape)
    length = float(distances[first, second])
    return length, (points[second] - points[first]) / length
