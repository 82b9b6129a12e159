"""What remains of the kidneys when their tumours are taken out with a rim."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from deeprac.surgery.anatomy import Anatomy, BodySide, Kind
from deeprac.surgery.extents import Spacing, surface_points


def remaining_ml(anatomy: Anatomy, margin_mm: float) -> dict[BodySide, float]:
    """Volume of each kidney that lies farther than a rim from all tumours.

    Args:
        anatomy: the structures; kidneys are without their tumours already.
        margin_mm: width of the rim; 0 takes no kidney away.

    Returns:
        Millilitres by the kidney's side.
    """
    kidneys = anatomy.of_kind(Kind.KIDNEY)
    tumours = anatomy.mask(*anatomy.of_kind(Kind.TUMOUR))
    remaining = {one.side: anatomy.volume_ml(one) for one in kidneys}
    if margin_mm > 0 and tumours.any():
        for one in kidneys:
            voxels = _within(anatomy.mask(one), tumours, anatomy.spacing_mm, margin_mm)
            remaining[one.side] -= voxels * anatomy.voxel_ml
    return remaining


def _within(
    kidney: NDArray[np.bool_],
    tumours: NDArray[np.bool_],
    spacing_mm: Spacing,
    margin_mm: float,
) -> int:
    """Voxels of a kidney whose centres lie within the rim around the tumours."""
    surface = surface_points(tumours, spacing_mm)
    centres = np.argwhere(kidney) * np.array(spacing_mm)
    low, high = surface.min(axis=0) - margin_mm, surface.max(axis=0) + margin_mm
    near = centres[((centres >= low) & (centres <= high)).all(axis=1)]
    distances, _ = KDTree(surface).query(near, distance_upper_bound=margin_mm)
    return int(np.count_nonzero(np.isfinite(distances)))
