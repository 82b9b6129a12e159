"""Levels along the kidneys: which slices of two patients correspond."""

import numpy as np
from numpy.typing import NDArray

from deeprac.labels import Label


def kidney_slices(labels: NDArray) -> tuple[int, int]:
    """First slice that shows a kidney, and the number from there to the last one.

    Args:
        labels: (slices, height, width). Where a tumour has left nothing of the
            kidneys, all labels count.
    """
    labelled = labels > 0
    kidneys = labelled & (labels != Label.TUMOUR)
    shown = np.flatnonzero((kidneys if kidneys.any() else labelled).any((1, 2)))
    return int(shown[0]), int(shown[-1] - shown[0] + 1)


def slices_at(labels: NDArray, shares: NDArray) -> NDArray[np.intp]:
    """Slices at shares of the way along the kidneys, from 0 on and below 1."""
    first, count = kidney_slices(labels)
    return (first + np.floor(shares * count)).astype(np.intp)


def shares_along(labels: NDArray) -> NDArray[np.floating]:
    """How far along the kidneys every slice lies; beyond them below 0, above 1."""
    first, count = kidney_slices(labels)
    return (np.arange(len(labels)) + 0.5 - first) / count
