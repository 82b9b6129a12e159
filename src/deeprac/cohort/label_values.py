"""The values of a label map: whole numbers from 0 on, or as good as that."""

import numpy as np
import pandas as pd

from deeprac.cohort.findings import Finding

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
