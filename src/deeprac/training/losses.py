"""Losses that teach the front end where to look."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deeprac.fitting import SPACE
from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.rotation import relative_turn
from deeprac.geometry.similarity import (
    compose,
    invert,
    parameter_rows,
    transform_points,
    wrapped,
)
from deeprac.geometry.warp import warp
from deeprac.networks.front_end import Output, Trace
from deeprac.networks.localiser import shrinking

POSE_UNIT = 0.1
"""Error that counts as one unit of the pose loss: of the logarithm of the scale (a
tenth of the size), of each angle in radians (6 degrees), and of each component of the
shift in normalised units (a twentieth of the slice)."""
COVERAGE_RIM = 0.1
"""Labelled pixels should stay this far, in half widths, inside the crop."""


def pose_loss(predicted: list[Tensor], target: Tensor, valid: list[Tensor]) -> Tensor:
    """Smooth L1 of scale, angle and position, in ``POSE_UNIT``.

    Angles are compared modulo half a turn, in space one about each axis, which is all
    that a silhouette tells.

    Args:
        predicted: (batch, d, d + 1) ``image_from_canonical``, similarities, of each
            group.
        target: (batch, d, d + 1) similarities.
        valid: (batch,) bool of each group, the others do not count.

    Returns:
        Sum over groups of the mean over their valid slices, a scalar, at least 0; 0
        without any valid slice.
    """
    all_of_them = torch.cat([*predicted, target])
    rows = parameter_rows(all_of_them)
    found, known = rows.view(len(predicted) + 1, len(target), -1).split(
        (len(predicted), 1)
    )
    dimensions = target.shape[1]
    angles = rows.shape[1] - 1 - dimensions
    log_scale, angle, shift = (found - known).split((1, angles, dimensions), dim=2)
    if dimensions == SPACE:
        turned = all_of_them[:, :, :-1] / rows[:, :1, None].exp()
        *turns, goal = turned.view(-1, len(target), SPACE, SPACE)
        angle = torch.stack([relative_turn(turn, goal) for turn in turns])
    else:
        angle = wrapped(angle, period=math.pi)
    errors = torch.cat([log_scale, angle, shift], 2)
    # Smooth L1 of errors in units of b, in which it is |e| / b - 1/2 from b on.
    loss = functional.smooth_l1_loss(
        errors, torch.zeros_like(errors), reduction="none", beta=POSE_UNIT
    )
    weight = torch.stack(valid).float()
    total = (weight * loss.sum(2)).sum(1) / POSE_UNIT
    return (total / weight.sum(1).clamp_min(1.0)).sum()


def coarse_loss(coarse_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy and Dice of the coarse segmentation against soft labels.

    Args:
        coarse_logits: (batch, classes, *size).
        labels: (batch, classes, *size) shares of each class, summing to at most 1.

    Returns:
        Scalar.
    """
    logits = coarse_logits.float()
    entropy = -(labels * logits.log_softmax(1)).sum(1).mean()
    predicted = logits.softmax(1)[:, 1:]
    # Over the batch, as nnU-Net does in 2D: single slices often lack a class.
    every = (0, *range(2, labels.ndim))
    overlap = 2 * (predicted * labels[:, 1:]).sum(every)
    total = (predicted + labels[:, 1:]).sum(every)
    return entropy + 1 - ((overlap + 1e-5) / (total + 1e-5)).mean()


def coverage_loss(foreground: Tensor, image_from_input: Tensor) -> Tensor:
    """Mean squared distance by which labelled pixels leave the crop's inner part.

    Zero if and only if every labelled pixel lies at least ``COVERAGE_RIM`` inside;
    asymmetric, since a crop that is too large costs resolution but loses nothing.

    Args:
        foreground: (batch, 1, *size) shares in the image frame.
        image_from_input: (batch, d, d + 1).

    Returns:
        Scalar, at least 0; 0 for a batch without foreground.
    """
    points = pixel_centres(foreground.shape[2:], foreground.device)
    position = transform_points(invert(image_from_input), points).abs().amax(-1)
    excess = functional.relu(position - (1 - COVERAGE_RIM)) ** 2
    weight = foreground.flatten(1)
    return (weight * excess).sum() / weight.sum().clamp_min(1.0)


class STNLoss(nn.Module):
    """nnU-Net's loss on the full slice plus the front end's losses.

    While the network evaluates (nnU-Net's online validation) only nnU-Net's loss is
    returned, so that validation losses compare between methods.

    Args:
        segmentation: nnU-Net's own loss, with deep supervision.
        weights: the configuration's ``localiser`` section.
    """

    def __init__(self, segmentation: nn.Module, weights: dict[str, Any]) -> None:
        super().__init__()
        self.segmentation = segmentation
        self.weights = weights

    def forward(self, output: Output | list[Tensor], target: list[Tensor]) -> Tensor:
        """Sum all losses.

        Args:
            output: of the network, or its logits alone, full slice first.
            target: label maps (batch, 1, ...) of every level.

        Returns:
            Scalar.
        """
        if not isinstance(output, Output):
            return self.segmentation(output, target)
        loss, trace = self.segmentation(output.logits, target), output.trace
        if trace is None:
            return loss
        if trace.raw is not None:
            loss = loss + self._pose(trace, trace.raw)
        if trace.located.coarse_logits is not None:
            loss = loss + self._crop(trace, trace.located.coarse_logits, target[0])
        return loss

    def _pose(self, trace: Trace, raw: Tensor) -> Tensor:
        located, weights = trace.located, self.weights
        found, valid = [located.image_from_canonical], [~located.fallback]
        if trace.warped is not None and trace.warped_valid is not None:
            found.append(trace.warped)
            valid.append(trace.warped_valid)
        goal = trace.supervision.image_from_canonical
        pose = pose_loss(found, goal, valid)
        size = raw.float().square().mean()
        return weights["pose_weight"] * pose + weights["residual_weight"] * size

    def _crop(self, trace: Trace, logits: Tensor, labels: Tensor) -> Tensor:
        located, weights = trace.located, self.weights
        # Labels follow the transform without steering it: pulling the image about
        # until they are easy to segment or to cover would be a shortcut.
        upright = located.image_from_canonical.detach()
        dimensions, size = logits.ndim - 2, tuple(logits.shape[2:])
        numbers = torch.arange(logits.shape[1], device=labels.device)
        numbers = numbers.view(1, -1, *[1] * dimensions)
        shrink = shrinking(size[0], dimensions)
        shares = shrink((labels == numbers).float())
        canonical = warp(shares, upright, size, fill=0.0)
        background = 1 - canonical[:, 1:].sum(1, keepdim=True)
        canonical = torch.cat([background, canonical[:, 1:]], 1)
        coarse = coarse_loss(logits, canonical)
        # Only the crop answers for coverage; size and pose have a target of their own.
        image_from_crop = upright
        if located.canonical_from_crop is not None:
            image_from_crop = compose(upright, located.canonical_from_crop)
        coverage = coverage_loss(1 - shares[:, :1], image_from_crop)
        return weights["coarse_weight"] * coarse + weights["coverage_weight"] * coverage
