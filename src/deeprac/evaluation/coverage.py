"""How much of a reference label the network could see at all.

A crop that misses a voxel makes it unreachable for any network behind it, so coverage
is the ceiling of recall and is reported beside every Dice.
"""

import numpy as np
from numpy.typing import NDArray

from deeprac.geometry import spatial
from deeprac.geometry.cube import Cube
from deeprac.geometry.planar import invert, is_singular, transform_points
from deeprac.geometry.square import Square

EDGE_TOLERANCE = 1e-6
"""Slack at the edge of the square, for transforms stored with rounding."""


def coverage(mask: NDArray[np.bool_], image_from_input: dict[int, NDArray]) -> float:
    """Share of a mask's voxels that the network input square covers.

    A voxel counts as covered when its centre, mapped back to the network input, lies
    within -1..1 on both axes (see :mod:`deeprac.geometry.square`). A window without
    area covers nothing.

    Args:
        mask: reference mask ``(z, y, x)`` on the native grid.
        image_from_input: ``(2, 3)`` matrix of each axial slice, by slice index.

    Returns:
        Share in 0..1, more is better; NaN when the mask is empty.

    Raises:
        KeyError: A slice of the mask has no transform.
    """
    square = Square(*mask.shape[1:])
    total = covered = 0
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        y, x = np.nonzero(mask[z])
        total += len(x)
        matrix = image_from_input[int(z)]
        if is_singular(matrix):  # a window without area, as the authors' crop can be
            continue
        points = square.from_px(np.column_stack([x, y]))
        seen = transform_points(invert(matrix), points)
        covered += int((np.abs(seen).max(axis=1) <= 1 + EDGE_TOLERANCE).sum())
    return covered / total if total else float("nan")


def volume_coverage(
    mask: NDArray[np.bool_], volume_from_input: NDArray, cube: Cube
) -> float:
    """Share of a mask's voxels that the network input cube covers.

    Args:
        mask: reference mask ``(z, y, x)`` on the native grid.
        volume_from_input: ``(3, 4)`` matrix of the volume.
        cube: around the volume.

    Returns:
        Share in 0..1, more is better; NaN when the mask is empty.
    """
    voxels = np.argwhere(mask)[:, ::-1]
    if not len(voxels):
        return float("nan")
    points = cube.from_vx(voxels)
    seen = spatial.transform_points(spatial.invert(volume_from_input), points)
    return float((np.abs(seen).max(axis=1) <= 1 + EDGE_TOLERANCE).mean())
