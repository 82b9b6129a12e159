"""Detection of lesions: connected components of a mask.

KiTS defines no lesion metric. Lesions are 26-connected components of at least
``SMALLEST_ML``; smaller ones are none, and detect nothing. One of the reference is
detected when its intersection over union with the predicted lesions that touch it is at
least ``OVERLAP``; one of the prediction is false when less than that share of it lies
in the reference. The threshold is that of nnDetection (Baumgartner et al., MICCAI 2021)
and of PI-CAI (Saha et al., Lancet Oncology 2024), who ask it of one predicted lesion;
the union keeps a tumour that is found in two pieces.
"""

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray

SMALLEST_ML = 0.065
"""A ball of 5 mm: half the diameter of RECIST 1.1's smallest measurable lesion."""

OVERLAP = 0.1
"""Least overlap that detects a lesion: a share, of their union or of a false one."""


@dataclass(frozen=True)
class Lesions:
    """Numbers of lesions of one case.

    Attributes:
        reference: lesions of the reference.
        predicted: lesions of the prediction.
        detected: lesions of the reference that predicted ones overlap enough.
        false: lesions of the prediction that lie (nearly) outside of the reference.
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
    both = prediction & reference
    found, predicted_voxels = _components(prediction, both, voxel_ml=voxel_ml)
    true, reference_voxels = _components(reference, both, voxel_ml=voxel_ml)
    # Voxels that each pair shares; row and column 0 are what is too small to count.
    shape = len(reference_voxels) + 1, len(predicted_voxels) + 1
    shared = np.zeros(shape, np.int64)
    np.add.at(shared, (true, found), 1)
    pairs = shared[1:, 1:]
    overlap = pairs.sum(axis=1)
    union = reference_voxels + (pairs > 0) @ predicted_voxels - overlap
    inside = shared[:, 1:].sum(axis=0)
    return Lesions(
        reference=len(reference_voxels),
        predicted=len(predicted_voxels),
        detected=int(np.count_nonzero(overlap >= OVERLAP * union)),
        false=int(np.count_nonzero(inside < OVERLAP * predicted_voxels)),
    )


def _components(
    mask: NDArray[np.bool_], some: NDArray[np.bool_], *, voxel_ml: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The lesion, from 1, of each of some voxels (0: too small); and all sizes."""
    components = cc3d.connected_components(mask, connectivity=26)
    voxels = np.bincount(components[mask], minlength=1)
    counts = voxels * voxel_ml >= SMALLEST_ML
    numbers = np.where(counts, np.cumsum(counts), 0)
    return numbers[components[some]], voxels[counts]
