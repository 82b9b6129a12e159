"""The velocity field whose flow brings one anatomy to the shape of another.

By gradient descent on control points: kidneys overlap (soft Dice), images correlate,
and the field is smooth. A tumour has no counterpart in another patient: what either
tumour covers does not count, so that nothing is pressed into its shape.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from deeprac.geometry.pixels import Size
from deeprac.geometry.velocity import CONTROL_POINTS, exponential
from deeprac.geometry.warp import sample

ITERATIONS = 80
RATE = 0.02
"""Of Adam; in normalised units, so 64 pixels move by 0.6 of one at the first step."""
SMOOTHNESS = 1.0
"""Weight of the mean square of the velocity's slope, which has no unit."""


@dataclass(frozen=True)
class Anatomy:
    """Slices, and how much of each pixel is kidney and tumour.

    Attributes:
        image: (batch, 1, height, width), normalised CT.
        kidney: the same shape, 0 to 1.
        tumour: the same.
    """

    image: Tensor
    kidney: Tensor
    tumour: Tensor

    @property
    def size(self) -> Size:
        """(height, width) in pixels."""
        return self.image.shape[2], self.image.shape[3]

    def at(self, points: Tensor) -> "Anatomy":
        """Sample all of it at points (batch, 2, height, width)."""
        channels = torch.cat([self.image, self.kidney, self.tumour], 1)
        return Anatomy(*sample(channels, points).split(1, dim=1))


def overlap(moved: Anatomy, fixed: Anatomy) -> Tensor:
    """Soft Dice (batch,) of the kidneys outside both tumours, 0 to 1; higher is better.

    1 where neither has any.
    """
    weight = _outside(moved, fixed)
    shared = (weight * moved.kidney * fixed.kidney).sum((1, 2, 3))
    both = (weight * (moved.kidney.square() + fixed.kidney.square())).sum((1, 2, 3))
    return (2 * shared + 1e-3) / (both + 1e-3)


def correlation(moved: Anatomy, fixed: Anatomy) -> Tensor:
    """Correlation (batch,) of the images outside both tumours, -1 to 1."""
    weight = _outside(moved, fixed)
    weight = weight / weight.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)
    one, other = (
        each.image - (weight * each.image).sum((1, 2, 3), keepdim=True)
        for each in (moved, fixed)
    )
    covariance, *variances = (
        (weight * product).sum((1, 2, 3))
        for product in (one * other, one.square(), other.square())
    )
    return covariance / (variances[0] * variances[1]).clamp_min(1e-12).sqrt()


def _outside(moved: Anatomy, fixed: Anatomy) -> Tensor:
    """Weight of every pixel: none in a tumour, wherever that is moved to."""
    return (1 - fixed.tumour) * (1 - moved.tumour.detach())


def fit_velocity(
    moving: Anatomy, fixed: Anatomy, *, iterations: int = ITERATIONS
) -> Tensor:
    """Find velocities whose flows bring slices to the shape of others.

    Args:
        moving: what is deformed, slice by slice.
        fixed: the shape that it gets; of the same size.
        iterations: 0 leaves all velocities at 0.

    Returns:
        (batch, 2, 16, 16): ``moving.at(exponential(velocity, size))`` is like
        ``fixed``. The edge of the frame is at rest.
    """
    inner = torch.zeros(
        *(len(moving.image), 2, CONTROL_POINTS - 2, CONTROL_POINTS - 2),
        requires_grad=True,
    )
    optimiser = torch.optim.Adam([inner], RATE)
    for _ in range(iterations):
        velocity = functional.pad(inner, [1] * 4)
        moved = moving.at(exponential(velocity, fixed.size))
        cost = 2 - overlap(moved, fixed) - correlation(moved, fixed)
        optimiser.zero_grad()
        (cost + SMOOTHNESS * _slope(velocity)).sum().backward()
        optimiser.step()
    return functional.pad(inner.detach(), [1] * 4)


def _slope(velocity: Tensor) -> Tensor:
    """Mean square (batch,) of the derivatives of velocities."""
    spacing = 2 / (CONTROL_POINTS - 1)
    along = (velocity.diff(dim=axis) / spacing for axis in (2, 3))
    return torch.stack([each.square().mean((1, 2, 3)) for each in along]).sum(0)
