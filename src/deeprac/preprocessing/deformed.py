"""A case in the shape and size of another patient, image and labels alike.

Two cases meet in the canonical frame, at equal shares of the way from the lowest to the
highest slice that shows kidneys. There a velocity field is fitted at a few levels, and
interpolated between them; flows of what lies between two velocities do not fold either.
A slice then gets the other patient's size, pose and position, and its field.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deeprac.geometry.levels import kidney_slices, shares_along, slices_at
from deeprac.geometry.similarity import invert
from deeprac.geometry.square import Square
from deeprac.geometry.velocity import (
    exponential,
    followed_by,
    inverse_error_px,
    without_folds,
)
from deeprac.geometry.velocity_fit import (
    ITERATIONS,
    Anatomy,
    fit_velocity,
    overlap,
)
from deeprac.geometry.warp import sample, sampling_points, warp
from deeprac.labels import Label
from deeprac.preprocessing.matrix import label_shares

SIZE = (64, 64)
"""Of the canonical frame in which fields are fitted, in pixels."""
LEVELS = 5
"""At which fields are fitted, from the lowest slice with kidneys to the highest."""


@dataclass(frozen=True)
class PosedCase:
    """A case, where its kidneys lie, and its size and pose.

    Attributes:
        image: (slices, height, width), in the cohort's unit.
        normalised: the same, as for the networks.
        labels: (slices, height, width) label numbers, some above 0.
        spacing_mm: (z, y, x).
        image_from_canonical: (2, 3).
    """

    image: NDArray
    normalised: NDArray
    labels: NDArray
    spacing_mm: tuple[float, float, float]
    image_from_canonical: NDArray

    @property
    def square(self) -> Square:
        """The padded square of its slices."""
        return Square(*self.labels.shape[1:])

    @property
    def pose(self) -> Tensor:
        """(1, 2, 3) ``image_from_canonical``."""
        return torch.from_numpy(self.image_from_canonical).float()[None]

    def anatomy(self, air: float) -> Anatomy:
        """The canonical frame at all levels; ``air`` of the normalised image."""
        chosen = slices_at(self.labels, (np.arange(LEVELS) + 0.5) / LEVELS)
        labels = self.labels[chosen]
        kidney = (labels > 0) & (labels != Label.TUMOUR)
        image = torch.from_numpy(self.square.pad(self.normalised[chosen], air))
        masks = np.stack([kidney, labels == Label.TUMOUR], 1).astype(np.float32)
        shares = torch.from_numpy(self.square.pad(masks, 0.0))
        finer = max(1, round(self.square.size / SIZE[0]))
        pose = self.pose.expand(LEVELS, 2, 3)
        seen = warp(image[:, None], pose, SIZE, fill=air, supersampling=finer)
        kidney, tumour = warp(shares, pose, SIZE, fill=0.0, supersampling=finer).split(
            1, dim=1
        )
        return Anatomy(seen, kidney, tumour)


@dataclass(frozen=True)
class FittedFields:
    """The fields that bring one case to the shape of another.

    Attributes:
        velocity: (LEVELS, 2, 16, 16), without folds.
        kidney_dice_before: mean over levels, in the canonical frame: with size and pose
            alone. Of kidneys on sides where both cases have one and neither a tumour;
            NaN where there are none.
        kidney_dice_after: the same with the fields.
        weakened: number of levels whose field folded and was halved.
        inverse_error_px: of the worst pixel of all levels
            (``geometry.velocity.inverse_error_px``).
    """

    velocity: Tensor
    kidney_dice_before: float
    kidney_dice_after: float
    weakened: int
    inverse_error_px: float


def fit_fields(
    case: PosedCase, towards: PosedCase, *, air: float, iterations: int = ITERATIONS
) -> FittedFields:
    """Fit the fields of all levels.

    Args:
        case: what is to be deformed.
        towards: whose shape it gets.
        air: value of air in both normalised images.
        iterations: of the fit; 0 leaves every field at 0.
    """
    moving, fixed = _comparable(case.anatomy(air), towards.anatomy(air))
    velocity = fit_velocity(moving, fixed, iterations=iterations)
    flow, factor = without_folds(velocity, SIZE)
    velocity = velocity * factor[:, None, None, None]
    there = (moving.kidney + fixed.kidney).sum((1, 2, 3)) > 0
    return FittedFields(
        velocity=velocity,
        kidney_dice_before=overlap(moving, fixed)[there].mean().item(),
        kidney_dice_after=overlap(moving.at(flow), fixed)[there].mean().item(),
        weakened=int((factor < 1).sum()),
        inverse_error_px=inverse_error_px(velocity, flow).max().item(),
    )


def _comparable(one: Anatomy, other: Anatomy) -> tuple[Anatomy, Anatomy]:
    """Leave out the kidneys on a side where either has a tumour or no kidney.

    What a tumour leaves of a kidney has no counterpart in a healthy one, and where the
    other has none, ours would be pressed away. A side has what it holds a tenth of.
    """
    healthy = torch.ones(SIZE[1])
    for half in (slice(SIZE[1] // 2), slice(SIZE[1] // 2, None)):
        for each in (one, other):
            tumour, kidney = each.tumour, each.kidney
            ill = tumour[..., half].sum() > 0.1 * tumour.sum()
            if ill or kidney[..., half].sum() < 0.1 * kidney.sum():
                healthy[half] = 0.0
    return (
        replace(one, kidney=one.kidney * healthy),
        replace(other, kidney=other.kidney * healthy),
    )


def deformed(
    case: PosedCase, towards: PosedCase, velocity: Tensor, *, air: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Give a case another patient's size, pose, position and shape in the plane.

    Args:
        case: what is deformed, slice by slice.
        towards: whose slices set the grid.
        velocity: (LEVELS, 2, 16, 16); all 0 changes size, pose and position alone.
        air: value of air in the image.

    Returns:
        Image and labels (slices of ``case``, height and width of ``towards``).
    """
    square = towards.square
    # A coarser grid takes the mean of samples, or fine structures would flicker.
    finer = max(1, round(case.square.size / square.size))
    size = (square.size * finer, square.size * finer)
    canonical = sampling_points(invert(towards.pose), size).unflatten(2, size)
    numbers = np.unique(case.labels)
    images, labels = [], []
    for index, share in enumerate(shares_along(case.labels)):
        flow = exponential(_between(velocity, share), SIZE)
        points = case.pose[:, :, :2] @ followed_by(canonical, flow).flatten(2)
        points = (points + case.pose[:, :, 2:]).unflatten(2, size)
        image = case.square.pad(case.image[index].astype(np.float32), air)
        seen = sample(torch.from_numpy(image)[None, None], points, fill=air)
        images.append(functional.avg_pool2d(seen, finer))
        shares = label_shares(case.labels[index : index + 1], numbers)
        shown = functional.avg_pool2d(sample(shares, points), finer)
        labels.append(shown.argmax(1))
    found = numbers[square.crop(torch.cat(labels)).numpy()]
    return square.crop(torch.cat(images)[:, 0]).numpy(), found.astype(np.uint8)


def _between(velocity: Tensor, share: float) -> Tensor:
    """Velocity (1, 2, 16, 16) at a share of the way, linear between two levels."""
    place = min(max(share * LEVELS - 0.5, 0.0), LEVELS - 1.0)
    lower = min(int(place), LEVELS - 2)
    return torch.lerp(velocity[lower], velocity[lower + 1], place - lower)[None]


def slice_spacing_mm(case: PosedCase, towards: PosedCase) -> float:
    """Distance of slices at which a case's kidneys are as long as another's."""
    lengths = [
        each.spacing_mm[0] * kidney_slices(each.labels)[1] for each in (case, towards)
    ]
    return case.spacing_mm[0] * lengths[1] / lengths[0]
