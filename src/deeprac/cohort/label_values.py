"""The values of a label map, whole numbers from 0 on, and the volumes they make."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from deeprac.cohort.findings import Finding
from deeprac.labels import CohortLabels, Label

ROUNDING = 1e-3
"""Values this near to whole numbers are those: scaling or resampling left the rest."""


def values_of(numbers: np.ndarray) -> np.ndarray:
    """The values of a label map, sorted; of the first slice alone that has fractions.

    Slice by slice and by hashing: sorting every voxel of a large volume takes seconds.
    """
    found: set[float] = set()
    for one in numbers:
        values = pd.unique(one.ravel())
        if not are_whole(values):
            return np.sort(values)
        found.update(values.tolist())
    return np.array(sorted(found))


def are_whole(values: np.ndarray) -> bool:
    """Whether all are whole numbers, or as good as that."""
    return bool(np.isfinite(values).all() and _fraction(values).max() <= ROUNDING)


def _fraction(values: np.ndarray) -> np.ndarray:
    """How far each lies from the next whole number."""
    return np.abs(values - np.rint(values))


def rounded(values: np.ndarray) -> tuple[Finding, ...]:
    """What is recorded where values are nearly whole, nothing where they are."""
    fraction = _fraction(values)
    if not fraction.any():
        return ()
    repair = (
        f"the label's values lie up to {fraction.max():.2g} beside whole numbers "
        f"({_some(values[fraction > 0])}), as scaling (scl_slope) leaves them; rounded"
    )
    return (Finding.repaired("label values", repair),)


def bad_values(values: np.ndarray) -> list[str]:
    """Label maps hold whole numbers from 0 on."""
    if not are_whole(values):
        return [
            f"the label holds values that are not whole numbers ({_some(values)}). "
            "Export it as a label map, not as probabilities and not scaled"
        ]
    if values[0] < 0:
        return [
            f"the label holds negative values ({_some(values)}). Export it as a label "
            "map, with 0 as background"
        ]
    return []


def _some(values: np.ndarray, most: int = 8) -> str:
    listed = ", ".join(f"{value:.8g}" for value in values[:most])
    return listed + (", ..." if len(values) > most else "")


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

    ``numbers`` is the cohort's label map [z, y, x]; of a single slice nothing is said.
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
