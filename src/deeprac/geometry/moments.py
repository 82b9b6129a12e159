"""Closed-form normalisation of size, pose and position by image moments."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from deeprac.geometry.similarity import similarity
from deeprac.geometry.warp import pixel_centres

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
    kernel = 2 * (image.shape[-1] // 32) + 1
    core = -functional.max_pool2d(-tissue, kernel, 1, kernel // 2)
    # Half the perimeter of the frame: no convex wall takes longer to follow both ways.
    for _ in range(image.shape[-2] + image.shape[-1]):
        core = torch.minimum(functional.max_pool2d(core, 3, 1, 1), tissue)
    filled = torch.ones_like(core)
    for axis in (2, 3):
        forward = core.cummax(axis).values
        backward = core.flip(axis).cummax(axis).values.flip(axis)
        filled = torch.minimum(filled, torch.minimum(forward, backward))
    return filled


def moments(density: Tensor) -> Moments:
    """Measure the moments of non-negative densities.

    Args:
        density: (batch, 1, height, width), non-negative.

    Returns:
        Moments; an empty density yields zero mass, centre 0 and radius 0.
    """
    weight = density.float().flatten(1)
    x, y = pixel_centres(density.shape[-2:], density.device)[0].unbind(-1)
    total = weight.sum(1)
    divisor = total.clamp_min(1e-6)
    mean_x, mean_y = (weight * x).sum(1) / divisor, (weight * y).sum(1) / divisor
    dx, dy = x - mean_x[:, None], y - mean_y[:, None]
    xx = (weight * dx * dx).sum(1) / divisor
    yy = (weight * dy * dy).sum(1) / divisor
    xy = (weight * dx * dy).sum(1) / divisor
    spread = torch.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    middle = (xx + yy) / 2
    return Moments(
        mass=total / weight.shape[1],
        centroid=torch.stack([mean_x, mean_y], -1),
        radius=middle.sqrt(),
        angle_rad=0.5 * torch.atan2(2 * xy, xx - yy),
        elongation=(middle + spread) / (middle - spread).clamp_min(1e-6),
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
    valid = is_body(measured)
    log_scale = (measured.radius.clamp_min(1e-6) / radius).log()
    log_scale = log_scale.clamp(-max_log_scale, max_log_scale)
    trust = ((measured.elongation - 1) / (MIN_ELONGATION - 1)).clamp(0, 1)
    return similarity(
        torch.where(valid, log_scale, 0.0),
        torch.where(valid, measured.angle_rad * trust, 0.0),
        torch.where(valid[:, None], measured.centroid, 0.0),
    )
