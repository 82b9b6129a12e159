"""nnU-Net's U-Net behind a front end that normalises size, pose and crop."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from deeprac.fitting import PLANE, SPACE
from deeprac.geometry.pixels import Size
from deeprac.geometry.similarity import (
    agree,
    compose,
    invert,
    of_rows,
    transform_points,
)
from deeprac.geometry.warp import inside, per_size, sample, sampling_points, warp
from deeprac.networks.clutter import cluttered
from deeprac.networks.crops import CHUNK, CROPS, STNCrop
from deeprac.networks.front_end import Located, Output, Pose, Supervision, Trace
from deeprac.networks.localiser import shrinking
from deeprac.networks.locating_unet import LocatingUNet
from deeprac.networks.normalisers import NORMALISERS, LearnedNormaliser, NoNormaliser
from deeprac.networks.truncation import truncated

BACKGROUND_LOGIT = 10.0
"""Logit of the background where the network saw nothing: certain, finite in half."""
RIM_PIXELS = 2
"""Pixels at the input's edge whose logits are not used (padding reaches them)."""
BOUND = 0.99
"""Share of a learned bound from which a slice counts as being at it."""
WARP_BOUNDS = {
    PLANE: (math.log(2), math.pi / 4, 0.4, 0.4),
    SPACE: (math.log(2), math.pi / 12, math.pi / 12, math.pi / 4, 0.4, 0.4, 0.4),
}
"""Of the random similarities of training, by dimension: log scale, angles, shift. A
shift of 0.4 half widths is a fifth of the slice; patients roll, and hardly tilt."""


class STNUNet(LocatingUNet):
    """Localise, warp once, segment, and return logits in the frame of the slice.

    A normaliser (``normalisers``) finds size, pose and position, a crop (``crops``) the
    region of interest in the canonical frame. Both are composed, so the slice is
    sampled exactly once. The U-Net's logits return through the closed-form inverse, at
    every level of deep supervision; pixels that the U-Net did not see are answered by
    the crop's coarse segmentation, or as background.

    Args:
        input_channels: 1, the CT.
        num_classes: background included.
        air: value of air in the normalised slices.
        normaliser: a key of ``NORMALISERS``.
        crop: a key of ``CROPS``.
        localiser: keyword arguments as in the configuration's ``localiser``.
        **unet: keyword arguments of LocatingUNet.
    """

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        air: float,
        normaliser: str,
        crop: str,
        localiser: dict[str, Any],
        **unet: Any,
    ) -> None:
        super().__init__(input_channels, num_classes, **unet)
        self.air = air
        self.segmentation_gradient = localiser["segmentation_gradient"]
        self.warp_share = localiser["warp_share"]
        # Plans from before it existed do not name it.
        self.clutter_share = localiser.get("clutter_share", 0.0)
        self.truncation_share = localiser.get("truncation_share", 0.0)
        self.dimensions = len(self.matrix_size)
        self.seen_size = min(localiser["input_size"], *self.matrix_size)
        self.view_size = (self.seen_size,) * self.dimensions
        self.shrink = shrinking(self.seen_size, self.dimensions)
        self.normaliser = NORMALISERS[normaliser](
            localiser, air=air, dimensions=self.dimensions
        )
        # Voxels of volumes are no cubes: the input in units of their shortest side.
        finest = max(self.matrix_size)
        sides = zip(self.input_size, self.matrix_size, strict=True)
        self.crop = CROPS[crop](
            localiser,
            num_classes=num_classes,
            size=self.seen_size,
            extent=[side * finest / whole for side, whole in sides],
        )
        rim = 2 * RIM_PIXELS / torch.tensor(self.input_size[::-1])[:, None]
        self.seen: Tensor
        self.register_buffer("seen", 1 - rim, persistent=False)
        high = self.warp_share * torch.tensor([WARP_BOUNDS[self.dimensions]])
        self.warp_bounds: Tensor
        self.register_buffer("warp_bounds", torch.stack([-high, high]), False)
        unseen = torch.zeros(1, num_classes, *[1] * self.dimensions)
        unseen[:, 0] = BACKGROUND_LOGIT
        self.unseen_logits: Tensor
        self.register_buffer("unseen_logits", unseen, persistent=False)

    @property
    def warps_copies(self) -> bool:
        """Whether training also localises randomly warped copies of the slices."""
        learned = isinstance(self.normaliser, LearnedNormaliser)
        return learned and self.warp_share > 0

    def pose_parameters(self) -> list[nn.Parameter]:
        """What finds size and pose and has a learning rate of its own."""
        return list(self.normaliser.parameters())

    def forward(
        self, image: Tensor, supervision: Supervision | None = None
    ) -> Output | Tensor | list[Tensor]:
        """Segment slices, each on its own.

        Args:
            image: (batch, 1, *matrix_size), normalised CT.
            supervision: what is known of the slices.

        Returns:
            Logits as ``segment`` returns them; with supervision an ``Output``.
        """
        image, thumbnails, finite = self._look(image)
        taught = self.training and supervision is not None
        if taught and self.warps_copies:
            pose, warped, warped_valid = self._normalise_with_copies(
                thumbnails, image, finite
            )
        else:
            pose = self.normaliser(thumbnails, supervision)
            pose = replace(pose, valid=pose.valid & finite)
            warped = warped_valid = None
        located = self._locate(pose, thumbnails, supervision, together=False)
        logits = self.segment(image, located.damped(self.segmentation_gradient))
        if supervision is None:
            return logits
        trace = Trace(supervision, located, pose.raw, warped, warped_valid)
        return Output(logits, trace if taught else None)

    @torch.no_grad()
    def locate(
        self, slices: Tensor, oracle_input: Supervision | None = None
    ) -> Located:
        """Find where to look in all slices of one case.

        They share one transform, on which the slices that show a body agree (see
        ``geometry.similarity.agree``), and one window. A volume stands alone.

        Args:
            slices: (n, 1, *matrix_size), on any device.
            oracle_input: what an oracle knows, (n, ...), on any device.
        """
        device = self.unseen_logits.device
        known = oracle_input and oracle_input.to(device)
        parts, poses = [], []
        for start in range(0, len(slices), CHUNK):
            part = slice(start, start + CHUNK)
            _, thumbnails, finite = self._look(slices[part].to(device))
            pose = self.normaliser(thumbnails, known and known[part])
            poses.append(replace(pose, valid=pose.valid & finite))
            parts.append(thumbnails)
        pose = Pose.joined(poses)
        shared = pose
        if self.dimensions == PLANE:
            common = agree(pose.image_from_canonical, pose.valid)
            common = common.expand_as(pose.image_from_canonical)
            shared = replace(pose, image_from_canonical=common)
        located = self._locate(shared, torch.cat(parts), known, together=True)
        at_bound = torch.zeros_like(pose.valid)
        if pose.raw is not None:
            at_bound = (pose.raw.tanh().abs() >= BOUND).any(1) & pose.valid
        return replace(
            located, image_from_single=pose.image_from_canonical, at_bound=at_bound
        )

    def _look(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return slices without NaN, their thumbnails, and which were finite."""
        # False for NaN too.
        finite = image.abs().amax(tuple(range(1, image.ndim))) < math.inf
        image = self._clean(image)
        return image, self.shrink(image), finite

    def _clean(self, image: Tensor) -> Tensor:
        """Put air in the place of values that are not finite."""
        return image.float().nan_to_num(self.air, self.air, self.air)

    def _locate(
        self,
        pose: Pose,
        thumbnails: Tensor,
        supervision: Supervision | None,
        *,
        together: bool,
    ) -> Located:
        # Losses of the crop must not pull the image about until it is easy to crop.
        upright = pose.image_from_canonical.detach()
        view = outline = None
        if self.crop.looks:
            view = warp(thumbnails, upright, self.view_size, fill=self.air)
        if self.crop.asks and supervision is not None:
            outline = transform_points(invert(upright), supervision.outline)
        found = self.crop(view, outline, together=together)
        return Located(
            image_from_canonical=pose.image_from_canonical,
            canonical_from_crop=found.canonical_from_crop,
            image_from_single=pose.image_from_canonical,
            fallback=~pose.valid,
            crop_grown=found.grown,
            crop_fallback=found.fallback,
            coarse_logits=found.coarse_logits,
        )

    def _normalise_with_copies(
        self, thumbnails: Tensor, image: Tensor, finite: Tensor
    ) -> tuple[Pose, Tensor, Tensor]:
        """Localise each slice and a randomly turned, zoomed and shifted copy of it.

        A share of the copies shows arms or a cushion beside the body; of volumes it
        shows a shorter field of view.

        Returns:
            The pose of the slices; what was found on the copies (batch, d, d + 1),
            brought back to the slice's frame, and where it is valid (batch,).
        """
        low, high = self.warp_bounds.unbind()
        drawn = torch.rand(len(image), low.shape[1], device=image.device)
        image_from_warped = of_rows(torch.lerp(low, high, drawn))
        copies = self._sample(image, image_from_warped, self.view_size)
        if self.dimensions == SPACE:
            copies = truncated(copies, self.truncation_share, self.air)
        elif self.clutter_share > 0:
            copies = cluttered(copies, self.clutter_share, self.air)
        # In one pass: a normaliser sees every thumbnail on its own.
        both = self.normaliser(torch.cat([thumbnails, copies]))
        valid = (both.valid.view(2, -1) & finite).flatten()
        pose, copied = replace(both, valid=valid).halves()
        warped = compose(image_from_warped, copied.image_from_canonical)
        return pose, warped, copied.valid

    def _sample(self, image: Tensor, image_from_out: Tensor, size: Size) -> Tensor:
        """Sample slices without NaN on pixels of a size, as finely as needed."""
        return warp(
            image,
            image_from_out,
            size,
            fill=self.air,
            supersampling=math.ceil(max(self.matrix_size) / max(size)),
        )

    def view(self, slices: Tensor, located: Located) -> Tensor:
        """Sample the slice once, through size, pose and crop together."""
        clean = self._clean(slices)
        return self._sample(clean, located.image_from_input, self.input_size)

    def way_back(self, located: Located) -> Callable[[list[Tensor]], list[Tensor]]:
        """Undo size, pose and crop; the coarse segmentation answers beyond the view."""
        input_from_image = invert(located.image_from_input)
        coarse, canonical = located.coarse_logits, located.image_from_canonical
        canonical_from_image = canonical if coarse is None else invert(canonical)

        def bring_back(levels: list[Tensor]) -> list[Tensor]:
            sizes = [self.returned_size(level) for level in levels]
            unseen = [self.unseen_logits] * len(sizes)
            if coarse is not None:
                points = sampling_points(canonical_from_image, *sizes)
                covered = per_size(inside(points), sizes)
                unseen = [
                    torch.where(known, sample(coarse, at), self.unseen_logits)
                    for known, at in zip(covered, per_size(points, sizes), strict=True)
                ]
            points = sampling_points(input_from_image, *sizes)
            seen = per_size(inside(points, self.seen), sizes)
            parts = zip(levels, per_size(points, sizes), seen, unseen, strict=True)
            return [
                torch.where(known, sample(level, at), beyond)
                for level, at, known, beyond in parts
            ]

        return bring_back

    def calibrate(self, supervision: Supervision) -> None:
        """Set the size of a learned crop from the training patients.

        Args:
            supervision: one entry per patient.
        """
        if not isinstance(self.crop, STNCrop):
            return
        outlines = supervision.outline
        if not isinstance(self.normaliser, NoNormaliser):
            outlines = transform_points(
                invert(supervision.image_from_canonical), outlines
            )
        self.crop.calibrate(outlines)
