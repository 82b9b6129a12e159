"""How much of a tumour lies outside of its kidney's convex hull."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, Delaunay

from deeprac.surgery.extents import Spacing, surface_points


def outside_hull_percent(
    tumour: NDArray[np.bool_], kidney: NDArray[np.bool_], spacing_mm: Spacing
) -> float:
    """Share of a tumour's voxels whose centres the kidney's hull does not hold.

    The hull is that of the kidney's parenchyma: a kidney that is wrapped around its
    tumour holds most of it, one that carries it on its surface little.

    Args:
        tumour: [z, y, x], not empty.
        kidney: the same shape, without the tumour, not empty.
        spacing_mm: (z, y, x).

    Returns:
        0..100.
    """
    points = surface_points(kidney, spacing_mm)
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    centres = np.argwhere(tumour) * np.array(spacing_mm)
    # Most lie outside the hull's box, which is far quicker to tell.
    near = ((centres >= corners.min(axis=0)) & (centres <= corners.max(axis=0))).all(1)
    inside = Delaunay(corners).find_simplex(centres[near]) >= 0
    return 100 * (1 - float(np.count_nonzero(inside)) / len(centres))
