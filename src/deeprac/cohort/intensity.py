"""Whether the values of a CT are Hounsfield units, and certain repairs of them."""

import numpy as np

from deeprac.cohort import checks
from deeprac.cohort.findings import Finding, Severity


def plausible(values: np.ndarray, intensity: str) -> tuple[np.ndarray, list[Finding]]:
    """Check the values of a volume and repair what is certain.

    Args:
        values: [z, y, x], any number type.
        intensity: ``cohort.intensity``, hu or grey.

    Returns:
        The values as int16 where that loses nothing, else as float32; and what was
        found.
    """
    problems = checks.intensity_problems(values, intensity)
    if problems:
        return values, [Finding(Severity.ERROR, "intensity", p) for p in problems]
    return compact(values), []


def compact(values: np.ndarray) -> np.ndarray:
    """The values as int16 where that loses nothing, else as float32."""
    limits = np.iinfo(np.int16)
    whole = np.issubdtype(values.dtype, np.integer) or np.all(values == np.rint(values))
    if whole and values.min() >= limits.min and values.max() <= limits.max:
        return values.astype(np.int16)
    return values.astype(np.float32)
