"""Overlap of two masks: Dice, precision and recall.

Convention (nnU-Net's): all lie in 0..1 and more is better. When both masks are empty
they are NaN: there was nothing to find and nothing was found, so the case is left out
of means and ``n`` says so. When exactly one is empty they are 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAN = float("nan")


@dataclass(frozen=True)
class Overlap:
    """Voxel counts of a prediction and a reference.

    Attributes:
        predicted: voxels of the prediction.
        expected: voxels of the reference.
        shared: voxels of both.
    """

    predicted: int
    expected: int
    shared: int

    @property
    def dice(self) -> float:
        """``2 |P and R| / (|P| + |R|)``."""
        total = self.predicted + self.expected
        return 2 * self.shared / total if total else NAN

    @property
    def precision(self) -> float:
        """``|P and R| / |P|``: how much of the prediction is right."""
        return self._share_of(self.predicted)

    @property
    def recall(self) -> float:
        """``|P and R| / |R|``: how much of the reference is found."""
        return self._share_of(self.expected)

    def _share_of(self, voxels: int) -> float:
        if not self.predicted + self.expected:
            return NAN
        return self.shared / voxels if voxels else 0.0


def overlap(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Overlap:
    """Count the voxels of two masks.

    Args:
        prediction: mask of any shape.
        reference: mask of the same shape.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import numpy as np
        >>> counts = overlap(np.array([True, True]), np.array([True, False]))
        >>> counts.dice, counts.precision, counts.recall  # Dice: 2 * 1 / (2 + 1)
        (0.6666666666666666, 0.5, 1.0)
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"shapes differ: {prediction.shape} and {reference.shape}")
    return Overlap(
        predicted=int(np.count_nonzero(prediction)),
        expected=int(np.count_nonzero(reference)),
        shared=int(np.count_nonzero(prediction & reference)),
    )
