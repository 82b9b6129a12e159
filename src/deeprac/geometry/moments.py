"""Closed-form normalisation of size, pose and position by image moments."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import functional

from deeprac.geometry.pixels import quadratic_centres
from deeprac.geometry.similarity import identity, in_float32, similarity

MIN_MASS = 0.02
"""Share of the frame that a body fills at least; less is a piece of one, or noise."""
MIN_ELONGATION = 1.3
"""Ratio of the principal axes' variances from which on the pose counts in full."""


@dataclass(frozen=True)
class Moments:
    """First and second moments of a mass distribution on the normalised square.

    Attributes:
        mass: (batch,) share of the frame that is occupied, 0 to 1.
        centroid: (batch, 2) centre of mass (x, y).
        radius: (batch,) root mean square distance per axis, ``sqrt(trace(C) / 2)``.
        angle_rad: (batch,) direction of the long axis against x, -pi/2 to pi/2.
        elongation: (batch,) ratio of the principal variances, at least 1.
    """

    mass: Tensor
    centroid: Tensor
    radius: Tensor
    angle_rad: Tensor
    elongation: Tensor


def silhouette(image: Tensor, air: float) -> Tensor:
    """Estimate the filled outline of the body, 0 to 1.

    CT normalisation clips at the foreground's 0.5 percentile, so air, lung and most
    fat share the lowest value ``air`` and kidneys average 0. What lies above a quarter
    of that range is tissue. An opening by reconstruction drops what is thin and apart,
    such as the CT table, and keeps thin walls that touch the rest; then every pixel
    with tissue to its left, right, front and back counts as inside.

    Args:
        image: (batch, 1, height, width), normalised CT.
        air: the lowest value of the normalised image, negative.

    Returns:
        (batch, 1, height, width) float32.
    """
    tissue = ((image.float() - air) / (-0.25 * air)).clamp(0, 1)
    # Slices as channels, side by side in memory: a CPU pools them five times as fast.
    tissue = tissue.transpose(0, 1).contiguous(memory_format=torch.channels_last)
    kernel = 2 * (image.shape[-1] // 32) + 1
    core = -functional.max_pool2d(-tissue, kernel, 1, kernel // 2)
    # Half the perimeter of the frame: no convex wall takes longer to follow both ways.
    for step in range(image.shape[-2] + image.shape[-1]):
        before = core
        core = torch.minimum(functional.max_pool2d(before, 3, 1, 1), tissue)
        if step % 8 == 7 and _has_values(core) and torch.equal(core, before):
            break
    filled = torch.minimum(_between(core, 2), _between(core, 3))
    return filled.transpose(0, 1).contiguous()


def _has_values(tensor: Tensor) -> bool:
    """Whether a tensor can be looked at without waiting for a GPU."""
    return type(tensor) is Tensor and tensor.is_cpu and not is_compiling()


def _between(density: Tensor, axis: int) -> Tensor:
    """Fill what has density on both sides along an axis."""
    forward = density.cummax(axis).values
    backward = density.flip(axis).cummax(axis).values.flip(axis)
    return torch.minimum(forward, backward)


@in_float32
def moments(density: Tensor) -> Moments:
    """Measure the moments of non-negative densities.

    Args:
        density: (batch, 1, height, width), non-negative.

    Returns:
        Moments; an empty density yields zero mass, centre 0 and radius 0.
    """
    weight = density.flatten(1)
    shares = weight @ quadratic_centres(density.shape[-2:], density.device)
    mass, rest = shares.split((1, 5), 1)
    centroid, squares, product = (rest / mass.clamp_min(1e-9)).split((2, 2, 1), 1)
    variances = squares - centroid.square()
    covariance = product - centroid.prod(1, keepdim=True)
    half = variances.diff(dim=1).neg() / 2
    middle = variances.mean(1, keepdim=True)
    spread = torch.hypot(half, covariance)
    return Moments(
        mass=mass.squeeze(1),
        centroid=centroid,
        radius=middle.squeeze(1).clamp_min(0).sqrt(),
        angle_rad=0.5 * torch.atan2(covariance, half).squeeze(1),
        elongation=((middle + spread) / (middle - spread).clamp_min(1e-6)).squeeze(1),
    )


def is_body(measured: Moments) -> Tensor:
    """Say which masses are large enough to be a body, (batch,) bool."""
    return measured.mass >= MIN_MASS


def canonicalise(measured: Moments, *, radius: float, max_log_scale: float) -> Tensor:
    """Return the similarity that brings the measured mass to canonical size and pose.

    The mass gets the given radius, its centroid goes to the origin and its long axis
    onto x. Where the mass is nearly round its axis says nothing, so the angle fades
    out below ``MIN_ELONGATION``; where there is hardly any mass (an empty slice) the
    result is the identity.

    Args:
        measured: moments in the image frame.
        radius: canonical root mean square radius in normalised units.
        max_log_scale: bound of the logarithm of the scale.

    Returns:
        (batch, 2, 3) ``image_from_canonical``.
    """
    largest = math.exp(max_log_scale)
    log_scale = (measured.radius / radius).clamp(1 / largest, largest).log()
    trust = ((measured.elongation - 1) / (MIN_ELONGATION - 1)).clamp(0, 1)
    found = similarity(log_scale, measured.angle_rad * trust, measured.centroid)
    unmoved = identity(len(found), found.device)
    return torch.where(is_body(measured)[:, None, None], found, unmoved)
