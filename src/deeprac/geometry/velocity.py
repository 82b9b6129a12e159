"""Diffeomorphisms of the frame as the flow of a stationary velocity field.

A velocity on a coarse grid of control points is made dense by cubic B-splines. Its flow
for a unit of time, ``exp(velocity)``, comes from scaling and squaring (Arsigny et al.,
*A Log-Euclidean framework for statistics on diffeomorphisms*, MICCAI 2006): a 128th of
the velocity moves points by a small step, and a step followed by itself is one twice as
long. ``exp(-velocity)`` is the inverse.

Convention: velocities are (x, y) in normalised units per unit of time, so 2 is the side
of the frame. Unlike pixels, control points span the frame from edge to edge: the i-th
of n lies at ``2 i / (n - 1) - 1``. Where the outer ones are 0 the edge is at rest, and
the frame is mapped onto itself. ``exponential`` returns points that
:func:`deeprac.geometry.warp.sample` takes: where each pixel of the result comes from.
"""

import logging
import math

import torch
from torch import Tensor
from torch.nn import functional

from deeprac.geometry.pixels import Size, homogeneous_centres, made_once
from deeprac.geometry.similarity import in_float32
from deeprac.geometry.warp import sample

CONTROL_POINTS = 16
"""Per axis."""
STEPS = 7
"""Squarings: the first step is 2^-7 of the flow."""
MOST_TRIES = 10
"""Looked at until then: at a 512th of its strength every sound field is smooth."""

_log = logging.getLogger(__name__)


def random_velocities(count: int, *, displacement: float, smoothness: float) -> Tensor:
    """Draw smooth velocities that leave the edge of the frame at rest.

    White noise smoothed by a Gaussian between walls at rest: a sum of waves
    ``sin(pi k x) sin(pi l y)`` with x and y from 0 to 1, whose amplitudes fall off as
    ``exp(-(pi smoothness)^2 (k^2 + l^2) / 2)``. They are uniform and independent, so
    that no field is much stronger than others.

    Args:
        count: number of fields.
        displacement: root mean square of the velocity along each axis, over the frame
            and over fields, as a share of its side.
        smoothness: standard deviation of the Gaussian, as a share of the side.

    Returns:
        (count, 2, 16, 16) float32, drawn from torch's global generator.
    """
    waves = torch.arange(1, CONTROL_POINTS - 1)
    places = torch.arange(CONTROL_POINTS) / (CONTROL_POINTS - 1)
    falloff = torch.exp(-((math.pi * smoothness * waves) ** 2) / 2)
    basis = torch.sin(math.pi * places[:, None] * waves) * falloff
    basis[[0, -1]] = 0.0  # sin(pi k) is not quite 0
    # The mean of sin^2 is a half.
    basis = basis / (falloff.square().sum() / 2).sqrt()
    # Uniform in -1..1 has a variance of 1 / 3; the side of the frame is 2.
    noise = 2 * torch.rand(count, 2, len(waves), len(waves)) - 1
    return 2 * displacement * math.sqrt(3) * (basis @ noise @ basis.T)


@in_float32
def dense(velocity: Tensor, size: Size) -> Tensor:
    """Evaluate velocities at all pixel centres, by cubic B-splines along every axis.

    Control points beyond the frame continue the outer two linearly, so that fields that
    are linear in x and y are met exactly.

    Args:
        velocity: (batch, axes, *control points).
        size: pixels along every axis.

    Returns:
        (batch, axes, *size) float32.
    """
    for axis, side in enumerate(size, start=2):
        weights = _spline(side, velocity.shape[axis], velocity.device)
        velocity = (velocity.movedim(axis, -1) @ weights.T).movedim(-1, axis)
    return velocity


@made_once
def _spline(side: int, points: int, device: torch.device) -> Tensor:
    """Weights (side, points) of control points at the pixel centres of an axis."""
    with torch.inference_mode(False):
        centres = (torch.arange(side, device=device) + 0.5) * ((points - 1) / side)
        nodes = torch.arange(-1, points + 1, device=device)
        away = (centres[:, None] - nodes).abs()
        near = 2 / 3 - away.square() * (1 - away / 2)
        weights = torch.where(away < 1, near, (2 - away).clamp_min(0) ** 3 / 6)
        inner = weights[:, 1:-1].clone()
        for outside, (first, second) in ((0, (0, 1)), (-1, (-1, -2))):
            inner[:, first] += 2 * weights[:, outside]
            inner[:, second] -= weights[:, outside]
        return inner


@in_float32
def exponential(velocity: Tensor, size: Size) -> Tensor:
    """Follow the flow of velocities for a unit of time.

    Args:
        velocity: (batch, 2, control points, control points); its negative gives the
            inverse.
        size: (height, width) in pixels, at which steps are interpolated.

    Returns:
        (batch, 2, *size) points (x, y) that the pixel centres flow to.
    """
    centres = pixel_points(size, velocity.device)
    step = dense(velocity, size) / 2**STEPS
    # Halfway through the first step: its error is of third order, not of second.
    points = centres + _at(centres + step / 2, step)
    for _ in range(STEPS):
        points = followed_by(points, points)
    return points


def inverse_error_px(velocity: Tensor, points: Tensor) -> Tensor:
    """How far from its place a pixel comes to lie by ``exp(v)`` after ``exp(-v)``.

    Args:
        velocity: (batch, 2, control points, control points).
        points: (batch, 2, height, width) of :func:`exponential`.

    Returns:
        (batch,) distance in pixels of height, of the pixel where it is largest.
    """
    size = (points.shape[2], points.shape[3])
    back = exponential(-velocity, size)
    away = followed_by(back, points) - pixel_points(size, points.device)
    return away.norm(dim=1).amax((1, 2)) * size[0] / 2


def pixel_points(size: Size, device: torch.device | str = "cpu") -> Tensor:
    """Return the points (2, *size) of pixels that nothing has moved."""
    centres = homogeneous_centres((size,), torch.device(device))
    return centres[:2].unflatten(1, size)


@in_float32
def followed_by(first: Tensor, then: Tensor) -> Tensor:
    """Return where two maps, one after the other, bring pixels: ``then(first(p))``.

    Args:
        first: (batch, 2, height, width) points.
        then: the same of the other map, which is bilinear between pixel centres and
            goes on linearly for a pixel beyond the outer ones.

    Returns:
        (batch, 2, height, width) points.
    """
    size = (then.shape[2], then.shape[3])
    return first + _at(first, then - pixel_points(size, then.device))


def _at(points: Tensor, field: Tensor) -> Tensor:
    """Value of a field (batch, 2, height, width) at points."""
    # Twice the outer pixel less its inner neighbour, one pixel all around.
    beyond = 2 * functional.pad(field, [1] * 4, mode="replicate")
    field = beyond - functional.pad(field, [1] * 4, mode="reflect")
    height, width = field.shape[2:]
    shrink = points.new_tensor([(width - 2) / width, (height - 2) / height])
    return sample(field, points * shrink[:, None, None])


def determinants(points: Tensor) -> Tensor:
    """By what factor a map enlarges areas, at the corners between four pixel centres.

    Between four pixels the interpolated map is bilinear and its determinant linear in
    x and in y: it is positive everywhere where it is at the four corners.

    Args:
        points: (batch, 2, height, width) of :func:`exponential`.

    Returns:
        (batch, 4, height - 1, width - 1).
    """
    _, _, height, width = points.shape
    across = points.diff(dim=3) * (width / 2)
    down = points.diff(dim=2) * (height / 2)
    corners = [
        x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]
        for x in (across[:, :, :-1], across[:, :, 1:])
        for y in (down[..., :-1], down[..., 1:])
    ]
    return torch.stack(corners, 1)


def folded_share(points: Tensor) -> Tensor:
    """Share (batch,) of the determinants of a map that are not positive."""
    return (determinants(points) <= 0).float().mean((1, 2, 3))


def without_folds(velocity: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Follow velocities, halved as often as it takes until no flow folds, and say so.

    Flows do not fold; interpolated ones do where they press pixels into hardly any
    room.

    Args:
        velocity: (batch, 2, control points, control points).
        size: (height, width) in pixels.

    Returns:
        Points as of :func:`exponential`, and the factor (batch,) that each velocity was
        multiplied by.

    Raises:
        ValueError: a velocity is not finite, or folds however weak.
    """
    factor = torch.ones(len(velocity), device=velocity.device)
    for _ in range(MOST_TRIES):
        points = exponential(velocity * factor[:, None, None, None], size)
        # Of what is not a number no share is folded.
        sound = (folded_share(points) == 0) & points.isfinite().all((1, 2, 3))
        if sound.all():
            return points, factor
        factor = torch.where(sound, factor, factor / 2)
        _log.warning("%d of %d fields fold and are halved", (~sound).sum(), len(sound))
    raise ValueError("a velocity field is not finite, or folds however weak")


def nearest_similarity(points: Tensor) -> Tensor:
    """Return the similarity (batch, 2, 3) that is nearest to maps, by least squares.

    Pixels count by ``(1 - x^2) (1 - y^2)``: most in the middle, where the body is.

    Args:
        points: (batch, 2, height, width) that the pixel centres are mapped to.
    """
    size = (points.shape[2], points.shape[3])
    centres = pixel_points(size, points.device).flatten(1)
    weight = (1 - centres.square()).prod(0)
    weight = weight / weight.sum()
    x, y = centres
    image_x, image_y = points.flatten(2).unbind(1)
    spread = (weight * (x * x + y * y)).sum()
    along = (weight * (x * image_x + y * image_y)).sum(1) / spread
    turned = (weight * (x * image_y - y * image_x)).sum(1) / spread
    shift_x, shift_y = ((weight * image).sum(1) for image in (image_x, image_y))
    rows = [along, -turned, shift_x, turned, along, shift_y]
    return torch.stack(rows, 1).view(-1, 2, 3)
