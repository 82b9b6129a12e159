"""nnU-Net's U-Net behind a Spatial Transformer that normalises size, pose and crop."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import Tensor, nn
from torch.nn import functional

from deeprac.geometry.moments import canonicalise, moments, silhouette
from deeprac.geometry.similarity import compose, invert, window
from deeprac.geometry.warp import inside, pixel_centres, warp
from deeprac.networks.localiser import PoseLocaliser, coarse_segmenter, soft_centre

BACKGROUND_LOGIT = 10.0
"""Logit of the background where the network saw nothing: certain, finite in half."""
RIM_PIXELS = 2
"""Pixels at the input's edge whose logits are not used (padding reaches them)."""
MIN_HALF_SIDE = 0.25
"""Smallest half side of the crop; less can only come from faulty labels."""


@dataclass(frozen=True)
class Localisation:
    """Where the Spatial Transformer looks, and what its losses need.

    Attributes:
        image_from_canonical: (batch, 2, 3) size and pose.
        canonical_from_crop: (batch, 2, 3), or None without crop.
        residual: (batch, 4) raw output of the pose localiser.
        body: (batch, 1, size, size) silhouette in the canonical frame.
        coarse_logits: (batch, classes, size, size) in the canonical frame, or None
            without crop.
    """

    image_from_canonical: Tensor
    canonical_from_crop: Tensor | None
    residual: Tensor
    body: Tensor
    coarse_logits: Tensor | None

    @property
    def image_from_input(self) -> Tensor:
        """Size, pose and crop in one transform, (batch, 2, 3)."""
        if self.canonical_from_crop is None:
            return self.image_from_canonical
        return compose(self.image_from_canonical, self.canonical_from_crop)

    def damped(self, share: float) -> "Localisation":
        """Return the same transforms, through which only a share of gradients flows."""
        crop = self.canonical_from_crop
        return replace(
            self,
            image_from_canonical=_damped(self.image_from_canonical, share),
            canonical_from_crop=None if crop is None else _damped(crop, share),
        )


def _damped(tensor: Tensor, share: float) -> Tensor:
    return torch.lerp(tensor.detach(), tensor, share)


class STNUNet(nn.Module):
    """Localise, warp once, segment, and return logits in the frame of the slice.

    The similarity of size and pose is a learned, bounded residual on the closed-form
    estimate by the silhouette's moments; the crop is a window of fixed size, calibrated
    on the training cases, whose centre follows a coarse segmentation. Both are
    composed, so the slice is sampled exactly once. The U-Net's logits return through
    the closed-form inverse, at every level of deep supervision; pixels that the U-Net
    did not see are answered by the coarse segmentation (with crop) or as background.

    The U-Net's own keyword arguments (``strides`` and so on) come as nnU-Net's plans
    state them.

    Args:
        input_channels: 1, the CT.
        num_classes: background included.
        matrix_size: side of the slices in pixels.
        network_input_size: side of the U-Net's input in pixels.
        air: value of air in the normalised slices.
        crop: whether to crop after size and pose.
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
        crop: bool,
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
        self.canonical_radius = localiser["canonical_radius"]
        self.segmentation_gradient = localiser["segmentation_gradient"]
        self.crop_margin = localiser["crop_margin"]
        self.max_log_scale = localiser["max_log_scale"]
        self.max_angle_rad = math.radians(localiser["max_angle_deg"])
        self.seen_size = min(localiser["input_size"], matrix_size)
        self.pose = PoseLocaliser(
            localiser["base_features"],
            max_log_scale=self.max_log_scale,
            max_angle_rad=self.max_angle_rad,
            max_shift=localiser["max_shift"],
        )
        self.coarse = (
            coarse_segmenter(num_classes, self.seen_size, localiser["base_features"])
            if crop
            else None
        )
        self.register_buffer("template", torch.zeros(1, 1, *[self.seen_size] * 2))
        self.register_buffer("crop_half_side", torch.ones(()))
        self.localisation: Localisation | None = None

    @property
    def decoder(self) -> nn.Module:
        """The U-Net's decoder, where nnU-Net switches deep supervision."""
        return self.unet.decoder

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Segment slices.

        In training mode the localisation is kept for the losses.

        Args:
            image: (batch, 1, matrix_size, matrix_size), normalised CT.

        Returns:
            Logits (batch, classes, matrix_size, matrix_size); with deep supervision a
            list, halving the size from level to level.
        """
        localisation = self.localise(image)
        self.localisation = localisation if self.training else None
        return self.segment(image, localisation.damped(self.segmentation_gradient))

    def thumbnail(self, image: Tensor) -> Tensor:
        """Shrink (batch, channels, ...) to the localiser's size by area averaging."""
        return functional.adaptive_avg_pool2d(image.float(), self.seen_size)

    def normalise(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate size and pose by moments alone.

        Args:
            seen: (batch, 1, size, size) thumbnail of the slice.

        Returns:
            Silhouette (batch, 1, size, size) and ``image_from_moments`` (batch, 2, 3).
        """
        body = silhouette(seen, self.air)
        estimate = canonicalise(
            moments(body),
            radius=self.canonical_radius,
            max_log_scale=2 * self.max_log_scale,
            max_angle_rad=self.max_angle_rad,
        )
        return body, estimate

    def localise(self, image: Tensor) -> Localisation:
        """Find size, pose and crop of slices (batch, 1, matrix_size, matrix_size)."""
        size = (self.seen_size, self.seen_size)
        seen = self.thumbnail(image)
        with torch.no_grad():
            body, image_from_moments = self.normalise(seen)
            seen_upright = warp(seen, image_from_moments, size, fill=self.air)
            body_upright = warp(body, image_from_moments, size, fill=0.0)
        residual, raw = self.pose(seen_upright, body_upright)
        image_from_canonical = compose(image_from_moments, residual)
        canonical_body = warp(body, image_from_canonical, size, fill=0.0)
        coarse_logits, canonical_from_crop = None, None
        if self.coarse is not None:
            # The coarse loss must not pull the image about until it is easy to segment.
            upright = image_from_canonical.detach()
            canonical = warp(seen, upright, size, fill=self.air)
            coarse_logits = self.coarse(canonical)
            canonical_from_crop = self._crop(coarse_logits)
        return Localisation(
            image_from_canonical,
            canonical_from_crop,
            raw,
            canonical_body,
            coarse_logits,
        )

    def _crop(self, coarse_logits: Tensor) -> Tensor:
        foreground = 1 - coarse_logits.float().softmax(1)[:, :1]
        half_side = self.crop_half_side.float()
        room = 1 - half_side
        centre = torch.minimum(torch.maximum(soft_centre(foreground), -room), room)
        return window(half_side.expand(len(centre)), centre)

    def segment(
        self, image: Tensor, localisation: Localisation
    ) -> Tensor | list[Tensor]:
        """Segment slices that have been localised; see ``forward``."""
        size = self.network_input_size
        view = warp(
            image,
            localisation.image_from_input,
            (size, size),
            fill=self.air,
            supersampling=math.ceil(self.matrix_size / size),
        )
        logits = self.unet(view)
        if isinstance(logits, Tensor):
            return self._to_image(logits, localisation)
        return [self._to_image(level, localisation) for level in logits]

    def _to_image(self, logits: Tensor, localisation: Localisation) -> Tensor:
        side = round(self.matrix_size * logits.shape[-1] / self.network_input_size)
        size = (side, side)
        input_from_image = invert(localisation.image_from_input)
        returned = warp(logits, input_from_image, size)
        seen = inside(
            input_from_image, size, border=2 * RIM_PIXELS / self.network_input_size
        )
        return torch.where(seen, returned, self._unseen(returned, localisation))

    def _unseen(self, like: Tensor, localisation: Localisation) -> Tensor:
        background = torch.zeros_like(like)
        background[:, 0] = BACKGROUND_LOGIT
        if localisation.coarse_logits is None:
            return background
        size = tuple(like.shape[-2:])
        canonical_from_image = invert(localisation.image_from_canonical)
        coarse = warp(localisation.coarse_logits, canonical_from_image, size)
        return torch.where(inside(canonical_from_image, size), coarse, background)

    @torch.no_grad()
    def calibrate(self, cases: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Set the template and the crop's size from the training cases.

        Slices are normalised by moments alone. The template is their mean silhouette,
        cut at one half; the crop's half side is the 97.5th percentile, over slices, of
        the largest distance of a foreground pixel from the centre that the crop would
        get (``soft_centre``), plus the margin.

        Args:
            cases: pairs of slices (n, 1, matrix_size, matrix_size) and foreground masks
                of the same shape; every slice holds foreground.
        """
        size = (self.seen_size, self.seen_size)
        bodies, reaches = [], []
        for image, foreground in cases:
            body, image_from_moments = self.normalise(self.thumbnail(image))
            bodies.append(warp(body, image_from_moments, size, fill=0.0).mean(0))
            shares = self.thumbnail(foreground)
            shares = warp(shares, image_from_moments, size, fill=0.0)
            reaches.append(_reach(shares))
        mean = torch.stack(bodies).mean(0, keepdim=True)
        self.template.copy_(mean > 0.5)
        reach = torch.quantile(torch.cat(reaches), 0.975)
        self.crop_half_side.copy_(
            (reach * (1 + self.crop_margin)).clamp(MIN_HALF_SIDE, 1)
        )


def _reach(foreground: Tensor) -> Tensor:
    """Largest distance per slice of foreground (batch, 1, n, n) from its centre."""
    points = pixel_centres(tuple(foreground.shape[-2:]), foreground.device)
    distance = (points - soft_centre(foreground)[:, None]).abs().amax(-1)
    return torch.where(foreground.flatten(1) > 0.05, distance, 0.0).amax(1)
