"""Dice and volume of one label on the native grid.

Convention: Dice lies in 0..1 and more is better. When both masks are empty it is NaN:
there was nothing to find and nothing was found, so the case is left out of means and
``n`` says so. When exactly one mask is empty it is 0.
"""

import numpy as np
from numpy.typing import NDArray

from deeprac.labels import Label


def dice(prediction: NDArray, reference: NDArray, label: Label) -> float:
    """Dice coefficient of one label between two label maps.

    Args:
        prediction: Label map, any shape.
        reference: Label map of the same shape.
        label: The label to compare.

    Returns:
        ``2 |P and R| / (|P| + |R|)`` in 0..1; 0 when exactly one of them is empty, NaN
        when both are.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import numpy as np
        >>> dice(np.array([1, 1]), np.array([1, 0]), Label.KIDNEY)  # 2 * 1 / (2 + 1)
        0.6666666666666666
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"shapes differ: {prediction.shape} and {reference.shape}")
    predicted = prediction == label
    expected = reference == label
    total = np.count_nonzero(predicted) + np.count_nonzero(expected)
    if total == 0:
        return float("nan")
    return float(2 * np.count_nonzero(predicted & expected) / total)


def volume_ml(
    label_map: NDArray, label: Label, *, spacing_mm: tuple[float, float, float]
) -> float:
    """Volume of one label: number of voxels times the volume of a voxel.

    Args:
        label_map: Label map, any shape.
        label: The label to measure.
        spacing_mm: Voxel spacing; the order of the axes does not matter.

    Returns:
        Volume in ml (1 ml = 1000 mm^3).

    Example:
        >>> import numpy as np
        >>> volume_ml(np.ones((10, 10, 10)), Label.KIDNEY, spacing_mm=(1.0, 0.5, 2.0))
        1.0
    """
    return float(np.count_nonzero(label_map == label) * np.prod(spacing_mm) / 1000)
