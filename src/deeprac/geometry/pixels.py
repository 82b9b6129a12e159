"""Centres of pixels, and what is made of them once per size and device.

A training step calls for the same points hundreds of times; making them anew took a
third of its operations.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

Size = tuple[int, ...]
"""(height, width) in pixels, or (depth, height, width) in voxels."""


def pixel_centres(size: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Return the normalised points (x, y) of all pixel centres, row by row.

    Args:
        size: (height, width), or (depth, height, width) for points (x, y, z).
        device: where the points live.

    Returns:
        (1, pixels, d) float32.
    """
    lines = [(2 * torch.arange(n, device=device) + 1) / n - 1 for n in size]
    grids = torch.meshgrid(*lines, indexing="ij")
    return torch.stack([grid.flatten() for grid in reversed(grids)], dim=-1)[None]


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

    (d + 1, pixels) float32, shared by all callers: do not change it.
    """
    # A tensor made in inference mode could take no part in a training later on.
    with torch.inference_mode(False):
        points = torch.cat([pixel_centres(size, device)[0] for size in sizes]).T
        return torch.cat([points, torch.ones_like(points[:1])]).contiguous()


@made_once
def quadratic_centres(size: Size, device: torch.device) -> Tensor:
    """Return (1, x, y, xx, yy, xy) of all pixel centres, each the share of a pixel.

    (pixels, 6) float32, shared by all callers: do not change it; (voxels, 10) in space:
    (1, x, y, z, xx, yy, zz, xy, xz, yz). The product with the density of all pixels is
    the mean over the frame.
    """
    with torch.inference_mode(False):
        axes = pixel_centres(size, device)[0].unbind(-1)
        squares = [axis * axis for axis in axes]
        products = [one * other for one, other in combinations(axes, 2)]
        ones = torch.ones_like(axes[0])
        return torch.stack([ones, *axes, *squares, *products], -1) / len(ones)


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
