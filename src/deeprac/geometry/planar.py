"""Planar transforms in numpy: the twin of ``geometry.similarity``, without torch.

Convention: as in :mod:`deeprac.geometry`; matrices are ``(2, 3)`` and act on columns
``(x, y, 1)``.
"""

import numpy as np
from numpy.typing import NDArray


def transform_points(matrix: NDArray, points: NDArray) -> NDArray:
    """Apply a ``(2, 3)`` matrix to ``(..., 2)`` points ``(x, y)``."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def is_singular(matrix: NDArray) -> bool:
    """Whether a ``(2, 3)`` matrix maps the plane onto hardly more than a line."""
    (a, b, _), (c, d, _) = np.asarray(matrix, dtype=float)
    return not abs(a * d - b * c) > 1e-12


def invert(matrix: NDArray) -> NDArray:
    """Closed-form inverse of a ``(2, 3)`` matrix.

    Raises:
        ValueError: The matrix is singular.
    """
    (a, b, x), (c, d, y) = np.asarray(matrix, dtype=float)
    if is_singular(matrix):
        raise ValueError(f"singular transform: {matrix}")
    determinant = a * d - b * c
    linear = np.array([[d, -b], [-c, a]]) / determinant
    return np.column_stack([linear, -linear @ np.array([x, y])])


def compose(a_from_b: NDArray, b_from_c: NDArray) -> NDArray:
    """Matrices ``a_from_c`` of ``(n, 2, 3)`` and ``(n or 1, 2, 3)`` matrices."""
    linear = a_from_b[:, :, :2] @ b_from_c[:, :, :2]
    shift = a_from_b[:, :, :2] @ b_from_c[:, :, 2:] + a_from_b[:, :, 2:]
    return np.concatenate([linear, shift], axis=2)


def inverse(a_from_b: NDArray) -> NDArray:
    """Matrices ``b_from_a`` of ``(n, 2, 3)`` matrices with non-zero determinant."""
    linear = np.linalg.inv(a_from_b[:, :, :2])
    return np.concatenate([linear, -linear @ a_from_b[:, :, 2:]], axis=2)
