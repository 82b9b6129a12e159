"""Cases turned, zoomed, shifted or cut off before they are segmented.

The change acts on every slice in the frame of its padded square (see
``deeprac.geometry``), on the native grid: ``image`` is the slice as it is, ``stressed``
the slice as the network is shown it, ``stressed_from_image`` the change of the patient.
Spacing and grid stay as they are; tissue may leave the picture, and what enters it is
air.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deeprac.geometry.similarity import identity, invert, similarity
from deeprac.geometry.square import Square
from deeprac.geometry.warp import inside, sampling_points, warp
from deeprac.labels import FOREGROUND, Label
from deeprac.records.stress import MOVES, Condition, Perturbation

SLICES_AT_ONCE = 8
"""Slices that are resampled together: bounds the memory of supersampling."""


@dataclass(frozen=True)
class LabelledCase:
    """A case of the cohort, upright.

    Attributes:
        image: (slices, height, width) in the cohort's unit.
        labels: (slices, height, width) label numbers, kidneys united.
        spacing: (z, y, x) in millimetres.
    """

    image: NDArray
    labels: NDArray
    spacing: tuple[float, ...]


@dataclass(frozen=True)
class StressedCase:
    """A case under one condition, on its native grid padded to squares.

    Attributes:
        image: (slices, n, n) in the cohort's unit.
        labels: (slices, n, n) uint8 label numbers.
        visible: for each foreground label the share of its voxels whose centres stay
            in the picture, 0 to 1; NaN where the case has none.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    visible: dict[Label, float]


def stressed_from_image(condition: Condition) -> Tensor:
    """Return the change of a condition.

    Convention: it moves the patient about the centre of the padded square. A positive
    rotation is clockwise on the screen, a zoom above 1 enlarges, a positive shift goes
    towards +x, the patient's left (right on the screen).

    Args:
        condition: what is changed, in degrees, as a factor, or as a share of the
            square's width (2 in normalised units).

    Returns:
        (1, 2, 3) float32, normalised coordinates.
    """
    value = condition.value
    log_scale = math.log(value) if condition.kind == Perturbation.SCALE else 0.0
    angle_rad = math.radians(value) if condition.kind == Perturbation.ROTATION else 0.0
    shift_x = 2 * value if condition.kind == Perturbation.SHIFT else 0.0
    return similarity(
        torch.tensor([log_scale]),
        torch.tensor([angle_rad]),
        torch.tensor([[shift_x, 0.0]]),
    )


def stress_case(
    case: LabelledCase, condition: Condition, *, air: float
) -> StressedCase:
    """Show a case under a condition.

    The image is sampled bilinearly, anti-aliased where it shrinks; every pixel of the
    label map gets the label with the largest share. What does not move the patient
    resamples nothing.

    Args:
        case: the case as it is.
        condition: what is changed.
        air: value of the padding and of what enters the picture.
    """
    square = Square(*case.image.shape[1:])
    padded = square.pad(case.image.astype(np.float32), air)
    reference = square.pad(case.labels.astype(np.uint8), Label.BACKGROUND)
    if condition.kind == Perturbation.TRUNCATION:
        return _cut_off(padded, reference, condition.value, air)
    if condition.kind not in MOVES:
        matrix = identity(1)
        return StressedCase(padded, reference, visible_shares(reference, matrix))
    matrix = stressed_from_image(condition)
    shown, shown_labels = np.empty_like(padded), np.empty_like(reference)
    for start in range(0, len(padded), SLICES_AT_ONCE):
        part = slice(start, start + SLICES_AT_ONCE)
        shown[part] = _warp_slices(padded[part], matrix, fill=air)
        shown_labels[part] = _warp_labels(reference[part], matrix)
    return StressedCase(shown, shown_labels, visible_shares(reference, matrix))


def _cut_off(
    padded: NDArray, reference: NDArray, share: float, air: float
) -> StressedCase:
    """End the field of view early: the grid stays, slices beyond it show air."""
    count = round(abs(share) * len(padded))
    beyond = slice(len(padded) - count, None) if share > 0 else slice(0, count)
    shown, labels = padded.copy(), reference.copy()
    shown[beyond], labels[beyond] = air, Label.BACKGROUND
    totals = {label: np.count_nonzero(reference == label) for label in FOREGROUND}
    visible = {
        label: np.count_nonzero(labels == label) / total if total else math.nan
        for label, total in totals.items()
    }
    return StressedCase(shown, labels, visible)


def visible_shares(labels: NDArray, matrix: Tensor) -> dict[Label, float]:
    """Share of each label's voxels whose centres stay in the picture.

    Args:
        labels: (slices, n, n) label numbers before the change.
        matrix: (1, 2, 3) ``stressed_from_image``.

    Returns:
        0 to 1 for each foreground label; NaN for a label that is not there.
    """
    size = labels.shape[1:]
    kept = inside(sampling_points(matrix, size))[0, 0].unflatten(0, size).numpy()
    shares = {}
    for label in FOREGROUND:
        mask = labels == label
        total = np.count_nonzero(mask)
        shares[label] = np.count_nonzero(mask & kept) / total if total else math.nan
    return shares


def _warp_slices(slices: NDArray, matrix: Tensor, *, fill: float) -> NDArray:
    """Sample (slices, n, n) in the stressed frame; the slices share one grid."""
    # Shrinking by r needs r samples per pixel; rounding must not make it one more.
    factor = float(torch.linalg.det(matrix[:, :, :2]).sqrt())
    return warp(
        torch.from_numpy(slices)[None],
        invert(matrix),
        slices.shape[-2:],
        fill=fill,
        supersampling=max(1, math.ceil(1 / factor - 1e-3)),
    )[0].numpy()


def _warp_labels(labels: NDArray, matrix: Tensor) -> NDArray[np.uint8]:
    """Largest share per pixel; outside the picture there is background."""
    shares = [
        _warp_slices((labels == label).astype(np.float32), matrix, fill=0.0)
        for label in FOREGROUND
    ]
    background = 1 - np.sum(shares, axis=0)
    numbers = np.array([Label.BACKGROUND, *FOREGROUND], np.uint8)
    return numbers[np.stack([background, *shares]).argmax(0)]
