"""Closed-form normalisation of size, pose and position by image moments."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import functional

from deeprac.fitting import PLANE, SPACE
from deeprac.geometry.pixels import quadratic_centres
from deeprac.geometry.rotation import principal_axes, rotation_vector
from deeprac.geometry.similarity import identity, in_float32, similarity

MIN_MASS = 0.02
"""Share of the square that a body fills at least, of the cube as much along each axis;
less is a piece of one, or noise."""
MIN_ELONGATION = 1.3
"""Ratio of the principal axes' variances from which on the pose counts in full."""


@dataclass(frozen=True)
class Moments:
    """First and second moments of a mass distribution on the normalised square or cube.

    Attributes:
        mass: (batch,) share of the frame that is occupied, 0 to 1.
        centroid: (batch, d) centre of mass (x, y), in space (x, y, z).
        radius: (batch,) root mean square distance per axis, ``sqrt(trace(C) / d)``.
        angle_rad: (batch,) direction of the long axis against x, -pi/2 to pi/2; in
            space (batch, 3) the rotation vector of the principal axes, of which x is
            the longer one of the axial plane, and z the nearest to the patient's axis.
        elongation: (batch,) ratio of the principal variances, at least 1; in space
            (batch, 3) of those in the plane that turns about x, y and z.
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

    A volume is seen slice by slice: at its ends the body goes on.

    Args:
        image: (batch, 1, height, width), normalised CT; or a volume with the depth
            before.
        air: the lowest value of the normalised image, negative.

    Returns:
        float32 of the image's shape.
    """
    if image.ndim == SPACE + 2:
        slices = image.transpose(1, 2)
        filled = silhouette(slices.flatten(0, 1), air)
        return filled.unflatten(0, slices.shape[:2]).transpose(1, 2)
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
        density: (batch, 1, height, width), or with the depth before, non-negative.

    Returns:
        Moments; an empty density yields zero mass, centre 0 and radius 0.
    """
    weight = density.flatten(1)
    shares = weight @ quadratic_centres(tuple(density.shape[2:]), density.device)
    if density.ndim == SPACE + 2:
        return _in_space(*shares.split((1, 9), 1))
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


def _in_space(mass: Tensor, rest: Tensor) -> Moments:
    """Moments from means of 1 and of x, y, z, xx, yy, zz, xy, xz, yz over the cube."""
    centroid, products = (rest / mass.clamp_min(1e-9)).split((3, 6), 1)
    xx, yy, zz, xy, xz, yz = products.unbind(1)
    rows = torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], 1).view(-1, 3, 3)
    covariance = rows - centroid[:, :, None] * centroid[:, None, :]
    axes, variances = principal_axes(covariance)
    # About an axis turn the two others.
    turned = torch.stack([variances.roll(-1, 1), variances.roll(-2, 1)])
    return Moments(
        mass=mass.squeeze(1),
        centroid=centroid,
        radius=variances.mean(1).clamp_min(0).sqrt(),
        angle_rad=rotation_vector(axes),
        elongation=turned.amax(0) / turned.amin(0).clamp_min(1e-6),
    )


def is_body(measured: Moments) -> Tensor:
    """Say which masses are large enough to be a body, (batch,) bool."""
    return measured.mass >= MIN_MASS ** (measured.centroid.shape[1] / PLANE)


def canonicalise(measured: Moments, *, radius: float, max_log_scale: float) -> Tensor:
    """Return the similarity that brings the measured mass to canonical size and pose.

    The mass gets the given radius, its centroid goes to the origin and its long axis
    onto x. Where the mass is nearly round its axis says nothing, so the angle fades
    out below ``MIN_ELONGATION``, in space about each axis; where there is hardly any
    mass (an empty slice) the result is the identity.

    Args:
        measured: moments in the image frame.
        radius: canonical root mean square radius in normalised units.
        max_log_scale: bound of the logarithm of the scale.

    Returns:
        (batch, d, d + 1) ``image_from_canonical``.
    """
    largest = math.exp(max_log_scale)
    log_scale = (measured.radius / radius).clamp(1 / largest, largest).log()
    trust = ((measured.elongation - 1) / (MIN_ELONGATION - 1)).clamp(0, 1)
    found = similarity(log_scale, measured.angle_rad * trust, measured.centroid)
    unmoved = identity(len(found), found.device, dimensions=found.shape[1])
    return torch.where(is_body(measured)[:, None, None], found, unmoved)
