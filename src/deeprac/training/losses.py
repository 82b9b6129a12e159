"""Losses that teach the Spatial Transformer where to look."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deeprac.geometry.similarity import compose, invert, transform_points
from deeprac.geometry.warp import pixel_centres, warp
from deeprac.networks.stn_unet import Localisation, STNUNet

COVERAGE_RIM = 0.1
"""Labelled pixels should stay this far, in half widths, inside the crop."""


def soft_dice(a: Tensor, b: Tensor) -> Tensor:
    """Soft Dice of densities in 0..1 per sample.

    Args:
        a: (batch, channels, height, width).
        b: same shape, or broadcastable.

    Returns:
        (batch, channels), 0 to 1; 1 where both are empty.
    """
    overlap = 2 * torch.minimum(a, b.expand_as(a)).sum((2, 3))
    total = (a + b).sum((2, 3))
    return (overlap + 1e-5) / (total + 1e-5)


def mask_loss(body: Tensor, template: Tensor) -> Tensor:
    """One minus the soft Dice of the canonical silhouette and its template.

    The paper's loss for the pose-size transformer, with the mean of the training
    patients in the place of one reference slice.

    Args:
        body: (batch, 1, size, size) in the canonical frame.
        template: (1, 1, size, size).

    Returns:
        Scalar, 0 to 1.
    """
    return 1 - soft_dice(body, template).mean()


def coarse_loss(coarse_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy and Dice of the coarse segmentation against soft labels.

    Args:
        coarse_logits: (batch, classes, size, size).
        labels: (batch, classes, size, size) shares of each class, summing to at most 1.

    Returns:
        Scalar.
    """
    logits = coarse_logits.float()
    entropy = -(labels * logits.log_softmax(1)).sum(1).mean()
    predicted = logits.softmax(1)[:, 1:]
    # Over the batch, as nnU-Net does in 2D: single slices often lack a class.
    overlap = 2 * (predicted * labels[:, 1:]).sum((0, 2, 3))
    total = (predicted + labels[:, 1:]).sum((0, 2, 3))
    return entropy + 1 - ((overlap + 1e-5) / (total + 1e-5)).mean()


def coverage_loss(foreground: Tensor, image_from_input: Tensor) -> Tensor:
    """Mean squared distance by which labelled pixels leave the crop's inner part.

    Zero if and only if every labelled pixel lies at least ``COVERAGE_RIM`` inside;
    asymmetric, since a crop that is too large costs resolution but loses nothing.

    Args:
        foreground: (batch, 1, size, size) shares in the image frame.
        image_from_input: (batch, 2, 3).

    Returns:
        Scalar, at least 0; 0 for a batch without foreground.
    """
    points = pixel_centres(foreground.shape[-2:], foreground.device)
    position = transform_points(invert(image_from_input), points).abs().amax(-1)
    excess = functional.relu(position - (1 - COVERAGE_RIM)) ** 2
    weight = foreground.flatten(1)
    return (weight * excess).sum() / weight.sum().clamp_min(1.0)


class STNLoss(nn.Module):
    """nnU-Net's loss on the full slice plus the localiser's losses.

    While the network evaluates (nnU-Net's online validation) only nnU-Net's loss is
    returned, so that validation losses compare between methods.

    Args:
        segmentation: nnU-Net's own loss, with deep supervision.
        network: the network whose last localisation is judged.
        weights: the configuration's ``localiser`` section.
    """

    def __init__(
        self, segmentation: nn.Module, network: STNUNet, weights: dict[str, Any]
    ) -> None:
        super().__init__()
        self.segmentation = segmentation
        # A list hides the network from this module's own parameters.
        self._network = [network]
        self.weights = weights

    def forward(self, output: list[Tensor], target: list[Tensor]) -> Tensor:
        """Sum all losses.

        Args:
            output: logits of every level, full slice first.
            target: label maps (batch, 1, ...) of every level.

        Returns:
            Scalar.
        """
        loss = self.segmentation(output, target)
        network = self._network[0]
        localisation = network.localisation
        if localisation is None:
            return loss
        return loss + self._localiser(localisation, target[0], network)

    def _localiser(
        self, localisation: Localisation, labels: Tensor, network: STNUNet
    ) -> Tensor:
        weights = self.weights
        loss = weights["residual_weight"] * localisation.residual.square().mean()
        loss = loss + weights["mask_weight"] * mask_loss(
            localisation.body, network.template
        )
        if localisation.coarse_logits is None:
            return loss
        classes = localisation.coarse_logits.shape[1]
        numbers = torch.arange(classes, device=labels.device).view(1, -1, 1, 1)
        shares = network.thumbnail(labels == numbers)
        size = tuple(shares.shape[-2:])
        # The labels follow the transform without steering it: pulling the image about
        # until the labels are easy to segment would be a shortcut.
        canonical = warp(
            shares, localisation.image_from_canonical.detach(), size, fill=0.0
        )
        canonical = torch.cat(
            [1 - canonical[:, 1:].sum(1, keepdim=True), canonical[:, 1:]], 1
        )
        coarse = coarse_loss(localisation.coarse_logits, canonical)
        # Only the crop answers for coverage; size and pose have a target of their own.
        image_from_crop = compose(
            localisation.image_from_canonical.detach(), localisation.canonical_from_crop
        )
        coverage = coverage_loss(1 - shares[:, :1], image_from_crop)
        return (
            loss
            + weights["coarse_weight"] * coarse
            + weights["coverage_weight"] * coverage
        )
