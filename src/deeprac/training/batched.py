"""nnU-Net's augmentation of a whole batch at once, where its slices are.

nnU-Net's own transforms draw the parameters of every slice, by their probabilities and
ranges. Here stands only how parameters are applied to all slices of a batch together:
what nnU-Net computes slice by slice, within rounding. A slice that a transform leaves
alone has neutral parameters, and stays as it is.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import (
    MultiplicativeBrightnessTransform,
)
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import (
    SimulateLowResolutionTransform,
)
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import (
    DownsampleSegForDSTransform,
)
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTransform
from torch import Tensor
from torch.nn import functional

from deeprac.geometry.similarity import identity
from deeprac.geometry.warp import sample, sampling_points
from deeprac.training.device import sent
from deeprac.training.fields import FieldTransform, RandomFields, deformed
from deeprac.training.nnunet import blur_taps, moved_by

TAPS = 7
"""Of the widest blur that nnU-Net draws."""

_EPSILON = 1e-7
"""nnU-Net's, in the gamma transform."""

_DUMMY = torch.zeros(1, 8, 8)
"""What parameters are drawn for: they depend on no value, and on sides being equal."""

Drawn = dict[str, Any]
"""Parameters of one slice, as a transform of nnU-Net draws them."""


@dataclass(frozen=True)
class Intensity:
    """How a transform of intensities is applied to many slices.

    Attributes:
        neutral: parameters that change nothing.
        row: parameters of one slice as numbers; none where nothing was drawn.
        apply: to (batch, 1, height, width) slices by (batch, parameters, 1, 1).
    """

    neutral: Sequence[float]
    row: Callable[[Drawn], Sequence[float]]
    apply: Callable[[Tensor, Tensor], Tensor]


def _noise(slices: Tensor, sigma: Tensor) -> Tensor:
    return slices + sigma * torch.randn_like(slices)


def _blur_row(drawn: Drawn) -> list[float]:
    sigmas = [sigma for axes in drawn["sigmas"] for sigma in axes]
    return [tap for sigma in sigmas for tap in blur_taps(sigma, TAPS)]


def _blur(slices: Tensor, taps: Tensor) -> Tensor:
    count = len(slices)
    # Slices as channels, each with its own kernel.
    out = functional.pad(slices.squeeze(1)[None], [TAPS // 2] * 4, mode="reflect")
    along_y, along_x = taps.view(count, 2, TAPS).unbind(1)
    out = functional.conv2d(out, along_y[:, None, :, None], groups=count)
    return functional.conv2d(out, along_x[:, None, None, :], groups=count)[0][:, None]


def _brightness(slices: Tensor, factor: Tensor) -> Tensor:
    return slices * factor


def _contrast(slices: Tensor, factor: Tensor) -> Tensor:
    mean = slices.mean((2, 3), keepdim=True)
    low, high = slices.amin((2, 3), keepdim=True), slices.amax((2, 3), keepdim=True)
    return ((slices - mean) * factor + mean).clamp(low, high)


def _low_resolution(slices: Tensor, scales: Tensor) -> Tensor:
    along_y, along_x = scales.flatten(1).split(1, dim=1)
    return _coarse(_coarse(slices, along_y).mT, along_x).mT


def _coarse(slices: Tensor, scale: Tensor) -> Tensor:
    """Shrink columns by picking pixels and grow them linearly, as nnU-Net does.

    Args:
        slices: (batch, 1, height, width).
        scale: (batch, 1) shrinking; 1 changes nothing.
    """
    size = slices.shape[2]
    coarse = (size * scale).round()
    centres = torch.arange(size, device=slices.device) + 0.5
    position = (centres * (coarse / size) - 0.5).clamp_min(0)
    left = position.floor()
    both = torch.stack([left, torch.minimum(left + 1, coarse - 1)])
    picked = ((both + 0.5) * (size / coarse)).floor().clamp_max(size - 1).long()
    near, far = (slices.take_along_dim(rows[:, None, :, None], 2) for rows in picked)
    return torch.lerp(near, far, (position - left)[:, None, :, None])


def _gamma_row(drawn: Drawn) -> list[float]:
    sign = -1.0 if drawn["invert_image"] else 1.0
    return [float(drawn["gamma"]), sign, float(drawn["retain_stats"])]


def _gamma(slices: Tensor, parameters: Tensor) -> Tensor:
    gamma, sign, retain = parameters.split(1, dim=1)
    before = slices * sign
    low, high = before.amin((2, 3), keepdim=True), before.amax((2, 3), keepdim=True)
    span = high - low
    after = ((before - low) / span.clamp_min(_EPSILON)) ** gamma * span + low
    std, mean = torch.std_mean(before, (2, 3), keepdim=True)
    new_std, new_mean = torch.std_mean(after, (2, 3), keepdim=True)
    kept = (after - new_mean) * (std / new_std.clamp_min(_EPSILON)) + mean
    return torch.where(retain > 0, kept, after) * sign


_DELTA = [float(tap == TAPS // 2) for tap in range(TAPS)]

INTENSITY: dict[type[BasicTransform], Intensity] = {
    GaussianNoiseTransform: Intensity([0.0], lambda drawn: [drawn["sigmas"]], _noise),
    GaussianBlurTransform: Intensity([*_DELTA, *_DELTA], _blur_row, _blur),
    MultiplicativeBrightnessTransform: Intensity(
        [1.0], lambda drawn: drawn["multipliers"].tolist(), _brightness
    ),
    ContrastTransform: Intensity(
        [1.0], lambda drawn: drawn["multipliers"].tolist(), _contrast
    ),
    SimulateLowResolutionTransform: Intensity(
        [1.0, 1.0], lambda drawn: drawn["scales"].flatten().tolist(), _low_resolution
    ),
    GammaTransform: Intensity([1.0, 1.0, 0.0], _gamma_row, _gamma),
}
"""Those of nnU-Net's pipeline."""


class BatchedAugmentation:
    """nnU-Net's training transforms, for batches of square slices.

    Args:
        transforms: as nnU-Net makes them for single slices.
        classes: number of labels; they are 0, the background, 1, ...
        device: where batches are augmented.

    Raises:
        NotImplementedError: there is a transform that nnU-Net's pipeline has not got.
    """

    def __init__(
        self, transforms: ComposeTransforms, classes: int, device: torch.device
    ) -> None:
        self.classes, self.device = classes, device
        self.affine: SpatialTransform | None = None
        self.fields: RandomFields | None = None
        self.air = 0.0
        self.intensities: list[RandomTransform] = []
        self.mirror: MirrorTransform | None = None
        self.levels = DownsampleSegForDSTransform([1])
        for transform in transforms.transforms:
            self._take(transform)

    def _take(self, transform: BasicTransform) -> None:
        match transform:
            case SpatialTransform(p_elastic_deform=0, random_crop=False):
                # What it draws holds a grid of the patch, whose corners say it all.
                self.affine, self.air = copy(transform), transform.padding_value_image
                self.affine.patch_size, self.affine._grid_cache = _DUMMY.shape[1:], {}
            case FieldTransform():
                self.fields = transform.fields
                self._take(transform.spatial)
            case RandomTransform() if type(transform.transform) in INTENSITY:
                self.intensities.append(transform)
            case MirrorTransform():
                self.mirror = transform
            case DownsampleSegForDSTransform():
                self.levels = transform
            case RemoveLabelTransform():
                pass  # of the padding, which is background here from the start
            case _:
                raise NotImplementedError(f"{transform} for a whole batch")

    def __call__(
        self, slices: Tensor, labels: Tensor
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """Augment a batch.

        Args:
            slices: (batch, 1, size, size) float32, anywhere.
            labels: (batch, 1, size, size).

        Returns:
            The slices, labels of every level of deep supervision, and (batch, 2, 3)
            ``image_from_sample`` on the CPU.
        """
        slices = slices.to(self.device, copy=True)
        labels = labels.to(self.device, copy=True)
        rows = torch.tensor([self.draw() for _ in slices])
        affine, signs = rows[:, :6].view(-1, 2, 3), rows[:, -2:]
        affine = self._deform(slices, labels, affine)
        start = affine[0].numel()
        for random in self.intensities:
            kind = INTENSITY[type(random.transform)]
            part = rows[:, start : start + len(kind.neutral)]
            start += len(kind.neutral)
            chosen = _rows_with(part != torch.tensor(kind.neutral))
            if len(chosen):
                index = sent(chosen, self.device)
                numbers = sent(part[chosen], self.device)
                slices[index] = kind.apply(slices[index], numbers[:, :, None, None])
        for axis, sign in ((3, signs[:, :1]), (2, signs[:, 1:])):
            index = sent(_rows_with(sign < 0), self.device)
            for tensor in (slices, labels):
                tensor[index] = tensor[index].flip(axis)
        # Slices as channels, which are treated alike.
        levels = self.levels(segmentation=labels.squeeze(1))["segmentation"]
        mirrored = functional.pad(signs, (0, 1), value=1.0)[:, None]
        return slices, [level[:, None] for level in levels], affine * mirrored

    def draw(self) -> list[float]:
        """Draw the parameters of one slice, in nnU-Net's order.

        Returns:
            ``image_from_sample`` without mirroring (6), those of every transform of
            intensities, and the signs of x and y.
        """
        affine, axes = identity(1), []
        if self.affine is not None:
            drawn = self.affine.get_parameters(image=_DUMMY)
            affine = moved_by(self.affine, drawn)
        row = affine.flatten().tolist()
        for random in self.intensities:
            kind = INTENSITY[type(random.transform)]
            drawn = {}
            if random.get_parameters()["apply_transform"]:
                drawn = random.transform.get_parameters(image=_DUMMY)
            row += (drawn and kind.row(drawn)) or kind.neutral
        if self.mirror is not None:
            axes = self.mirror.get_parameters()["axes"]
        return row + [-1.0 if axis in axes else 1.0 for axis in (1, 0)]

    def _deform(self, slices: Tensor, labels: Tensor, affine: Tensor) -> Tensor:
        """Turn, zoom and deform, in place, the slices that were drawn for it.

        Returns:
            ``image_from_sample``: ``affine``, and the similarities in fields.
        """
        size = (slices.shape[2], slices.shape[3])
        fields = torch.zeros(len(slices), 1)
        if self.fields is not None:
            fields = self.fields.draw(len(slices))
        bent = (fields != 0).flatten(1).any(1, keepdim=True)
        turned = (affine != identity(1)).flatten(1) & ~bent
        if len(chosen := _rows_with(turned)):
            points = sampling_points(sent(affine[chosen], self.device), size)
            self._sample(slices, labels, chosen, points.unflatten(2, size))
        if len(chosen := _rows_with(bent)):
            before = sent(affine[chosen], self.device)
            points, moved = deformed(before, sent(fields[chosen], self.device), size)
            self._sample(slices, labels, chosen, points)
            affine = affine.index_copy(0, chosen, moved.cpu())
        return affine

    def _sample(
        self, slices: Tensor, labels: Tensor, chosen: Tensor, points: Tensor
    ) -> None:
        """Sample, in place, the chosen slices at points (chosen, 2, height, width)."""
        index = sent(chosen, self.device)
        slices[index] = sample(slices[index], points, fill=self.air)
        numbers = torch.arange(self.classes, device=labels.device).view(1, -1, 1, 1)
        shares = sample((labels[index] == numbers).float(), points, fill=0.0)
        # As in nnU-Net, padding is a label of its own until the largest share is known.
        padding = 1 - shares.sum(1, keepdim=True)
        found = torch.cat([shares, padding], 1).argmax(1, keepdim=True) % self.classes
        labels[index] = found.to(labels.dtype)


def _rows_with(marked: Tensor) -> Tensor:
    """Indices of the rows of (batch, n) bool, on the host, with any true."""
    return marked.any(1).nonzero().squeeze(1)
