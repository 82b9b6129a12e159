"""Resampling of images and logits through a planar transform."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from deeprac.geometry.similarity import transform_points


def pixel_centres(size: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Return the normalised points (x, y) of all pixel centres, row by row.

    Args:
        size: (height, width).
        device: where the points live.

    Returns:
        (1, height * width, 2) float32.
    """
    height, width = size
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x.flatten(), grid_y.flatten()], dim=-1)[None]


def warp(
    image: Tensor,
    image_from_out: Tensor,
    size: Sequence[int],
    *,
    fill: float | None = None,
    supersampling: int = 1,
) -> Tensor:
    """Sample an image on the pixel grid of another frame, bilinearly.

    Convention: ``out(p) = image(image_from_out p)``. Shrinking by a factor r needs
    ``supersampling >= r``: each output pixel is then the mean of a sub-grid of
    ``supersampling**2`` samples, which suppresses aliasing and keeps the gradient.
    The factor is an argument, not measured from the transforms, so that the result for
    one image never depends on the rest of its batch.

    Args:
        image: (batch, channels, height, width).
        image_from_out: (batch, 2, 3).
        size: (height, width) of the result.
        fill: value outside the image; ``None`` repeats the border.
        supersampling: samples per output pixel and axis.

    Returns:
        (batch, channels, *size) float32.
    """
    # Everything is cast to float32 here; grid_sample keeps that under autocast.
    image = image.float()
    fine = (size[0] * supersampling, size[1] * supersampling)
    grid = transform_points(image_from_out, pixel_centres(fine, image.device))
    padding = "border" if fill is None else "zeros"
    offset = 0.0 if fill is None else fill
    out = functional.grid_sample(
        image - offset,
        grid.view(-1, *fine, 2),
        padding_mode=padding,
        align_corners=False,
    )
    if supersampling > 1:
        out = functional.avg_pool2d(out, supersampling)
    return out + offset


@torch.no_grad()
def inside(
    window_from_out: Tensor, size: tuple[int, int], *, border: float = 0.0
) -> Tensor:
    """Mark the pixels of a frame that lie inside a window.

    Args:
        window_from_out: (batch, 2, 3), maps to the window's normalised frame.
        size: (height, width) of the result.
        border: width of the window's rim that does not count, in normalised units.

    Returns:
        (batch, 1, *size) bool.
    """
    points = pixel_centres(size, window_from_out.device)
    distance = transform_points(window_from_out, points).abs().amax(-1)
    return (distance <= 1 - border).view(-1, 1, *size)
