"""Detection of lesions: connected components of a mask.

KiTS defines no lesion metric. The rule is that of the MICCAI challenge on white matter
hyperintensities (Kuijf et al., IEEE TMI 38, 2019): lesions are 26-connected components;
one of the reference is detected when the prediction shares a voxel with it, one of the
prediction is false when it shares none with the reference. Components below
``SMALLEST_ML`` are not counted on either side.
"""

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray

SMALLEST_ML = 0.065
"""A ball of 5 mm: half the diameter of RECIST 1.1's smallest measurable lesion."""


@dataclass(frozen=True)
class Lesions:
    """Numbers of lesions of one case.

    Attributes:
        reference: lesions of the reference.
        predicted: lesions of the prediction.
        detected: lesions of the reference that the prediction touches.
        false: lesions of the prediction that touch no reference.
    """

    reference: int
    predicted: int
    detected: int
    false: int


def lesions(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    voxel_ml: float,
) -> Lesions:
    """Count lesions and match them.

    Args:
        prediction: mask ``(z, y, x)``.
        reference: mask of the same shape.
        voxel_ml: volume of a voxel.
    """
    found, true = (
        _components(mask, other, voxel_ml=voxel_ml)
        for mask, other in ((prediction, reference), (reference, prediction))
    )
    return Lesions(
        reference=len(true),
        predicted=len(found),
        detected=int(np.count_nonzero(true)),
        false=int(np.count_nonzero(~found)),
    )


def _components(
    mask: NDArray[np.bool_], other: NDArray[np.bool_], *, voxel_ml: float
) -> NDArray[np.bool_]:
    """For each component that counts: does it share a voxel with the other mask?"""
    components = cc3d.connected_components(mask, connectivity=26)
    sizes = np.bincount(components[mask])
    touching = np.bincount(components[mask & other], minlength=len(sizes))
    counts = sizes * voxel_ml >= SMALLEST_ML
    return touching[counts] > 0
