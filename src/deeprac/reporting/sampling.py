"""Looking at a slice through a transform: the numpy twin of the network's warp.

Frames and conventions are those of :mod:`deeprac.geometry.square`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from deeprac.geometry.planar import transform_points
from deeprac.geometry.square import Square


def warp(
    image: NDArray, image_from_output: NDArray, *, side: int, fill: float
) -> NDArray[np.floating]:
    """Resample a native slice into a square output, bilinear.

    Args:
        image: Native slice ``(h, w)``.
        image_from_output: ``(2, 3)``; normalised points of the output square to
            normalised points of the padded native square.
        side: Side of the output in pixels.
        fill: Value outside the native slice (air).

    Returns:
        ``(side, side)`` in float.
    """
    centres = (2 * np.arange(side) + 1) / side - 1
    points = np.stack(np.meshgrid(centres, centres), axis=-1)
    source = Square(*image.shape).to_px(transform_points(image_from_output, points))
    rows_columns = [source[..., 1], source[..., 0]]
    return map_coordinates(
        image.astype(float), rows_columns, order=1, mode="grid-constant", cval=fill
    )


def warp_mask(mask: NDArray, image_from_output: NDArray, *, side: int) -> NDArray:
    """Like :func:`warp` for a mask: shares in 0..1, to be contoured at 0.5."""
    return warp(mask, image_from_output, side=side, fill=0.0)
