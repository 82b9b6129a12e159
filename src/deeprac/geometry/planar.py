"""Similarity transforms of the plane in numpy, without torch.

The twin of :mod:`deeprac.geometry.similarity`: the same names and conventions, which
:mod:`deeprac.geometry` states, in the precision of the arguments. Leading axes are a
batch or missing.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SINGULAR = 1e-12
"""Determinant below which a matrix maps the plane onto hardly more than a line."""


def similarity(log_scale: ArrayLike, angle_rad: ArrayLike, shift: ArrayLike) -> NDArray:
    """Build similarities from their parameters.

    Args:
        log_scale: (...) natural logarithm of the scale.
        angle_rad: (...) rotation in radians; x turns towards y.
        shift: (..., 2) translation (x, y).

    Returns:
        (..., 2, 3) matrices ``a_from_b``.

    Example:
        >>> similarity(np.log(2), np.pi / 2, [0.1, 0.3]).round(12).tolist()
        [[0.0, -2.0, 0.1], [2.0, 0.0, 0.3]]
    """
    cosine = np.exp(log_scale) * np.cos(angle_rad)
    sine = np.exp(log_scale) * np.sin(angle_rad)
    linear = np.stack([cosine, -sine, sine, cosine], -1)
    linear = linear.reshape(*linear.shape[:-1], 2, 2)
    return np.concatenate([linear, np.asarray(shift)[..., None]], -1)


def compose(a_from_b: NDArray, b_from_c: NDArray) -> NDArray:
    """``a_from_c`` of (..., 2, 3) matrices: the one that first applies ``b_from_c``."""
    product = a_from_b[..., :2] @ b_from_c
    product[..., 2] += a_from_b[..., 2]
    return product


def determinant(a_from_b: NDArray) -> NDArray:
    """By what factor (...) matrices (..., 2, 3) enlarge areas."""
    (a, b, _), (c, d, _) = np.moveaxis(np.asarray(a_from_b, float), (-2, -1), (0, 1))
    return a * d - b * c


def is_singular(a_from_b: NDArray) -> NDArray[np.bool_]:
    """Whether matrices (..., 2, 3) have no inverse, or are not finite."""
    return ~(np.abs(determinant(a_from_b)) > SINGULAR)


def invert(a_from_b: NDArray) -> NDArray:
    """``b_from_a`` of (..., 2, 3) matrices, in closed form.

    Raises:
        ValueError: A matrix is singular.
    """
    if is_singular(a_from_b).any():
        raise ValueError(f"singular transform: {a_from_b}")
    (a, b, x), (c, d, y) = np.moveaxis(np.asarray(a_from_b, float), (-2, -1), (0, 1))
    rows = np.stack([d, -b, b * y - d * x, -c, a, c * x - a * y], -1)
    rows = rows / determinant(a_from_b)[..., None]
    return rows.reshape(*rows.shape[:-1], 2, 3)


def transform_points(a_from_b: NDArray, points: NDArray) -> NDArray:
    """Map points (..., 2), as (x, y), of frame b to frame a by one (2, 3) matrix."""
    return points @ a_from_b[:, :2].T + a_from_b[:, 2]


def parameters(a_from_b: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Logarithm of the scale, angle and shift; the inverse of :func:`similarity`.

    Args:
        a_from_b: (..., 2, 3); of a matrix that is no similarity, the scale is the root
            of the absolute determinant and the angle that of the nearest rotation.

    Returns:
        (...) log scale, (...) radians in -pi..pi, (..., 2) shift (x, y).
    """
    sine = a_from_b[..., 1, 0] - a_from_b[..., 0, 1]
    cosine = a_from_b[..., 0, 0] + a_from_b[..., 1, 1]
    log_scale = np.log(np.abs(determinant(a_from_b))) / 2
    return log_scale, np.arctan2(sine, cosine), a_from_b[..., 2]
