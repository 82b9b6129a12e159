"""Similarity transforms of space in numpy, without torch.

The twin of :mod:`deeprac.geometry.planar` for (..., 3, 4) matrices and points
(x, y, z). Angles are rotation vectors, as in :mod:`deeprac.geometry.rotation`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from deeprac.geometry import planar
from deeprac.geometry.cube import Cube


def similarity(log_scale: ArrayLike, angle_rad: ArrayLike, shift: ArrayLike) -> NDArray:
    """Build similarities from their parameters.

    Args:
        log_scale: (n,) natural logarithm of the scale.
        angle_rad: (n, 3) rotation vectors in radians.
        shift: (n, 3) translation (x, y, z).

    Returns:
        (n, 3, 4) matrices ``a_from_b``.
    """
    turned = Rotation.from_rotvec(np.asarray(angle_rad, float)).as_matrix()
    linear = np.exp(log_scale)[..., None, None] * turned
    return np.concatenate([linear, np.asarray(shift)[..., None]], -1)


def lifted(a_from_b: NDArray, z: float) -> NDArray:
    """Return the similarity of space that is one of the plane in every axial slice.

    Args:
        a_from_b: (2, 3), whose nearest similarity counts.
        z: where the origin's slice goes.

    Example:
        >>> lifted(np.array([[2.0, 0.0, 0.1], [0.0, 2.0, 0.3]]), 0.5).round(12).tolist()
        [[2.0, 0.0, 0.0, 0.1], [0.0, 2.0, 0.0, 0.3], [0.0, 0.0, 2.0, 0.5]]
    """
    log_scale, angle_rad, shift = planar.parameters(a_from_b)
    return similarity(log_scale, np.array([0.0, 0.0, angle_rad]), np.append(shift, z))


def axial(volume_from_frame: NDArray, cube: Cube) -> NDArray:
    """Return what a transform of a volume is in each of its axial slices.

    Seen along z: a slice shows the points of the frame that come to lie in it.

    Args:
        volume_from_frame: (3, 4), in the cube.
        cube: around the volume.

    Returns:
        (slices, 2, 3) in the padded square of each slice.
    """
    linear, shift = volume_from_frame[:, :3].astype(float), volume_from_frame[:, 3]
    slope = linear[:2, 2] / linear[2, 2]
    flat = linear[:2, :2] - np.outer(slope, linear[2, :2])
    slices = np.arange(cube.shape[0])
    levels = cube.from_vx(np.column_stack([np.zeros((len(slices), 2)), slices]))[:, 2]
    centres = shift[:2] + (levels - shift[2])[:, None] * slope
    flats = np.broadcast_to(flat, (len(slices), 2, 2))
    in_cube = np.concatenate([flats, centres[..., None]], -1)
    return planar.compose(planar.invert(cube.from_square()), in_cube)


def determinant(a_from_b: NDArray) -> NDArray:
    """By what factor (...) matrices (..., 3, 4) enlarge volumes."""
    return np.linalg.det(a_from_b[..., :3])


def compose(a_from_b: NDArray, b_from_c: NDArray) -> NDArray:
    """``a_from_c`` of (..., 3, 4) matrices: the one that first applies ``b_from_c``."""
    product = a_from_b[..., :3] @ b_from_c
    product[..., 3] += a_from_b[..., 3]
    return product


def invert(a_from_b: NDArray) -> NDArray:
    """``b_from_a`` of (..., 3, 4) matrices.

    Raises:
        ValueError: A matrix is singular.
    """
    if not (np.abs(determinant(a_from_b)) > planar.SINGULAR).all():
        raise ValueError(f"singular transform: {a_from_b}")
    linear = np.linalg.inv(a_from_b[..., :3])
    return np.concatenate([linear, -linear @ a_from_b[..., 3:]], -1)


def transform_points(a_from_b: NDArray, points: NDArray) -> NDArray:
    """Map points (..., 3), as (x, y, z), of frame b to frame a by one (3, 4) matrix."""
    return points @ a_from_b[:, :3].T + a_from_b[:, 3]


def parameters(a_from_b: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Logarithm of the scale, rotation vector and shift; undoes :func:`similarity`.

    Args:
        a_from_b: (n, 3, 4) with positive determinant; of a matrix that is no
            similarity, the rotation is the nearest one.

    Returns:
        (n,) log scale, (n, 3) radians, (n, 3) shift (x, y, z).
    """
    log_scale = np.log(np.abs(determinant(a_from_b))) / 3
    turned = Rotation.from_matrix(
        a_from_b[..., :3] / np.exp(log_scale)[..., None, None]
    )
    return log_scale, turned.as_rotvec(), a_from_b[..., 3]
