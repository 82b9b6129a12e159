"""The padded square of a native axial slice, in numpy.

Convention: a slice of ``(h, w)`` pixels is padded with air to ``n = max(h, w)``,
centred: ``(n - size) // 2`` pixels before, the rest after. Normalised points are
``(x, y)`` with ``align_corners=False``: pixel i of n lies at ``(2 i + 1) / n - 1``, so
the square spans -1..1 from edge to edge. Matrices are ``(2, 3)`` and act on columns
``(x, y, 1)``.
"""

import numpy as np
from numpy.typing import NDArray


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


def _padding(size: tuple[int, int]) -> tuple[int, NDArray]:
    """Side of the square and the padding before, as ``(x, y)``."""
    height, width = size
    n = max(height, width)
    return n, np.array([(n - width) // 2, (n - height) // 2])
