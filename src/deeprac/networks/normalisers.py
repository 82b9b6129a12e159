"""What brings slices to one size, pose and position; one class per kind.

Each maps thumbnails, (batch, 1, size, size) normalised CT, to a ``Pose``; only one that
is told the transform looks at the supervision. A normaliser sees one slice at a time;
what the slices of a case agree on is for ``STNUNet.locate``. Those of
``SPATIAL_NORMALISERS`` work on volumes, (batch, 1, size, size, size), as well.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deeprac.fitting import PLANE
from deeprac.geometry.moments import canonicalise, is_body, moments, silhouette
from deeprac.geometry.similarity import (
    compose,
    identity,
    of_rows,
    parameters,
    similarity,
)
from deeprac.geometry.warp import sample, sampling_points
from deeprac.networks.front_end import Pose, Supervision
from deeprac.networks.localiser import PoseLocaliser, shrinking

MOMENT_SIZE = 32
"""Side in pixels at which the silhouette is measured.

Its moments are as good as at 128 (docs/method.md), and following the silhouette costs
the cube of the side.
"""

POSE_JITTER = (0.035, math.radians(2), 0.035, 0.035)
"""Standard deviations of the logarithm of the scale, of the angle in radians and of x
and y in half widths: errors such as localisers make on held-out cases."""

SHAM_SPREAD = (0.12, math.radians(8), 0.06, 0.06)
"""Standard deviations as of ``POSE_JITTER``, as large as what phantoms differ by."""


class NoNormaliser(nn.Module):
    """Leave slices as they are."""

    def forward(
        self, thumbnails: Tensor, supervision: Supervision | None = None
    ) -> Pose:
        """Return the identity for (batch, 1, *size)."""
        dimensions = thumbnails.ndim - 2
        unmoved = identity(len(thumbnails), thumbnails.device, dimensions=dimensions)
        return _certain(unmoved)


class MomentNormaliser(nn.Module):
    """Size, pose and position by the moments of the body's silhouette; not learned.

    Args:
        settings: the configuration's ``localiser`` section.
        air: value of air in the normalised slices.
        dimensions: 2, or 3 for volumes.
    """

    def __init__(
        self, settings: dict[str, Any], *, air: float, dimensions: int = PLANE
    ) -> None:
        super().__init__()
        self.air = air
        self.shrink = shrinking(MOMENT_SIZE, dimensions)
        self.radius = settings["canonical_radius"]
        self.max_log_scale = 2 * settings["max_log_scale"]

    def forward(
        self, thumbnails: Tensor, supervision: Supervision | None = None
    ) -> Pose:
        """Estimate size, pose and position of each slice."""
        return self.measure(thumbnails)[0]

    @torch.no_grad()
    def measure(self, thumbnails: Tensor) -> tuple[Pose, Tensor]:
        """Return the estimate and the silhouette, ``MOMENT_SIZE`` along each axis.

        A silhouette that is not a body gives the identity, which is not valid.

        Args:
            thumbnails: (batch, 1, *size) normalised CT.
        """
        body = silhouette(self.shrink(thumbnails.float()), self.air)
        measured = moments(body)
        transform = canonicalise(
            measured, radius=self.radius, max_log_scale=self.max_log_scale
        )
        return Pose(transform, is_body(measured)), body


class JitteredMoments(MomentNormaliser):
    """The moments' estimate, in training a little wrong, as a localiser's is.

    Tells whether what a learned normaliser gains is that its U-Net sees the slices in
    many poses.
    """

    def forward(
        self, thumbnails: Tensor, supervision: Supervision | None = None
    ) -> Pose:
        """Estimate size, pose and position; in training with a random error."""
        pose = super().forward(thumbnails)
        if not self.training:
            return pose
        error = torch.randn(len(thumbnails), 4, device=thumbnails.device)
        jitter = of_rows(error * error.new_tensor(POSE_JITTER))
        jittered = compose(pose.image_from_canonical, jitter)
        valid = pose.valid[:, None, None]
        transform = torch.where(valid, jittered, pose.image_from_canonical)
        return replace(pose, image_from_canonical=transform)


class PartOfMoments(MomentNormaliser):
    """Size alone, angle alone or position alone, by the moments.

    Tells which of them a normaliser's gain comes from. What is not taken stays as in
    the slice; size and angle change about its centre.

    Args:
        settings: the configuration's ``localiser`` section.
        part: ``size``, ``angle`` or ``position``.
        **kind: as of the moments.
    """

    def __init__(self, settings: dict[str, Any], *, part: str, **kind: Any) -> None:
        super().__init__(settings, **kind)
        self.part = part

    def forward(
        self, thumbnails: Tensor, supervision: Supervision | None = None
    ) -> Pose:
        """Estimate one part of the transform of each slice."""
        pose = super().forward(thumbnails)
        log_scale, angle_rad, shift = parameters(pose.image_from_canonical)
        part = similarity(
            log_scale * (self.part == "size"),
            angle_rad * (self.part == "angle"),
            shift * (self.part == "position"),
        )
        return replace(pose, image_from_canonical=part)


class Sham(nn.Module):
    """A random size, pose and position, which know nothing of the slice.

    A placebo: it resamples and moves slices as a normaliser does, each in training, all
    of a case alike at inference, where the same slices are always moved alike.
    """

    def forward(
        self, thumbnails: Tensor, supervision: Supervision | None = None
    ) -> Pose:
        """Draw a transform; in training one for each slice."""
        count, device = len(thumbnails), thumbnails.device
        if self.training:
            drawn = torch.randn(count, 4, device=device)
        else:
            # A thousandth of a unit is well above the rounding of any processor.
            seed = round(1000 * float(thumbnails.double().mean()))
            one = torch.randn(1, 4, generator=torch.Generator().manual_seed(seed))
            drawn = one.expand(count, 4).to(device)
        return _certain(of_rows(drawn * drawn.new_tensor(SHAM_SPREAD)))


class LearnedNormaliser(nn.Module):
    """A learned, bounded correction of the moments' estimate.

    The localiser sees the slice as the moments would normalise it, so it has only the
    rest to find. Its last layer starts at zero: at first this is ``MomentNormaliser``.

    Args:
        settings: the configuration's ``localiser`` section.
        air: value of air in the normalised slices.
        dimensions: 2, or 3 for volumes.
    """

    def __init__(
        self, settings: dict[str, Any], *, air: float, dimensions: int = PLANE
    ) -> None:
        super().__init__()
        self.air = air
        self.moments = MomentNormaliser(settings, air=air, dimensions=dimensions)
        self.localiser = PoseLocaliser(
            settings["base_features"],
            dimensions=dimensions,
            max_log_scale=settings["max_log_scale"],
            max_angle_rad=math.radians(settings["max_angle_deg"]),
            max_shift=settings["max_shift"],
        )

    def forward(
        self, thumbnails: Tensor, supervision: Supervision | None = None
    ) -> Pose:
        """Estimate size, pose and position of each slice."""
        estimate, body = self.moments.measure(thumbnails)
        transform, valid = estimate.image_from_canonical, estimate.valid
        size = tuple(thumbnails.shape[2:])
        points = sampling_points(transform, size).unflatten(2, size)
        upright = sample(thumbnails, points, fill=self.air)
        residual, raw = self.localiser(upright, sample(body, points, fill=0.0))
        # Without a body there is nothing to correct: the identity stays.
        found = compose(transform, residual)
        return Pose(torch.where(valid[:, None, None], found, transform), valid, raw)


class ToldNormaliser(nn.Module):
    """Told the transform: of a phantom the true one, or the case's pose."""

    def forward(
        self, thumbnails: Tensor, supervision: Supervision | None = None
    ) -> Pose:
        """Return the supervision's transform.

        Raises:
            ValueError: there is no supervision.
        """
        if supervision is None:
            raise ValueError("what is told the transform has to be given it")
        return _certain(supervision.image_from_canonical)


NORMALISERS: dict[str, Callable[..., nn.Module]] = {
    "none": lambda settings, **_: NoNormaliser(),
    "moments": MomentNormaliser,
    "moments_jitter": JitteredMoments,
    "moments_size": partial(PartOfMoments, part="size"),
    "moments_angle": partial(PartOfMoments, part="angle"),
    "moments_position": partial(PartOfMoments, part="position"),
    "sham": lambda settings, **_: Sham(),
    "stn": LearnedNormaliser,
    "oracle": lambda settings, **_: ToldNormaliser(),
    "case_pose": lambda settings, **_: ToldNormaliser(),
}
"""Made as ``MomentNormaliser`` is."""


def _certain(transform: Tensor) -> Pose:
    """Return transforms (batch, d, d + 1) that are valid whatever the slices show."""
    return Pose(transform, transform.new_ones(len(transform)).bool())
