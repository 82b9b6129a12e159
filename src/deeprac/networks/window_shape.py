"""The shape and size of the windows that crops choose.

Windows have the shape of the U-Net's input, those of volumes the proportions of the
training patients' boxes. Their size is the half of their longest side in normalised
units; 1 is the frame's.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deeprac.fitting import SPACE
from deeprac.geometry.similarity import window

MIN_HALF_SIDE = 0.25
"""Smallest size of a window; less can only come from faulty labels."""
SERVED = 0.975
"""Share of the training patients whom the window of the cohort holds."""


class WindowShape(nn.Module):
    """The shape of windows, and how they hold boxes.

    Args:
        extent: (height, width) of the U-Net's input, or (depth, height, width), in one
            unit of length for all.
        margin: added on every side of a box, as a share of its half.
    """

    def __init__(self, extent: Sequence[float], margin: float) -> None:
        super().__init__()
        sides = torch.tensor(extent[::-1]) / max(extent)
        self.sides: Tensor
        self.register_buffer("sides", sides, persistent=len(extent) == SPACE)
        self.margin = margin

    @property
    def largest(self) -> Tensor:
        """The size that holds the frame."""
        return 1 / self.sides.min()

    def fit(self, half_sides: Tensor) -> None:
        """Take the proportions that hold most boxes.

        Args:
            half_sides: (boxes, d).
        """
        reach = torch.quantile(half_sides, SERVED, dim=0)
        self.sides.copy_((reach / reach.max()).clamp_min(MIN_HALF_SIDE))

    def size(self, low: Tensor, high: Tensor) -> Tensor:
        """Return the size (n,) of the windows that hold boxes and their margin.

        Args:
            low: (n, d) smallest x and y, or x, y and z, of each box.
            high: (n, d) largest.
        """
        needed = ((high - low) / (2 * self.sides)).amax(1)
        return self.bounded(needed * (1 + self.margin))

    def bounded(self, size: Tensor) -> Tensor:
        """Return sizes between ``MIN_HALF_SIDE`` and what holds the frame."""
        return torch.minimum(size.clamp_min(MIN_HALF_SIDE), self.largest)

    def at(self, size: Tensor, centre: Tensor) -> Tensor:
        """Return windows (n, d, d + 1) of sizes (n,) around centres (n, d)."""
        half_sides = size[:, None] * self.sides
        if centre.shape[1] == SPACE:
            # Voxels may have any shape: none is spent beyond the frame.
            half_sides = half_sides.clamp_max(1)
        return window(half_sides, centre)
