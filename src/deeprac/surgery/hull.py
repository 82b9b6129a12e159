"""How much of a tumour lies outside of its kidney's convex hull."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay


def outside_hull_percent(centres_mm: NDArray[np.float64], hull: Delaunay) -> float:
    """Share of a tumour's voxels whose centres the kidney's hull does not hold.

    The hull is that of the kidney's parenchyma: a kidney that is wrapped around its
    tumour holds most of it, one that carries it on its surface little.

    Args:
        centres_mm: [n, 3] of the tumour's voxels, at least one.
        hull: of the kidney without the tumour, as ``Shapes.hull``.

    Returns:
        0..100.
    """
    # Most lie outside the hull's box, which is far quicker to tell.
    low, high = hull.min_bound, hull.max_bound
    near = ((centres_mm >= low) & (centres_mm <= high)).all(axis=1)
    inside = hull.find_simplex(centres_mm[near]) >= 0
    return 100 * (1 - float(np.count_nonzero(inside)) / len(centres_mm))
