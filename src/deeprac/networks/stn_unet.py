"""nnU-Net's U-Net behind a front end that normalises size, pose and crop."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import Tensor, nn
from torch.nn import functional

from deeprac.geometry.similarity import (
    agree,
    compose,
    invert,
    similarity,
    transform_points,
)
from deeprac.geometry.warp import inside, warp
from deeprac.networks.crops import CHUNK, CROPS, STNCrop
from deeprac.networks.front_end import Given, Located, Pose
from deeprac.networks.normalisers import BOUND, NORMALISERS, LearnedNormaliser

BACKGROUND_LOGIT = 10.0
"""Logit of the background where the network saw nothing: certain, finite in half."""
RIM_PIXELS = 2
"""Pixels at the input's edge whose logits are not used (padding reaches them)."""
WARP_ANGLE_RAD = math.pi / 4
WARP_LOG_SCALE = math.log(2)
WARP_SHIFT = 0.4
"""Bounds of the random similarities of training; a shift of 0.4 half widths is a fifth
of the slice."""


@dataclass(frozen=True)
class Trace:
    """What the last training step located, for its losses.

    Attributes:
        given: what the step was told.
        located: where the U-Net looked.
        raw: (batch, 4) unbounded correction, or None.
        warped: (batch, 2, 3) ``image_from_canonical`` found on a randomly warped copy
            of each slice, brought back to the slice's frame, or None.
        trusted: (batch,) bool, slices whose ``warped`` comes from a visible body.
    """

    given: Given
    located: Located
    raw: Tensor | None
    warped: Tensor | None
    trusted: Tensor


class STNUNet(nn.Module):
    """Localise, warp once, segment, and return logits in the frame of the slice.

    A normaliser (``normalisers``) finds size, pose and position, a crop (``crops``) the
    region of interest in the canonical frame. Both are composed, so the slice is
    sampled exactly once. The U-Net's logits return through the closed-form inverse, at
    every level of deep supervision; pixels that the U-Net did not see are answered by
    the crop's coarse segmentation, or as background.

    The U-Net's own keyword arguments (``strides`` and so on) come as nnU-Net's plans
    state them.

    Args:
        input_channels: 1, the CT.
        num_classes: background included.
        matrix_size: side of the slices in pixels.
        network_input_size: side of the U-Net's input in pixels.
        air: value of air in the normalised slices.
        normaliser: a key of ``NORMALISERS``.
        crop: a key of ``CROPS``.
        localiser: keyword arguments as in the configuration's ``localiser``.
        deep_supervision: whether to return the logits of all levels.
        **unet: keyword arguments of PlainConvUNet.
    """

    def __init__(  # noqa: PLR0913  (nnU-Net calls it with what the plans name)
        self,
        input_channels: int,
        num_classes: int,
        *,
        matrix_size: int,
        network_input_size: int,
        air: float,
        normaliser: str,
        crop: str,
        localiser: dict[str, Any],
        deep_supervision: bool = False,
        **unet: Any,
    ) -> None:
        super().__init__()
        self.unet = PlainConvUNet(
            input_channels,
            num_classes=num_classes,
            deep_supervision=deep_supervision,
            **unet,
        )
        # nnU-Net initialises a network only where it has an attribute `initialize`;
        # this one must not, since that would undo the localiser's zero start.
        self.unet.apply(self.unet.initialize)
        self.matrix_size = matrix_size
        self.network_input_size = network_input_size
        self.air = air
        self.segmentation_gradient = localiser["segmentation_gradient"]
        self.warp_share = localiser["warp_share"]
        self.seen_size = min(localiser["input_size"], matrix_size)
        self.normaliser = NORMALISERS[normaliser](localiser, air=air)
        self.crop = CROPS[crop](localiser, num_classes=num_classes, size=self.seen_size)
        self.given: Given | None = None
        """What the next training step is told; set by the trainer before each."""
        self.trace: Trace | None = None
        """What the last training step located."""

    @property
    def decoder(self) -> nn.Module:
        """The U-Net's decoder, where nnU-Net switches deep supervision."""
        return self.unet.decoder

    def pose_parameters(self) -> list[nn.Parameter]:
        """What finds size and pose and has a learning rate of its own."""
        return list(self.normaliser.parameters())

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Segment slices, each on its own.

        Args:
            image: (batch, 1, matrix_size, matrix_size), normalised CT.

        Returns:
            Logits (batch, classes, matrix_size, matrix_size); with deep supervision a
            list, halving the size from level to level.
        """
        given = self.given
        image, seen, finite = self._look(image)
        pose = self._normalise(seen, finite, given)
        located = self._locate(pose, seen, given, together=False)
        self.trace = None
        if self.training and given is not None:
            warped, trusted = self._find_warped(image)
            self.trace = Trace(given, located, pose.raw, warped, trusted & finite)
        return self._answer(image, damped(located, self.segmentation_gradient))

    @torch.no_grad()
    def locate(self, slices: Tensor, given: Given | None = None) -> Located:
        """Find where to look in all slices of one case.

        They share one transform, on which the slices that show a body agree (see
        ``geometry.similarity.agree``), and one window.

        Args:
            slices: (n, 1, matrix_size, matrix_size), on any device.
            given: what an oracle is told, (n, ...), on any device.
        """
        device = next(self.parameters()).device
        given = given and given.to(device)
        seen, poses = [], []
        for start in range(0, len(slices), CHUNK):
            part = slice(start, start + CHUNK)
            _, small, finite = self._look(slices[part].to(device))
            poses.append(self._normalise(small, finite, given and given[part]))
            seen.append(small)
        pose = _joined(poses)
        common = agree(pose.image_from_canonical, pose.believed)
        shared = replace(pose, image_from_canonical=common.expand(len(slices), 2, 3))
        located = self._locate(shared, torch.cat(seen), given, together=True)
        return replace(located, image_from_single=pose.image_from_canonical)

    def _look(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return slices without NaN, their thumbnails, and which were finite."""
        finite = image.isfinite()
        image = self._clean(image, finite)
        seen = functional.adaptive_avg_pool2d(image, self.seen_size)
        return image, seen, finite.flatten(1).all(1)

    def _normalise(self, seen: Tensor, finite: Tensor, given: Given | None) -> Pose:
        pose = self.normaliser(seen, given)
        return replace(pose, believed=pose.believed & finite)

    def _locate(
        self, pose: Pose, seen: Tensor, given: Given | None, *, together: bool
    ) -> Located:
        # Losses of the crop must not pull the image about until it is easy to crop.
        image_from_canonical = pose.image_from_canonical
        upright = image_from_canonical.detach()
        size = (self.seen_size, self.seen_size)
        view = warp(seen, upright, size, fill=self.air)
        outline = None
        if given is not None:
            outline = transform_points(invert(upright), given.outline)
        found = self.crop(view, outline, together=together)
        beyond = torch.zeros_like(pose.believed)
        if pose.raw is not None:
            beyond = (pose.raw.float().tanh().abs() >= BOUND).any(1)
        return Located(
            image_from_canonical=image_from_canonical,
            canonical_from_crop=found.canonical_from_crop,
            image_from_single=image_from_canonical,
            fallback=~pose.believed,
            at_bound=beyond & pose.believed,
            coarse_logits=found.coarse_logits,
        )

    def _find_warped(self, image: Tensor) -> tuple[Tensor | None, Tensor]:
        """Localise a randomly turned, zoomed and shifted copy of each slice."""
        batch = len(image)
        if not isinstance(self.normaliser, LearnedNormaliser) or not self.warp_share:
            return None, torch.zeros(batch, dtype=torch.bool, device=image.device)
        drawn = self.warp_share * (2 * torch.rand(batch, 4, device=image.device) - 1)
        image_from_warped = similarity(
            WARP_LOG_SCALE * drawn[:, 0],
            WARP_ANGLE_RAD * drawn[:, 1],
            WARP_SHIFT * drawn[:, 2:],
        )
        size = (self.seen_size, self.seen_size)
        copy = warp(
            image,
            image_from_warped,
            size,
            fill=self.air,
            supersampling=math.ceil(self.matrix_size / self.seen_size),
        )
        pose = self.normaliser(copy)
        return compose(image_from_warped, pose.image_from_canonical), pose.believed

    def segment(self, image: Tensor, located: Located) -> Tensor | list[Tensor]:
        """Segment slices that have been located; see ``forward``."""
        return self._answer(self._clean(image, image.isfinite()), located)

    def _clean(self, image: Tensor, finite: Tensor) -> Tensor:
        """Put air in the place of what is no number."""
        return torch.where(finite, image.float(), self.air)

    def _answer(self, image: Tensor, located: Located) -> Tensor | list[Tensor]:
        """Segment located slices without NaN."""
        size = self.network_input_size
        view = warp(
            image,
            located.image_from_input,
            (size, size),
            fill=self.air,
            supersampling=math.ceil(self.matrix_size / size),
        )
        inverses = (
            invert(located.image_from_input),
            invert(located.image_from_canonical),
        )
        logits = self.unet(view)
        if isinstance(logits, Tensor):
            return self._to_image(logits, located, *inverses)
        return [self._to_image(level, located, *inverses) for level in logits]

    def _to_image(
        self,
        logits: Tensor,
        located: Located,
        input_from_image: Tensor,
        canonical_from_image: Tensor,
    ) -> Tensor:
        side = round(self.matrix_size * logits.shape[-1] / self.network_input_size)
        size = (side, side)
        returned = warp(logits, input_from_image, size)
        seen = inside(
            input_from_image, size, border=2 * RIM_PIXELS / self.network_input_size
        )
        unseen = torch.zeros_like(returned)
        unseen[:, 0] = BACKGROUND_LOGIT
        if located.coarse_logits is not None:
            coarse = warp(located.coarse_logits, canonical_from_image, size)
            unseen = torch.where(inside(canonical_from_image, size), coarse, unseen)
        return torch.where(seen, returned, unseen)

    def calibrate(self, given: Given) -> None:
        """Set the size of a learned crop from the training patients.

        Args:
            given: one entry per patient.
        """
        if not isinstance(self.crop, STNCrop):
            return
        outlines = given.outline
        if not isinstance(self.normaliser, NORMALISERS["none"]):
            outlines = transform_points(
                invert(given.image_from_canonical), given.outline
            )
        self.crop.calibrate(outlines)


def damped(located: Located, share: float) -> Located:
    """Return the same transforms, through which only a share of gradients flows."""
    return replace(
        located,
        image_from_canonical=_lerp(located.image_from_canonical, share),
        canonical_from_crop=_lerp(located.canonical_from_crop, share),
    )


def _lerp(tensor: Tensor, share: float) -> Tensor:
    return torch.lerp(tensor.detach(), tensor, share)


def _joined(poses: list[Pose]) -> Pose:
    """Join the poses of the parts of a case."""
    raw = [pose.raw for pose in poses if pose.raw is not None]
    return Pose(
        torch.cat([pose.image_from_canonical for pose in poses]),
        torch.cat([pose.believed for pose in poses]),
        torch.cat(raw) if raw else None,
    )
