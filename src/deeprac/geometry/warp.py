"""Resampling of images and logits through a transform of the plane or of space.

A transform and sizes make points, where the pixels come from; they may sample several
images, and say which pixels lie inside.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from deeprac.geometry.pixels import Size, homogeneous_centres
from deeprac.geometry.similarity import in_float32


@in_float32
def sampling_points(image_from_out: Tensor, *sizes: Size) -> Tensor:
    """Return the points of an image that the pixels of other frames come from.

    Args:
        image_from_out: (batch, d, d + 1).
        *sizes: (height, width) of one result or of several, for ``per_size``; in space
            with the depth before.

    Returns:
        (batch, d, pixels) points (x, y), in space (x, y, z), one size after the other.
    """
    return image_from_out @ homogeneous_centres(sizes, image_from_out.device)


def per_size(pixels: Tensor, sizes: Sequence[Size]) -> list[Tensor]:
    """Split (batch, channels, pixels) of sizes into (batch, channels, *size) each."""
    parts = pixels.split([math.prod(size) for size in sizes], dim=2)
    return [part.unflatten(2, size) for part, size in zip(parts, sizes, strict=True)]


@torch.no_grad()
def inside(points: Tensor, limit: float | Tensor = 1.0) -> Tensor:
    """Mark the pixels that come from inside an image.

    Args:
        points: (batch, d, ...) of ``sampling_points``.
        limit: largest x and y that count, (d, 1) of points (batch, d, pixels), or one
            for all; below 1 it leaves the image's rim out.

    Returns:
        (batch, 1, ...) bool.
    """
    return (points.abs() <= limit).all(1, keepdim=True)


def sample(image: Tensor, points: Tensor, *, fill: float | None = None) -> Tensor:
    """Sample an image at points, linearly along every axis.

    Args:
        image: (batch, channels, height, width), or a volume with the depth before.
        points: (batch, d, *size) of ``sampling_points``.
        fill: value outside the image; ``None`` repeats the border.

    Returns:
        (batch, channels, *size) float32.
    """
    # Everything is cast to float32 here; grid_sample keeps that under autocast.
    image = image.float()
    out = functional.grid_sample(
        image - fill if fill else image,
        points.movedim(1, -1),
        padding_mode="border" if fill is None else "zeros",
        align_corners=False,
    )
    return out + fill if fill else out


def warp(
    image: Tensor,
    image_from_out: Tensor,
    size: Size,
    *,
    fill: float | None = None,
    supersampling: int = 1,
) -> Tensor:
    """Sample an image on the pixel grid of another frame, linearly along every axis.

    Convention: ``out(p) = image(image_from_out p)``. Shrinking by a factor r needs
    ``supersampling >= r``: each output pixel is then the mean of a sub-grid of
    ``supersampling**d`` samples, which suppresses aliasing and keeps the gradient.
    The factor is an argument, not measured from the transforms, so that the result for
    one image never depends on the rest of its batch.

    Args:
        image: (batch, channels, height, width), or a volume with the depth before.
        image_from_out: (batch, d, d + 1).
        size: of the result, (height, width) or (depth, height, width).
        fill: value outside the image; ``None`` repeats the border.
        supersampling: samples per output pixel and axis.

    Returns:
        (batch, channels, *size) float32.
    """
    fine = tuple(side * supersampling for side in size)
    points = sampling_points(image_from_out, fine).unflatten(2, fine)
    out = sample(image, points, fill=fill)
    if supersampling == 1:
        return out
    pool = functional.avg_pool2d if len(size) == 2 else functional.avg_pool3d
    return pool(out, supersampling)
