"""Centres of pixels, and what is made of them once per size and device.

A training step calls for the same points hundreds of times; making them anew took a
third of its operations.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any

import torch
from torch import Tensor

Size = tuple[int, int]
"""(height, width) in pixels."""


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


_kept: list[Any] = []


def made_once(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Keep what a function of sizes and a device makes, for all callers.

    A compiler makes its own: it would trace through the cache.
    """
    kept = cache(make)
    _kept.append(kept)

    @wraps(make)
    def made(*key: Any) -> Tensor:
        return make(*key) if torch.compiler.is_compiling() else kept(*key)

    return made


@made_once
def homogeneous_centres(sizes: tuple[Size, ...], device: torch.device) -> Tensor:
    """Return the points (x, y, 1) of the pixel centres of sizes, one after the other.

    (3, pixels) float32, shared by all callers: do not change it.
    """
    # A tensor made in inference mode could take no part in a training later on.
    with torch.inference_mode(False):
        points = torch.cat([pixel_centres(size, device)[0] for size in sizes]).T
        return torch.cat([points, torch.ones_like(points[:1])]).contiguous()


@made_once
def quadratic_centres(size: Size, device: torch.device) -> Tensor:
    """Return (1, x, y, xx, yy, xy) of all pixel centres, each the share of a pixel.

    (pixels, 6) float32, shared by all callers: do not change it. The product with the
    density of all pixels is the mean over the frame.
    """
    with torch.inference_mode(False):
        x, y = pixel_centres(size, device)[0].unbind(-1)
        columns = torch.stack([torch.ones_like(x), x, y, x * x, y * y, x * y], -1)
        return columns / len(x)


@contextmanager
def apart() -> Iterator[None]:
    """Let what is made inside not outlive it: tensors without values are no points."""
    for kept in _kept:
        kept.cache_clear()
    try:
        yield
    finally:
        for kept in _kept:
            kept.cache_clear()
