"""The padded square of a native axial slice, in numpy.

Convention: a slice of ``(h, w)`` pixels is padded with air to ``n = max(h, w)``,
centred: ``(n - size) // 2`` pixels before, the rest after. Normalised points are
``(x, y)`` with ``align_corners=False``: pixel i of n lies at ``(2 i + 1) / n - 1``, so
the square spans -1..1 from edge to edge. Matrices are ``(2, 3)`` and act on columns
``(x, y, 1)``.
"""

import numpy as np
from numpy.typing import NDArray

INPUT_COLUMNS = ("a11", "a12", "a13", "a21", "a22", "a23")
"""Columns of transforms.csv: image_from_input."""

CANONICAL_COLUMNS = ("c11", "c12", "c13", "c21", "c22", "c23")
"""Columns of transforms.csv: image_from_canonical."""

SINGLE_COLUMNS = ("s11", "s12", "s13", "s21", "s22", "s23")
"""Columns of transforms.csv: image_from_canonical that each slice alone would say."""

CASE_POSE_COLUMNS = ("t11", "t12", "t13", "t21", "t22", "t23")
"""Columns of case_poses.csv: image_from_canonical of a case."""

TRUTH_COLUMNS = ("p11", "p12", "p13", "p21", "p22", "p23")
"""Columns of case_poses.csv: image_from_canonical of a phantom, else empty."""


def square_from_pixel(points_px: NDArray, size: tuple[int, int]) -> NDArray:
    """Native pixel indices to normalised points of the padded square.

    Args:
        points_px: ``(..., 2)`` indices ``(x, y)`` in the native slice.
        size: ``(h, w)`` of the native slice in pixels.

    Returns:
        ``(..., 2)`` normalised points ``(x, y)``.
    """
    n, pad = _padding(size)
    return (2 * (np.asarray(points_px) + pad) + 1) / n - 1


def pixel_from_square(points: NDArray, size: tuple[int, int]) -> NDArray:
    """Inverse of :func:`square_from_pixel`; indices may be fractional or outside."""
    n, pad = _padding(size)
    return ((np.asarray(points) + 1) * n - 1) / 2 - pad


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


def _padding(size: tuple[int, int]) -> tuple[int, NDArray]:
    """Side of the square and the padding before, as ``(x, y)``."""
    height, width = size
    n = max(height, width)
    return n, np.array([(n - width) // 2, (n - height) // 2])
