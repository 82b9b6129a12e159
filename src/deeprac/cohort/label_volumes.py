"""Whether kidneys and tumours have volumes that occur in children or adults."""

from collections.abc import Mapping, Sequence

import numpy as np

from deeprac.cohort.findings import Finding
from deeprac.labels import CohortLabels, Label

SMALLEST_KIDNEYS_ML = 5
"""Both kidneys of a newborn have about 20 ml, one shrunken kidney may have fewer."""

LARGEST_KIDNEYS_ML = 1500
"""An adult's kidneys have 300 to 400 ml, dilated or full of cysts a few times that."""

LARGEST_TUMOUR_ML = 5000
"""Wilms tumours of several hundred ml are common and of over 3000 ml are known."""


def volume_findings(
    numbers: np.ndarray,
    spacing_xyz_mm: Sequence[float],
    wanted: Mapping[str, tuple[str, ...]],
) -> list[Finding]:
    """Warn of volumes that no child and no adult has: wrong spacing or wrong labels.

    Args:
        numbers: the cohort's label map [z, y, x]; of a single slice nothing is said.
        spacing_xyz_mm: of its voxels.
        wanted: ``cohort.labels``.
    """
    if numbers.shape[0] == 1:
        return []
    voxel_ml = float(np.prod(spacing_xyz_mm)) / 1000
    counts = np.zeros(256, np.int64)
    for one in numbers:
        counts += np.bincount(one.ravel(), minlength=256)
    kidney_ml = voxel_ml * int(counts[[*CohortLabels.named(wanted).kidney]].sum())
    tumour_ml = voxel_ml * int(counts[Label.TUMOUR])
    doubts = []
    if not SMALLEST_KIDNEYS_ML <= kidney_ml <= LARGEST_KIDNEYS_ML:
        doubts.append(
            f"the kidneys have {kidney_ml:.4g} ml together; {SMALLEST_KIDNEYS_ML} to "
            f"{LARGEST_KIDNEYS_ML} ml are plausible. Check spacing and label"
        )
    if tumour_ml > LARGEST_TUMOUR_ML:
        doubts.append(
            f"the tumour has {tumour_ml:.4g} ml; up to {LARGEST_TUMOUR_ML} ml are "
            "plausible. Check spacing and label"
        )
    return [Finding.warning("label volume", text) for text in doubts]
