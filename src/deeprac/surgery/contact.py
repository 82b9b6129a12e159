"""Area of the surface on which two structures touch.

It is that of the smoothed boundary of ``surface_nets``. Against hemispheres of 15 and
35 mm, with slices of 1 to 5 mm at any offset, it was within 4 % of the true one;
counting the faces of voxels gives half as much again. Smoothing shrinks what is small:
of 10 mm it was 2 to 7 % too small, of 6 mm 5 to 20 %.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from deeprac.surgery.extents import Spacing
from deeprac.surgery.surface_nets import surface_nets, triangles_of

SMALL_ML = 4.2
"""Volume of a ball of 10 mm radius."""


def contact_note(tumour_ml: float) -> str:
    """How to read the contact of a tumour of a volume.

    Example:
        >>> contact_note(3.0), contact_note(5.0)
        ('underestimated by up to 20 %: the tumour is small', '')
    """
    return (
        "underestimated by up to 20 %: the tumour is small"
        if tumour_ml < SMALL_ML
        else ""
    )


def contact_areas_cm2(
    numbers: NDArray[np.uint8], spacing_mm: Spacing
) -> dict[frozenset[int], float]:
    """Area of the boundary between every two structures that touch.

    Args:
        numbers: [z, y, x], 0 outside of all structures.
        spacing_mm: (z, y, x).

    Returns:
        The area by the two numbers; pairs that do not touch are left out.
    """
    areas: dict[frozenset[int], float] = defaultdict(float)
    if not numbers.any():
        return areas
    nets = surface_nets(numbers, spacing_mm)
    between = nets.sides.all(axis=1)
    corners = triangles_of(nets.quads[between]).T
    first, second, third = (nets.points_mm[corner] for corner in corners)
    doubled_mm2 = np.linalg.norm(np.cross(second - first, third - first), axis=1)
    sides = np.repeat(nets.sides[between], 2, axis=0)
    for pair in np.unique(sides, axis=0):
        area_mm2 = float(doubled_mm2[(sides == pair).all(axis=1)].sum()) / 2
        areas[frozenset(map(int, pair))] += area_mm2 / 100
    return dict(areas)
