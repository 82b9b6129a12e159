"""Similarity transforms as (batch, d, d + 1) matrices, of the plane or of space.

All is computed in float32, whatever precision is ambient. On a GPU each operation costs
more to start than to compute, so few operations are better than small ones.
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.nn import functional

from deeprac.fitting import PLANE, SPACE
from deeprac.geometry.rotation import (
    inverse_of,
    nearest_rotation,
    rotation,
    rotation_vector,
)

Function = TypeVar("Function", bound=Callable[..., Any])

DEGREES_OF_FREEDOM = {PLANE: 4, SPACE: 7}
"""Of a similarity, by dimension."""


def in_float32(function: Function) -> Function:
    """Let a function of tensors compute its matrix products in float32.

    Autocast would run them in half precision, which places pixels half a pixel off.
    """

    @wraps(function)
    def computed(first: Tensor, *args: Any, **kwargs: Any) -> Any:
        with torch.autocast(first.device.type, enabled=False):
            return function(first.float(), *args, **kwargs)

    return cast(Function, computed)


def similarity(log_scale: Tensor, angle_rad: Tensor, shift: Tensor) -> Tensor:
    """Build a similarity from its parameters: four in the plane, seven in space.

    Convention: ``p_a = exp(log_scale) R(angle) p_b + shift`` with
    ``R = [[cos, -sin], [sin, cos]]``; since y points down, a positive angle turns x
    towards y, clockwise on the screen. In space the angle is a rotation vector
    (:mod:`deeprac.geometry.rotation`), whose z turns x towards y as well.

    Args:
        log_scale: (batch,) natural logarithm of the scale; its determinant is positive
            for every value.
        angle_rad: (batch,) rotation in radians, in space (batch, 3).
        shift: (batch, d) translation (x, y) or (x, y, z) in normalised units.

    Returns:
        (batch, d, d + 1) float32 matrices ``a_from_b``.
    """
    scale, angle_rad, shift = log_scale.float().exp(), angle_rad.float(), shift.float()
    if shift.shape[-1] == SPACE:
        linear = scale[:, None, None] * rotation(angle_rad)
        return torch.cat([linear, shift[:, :, None]], 2)
    cos, sin = scale * angle_rad.cos(), scale * angle_rad.sin()
    x, y = shift.unbind(-1)
    return torch.stack([cos, -sin, x, sin, cos, y], -1).view(-1, 2, 3)


def of_rows(rows: Tensor) -> Tensor:
    """Build similarities from rows of ``parameter_rows``.

    Args:
        rows: (batch, 4) log scale, angle, x and y, or (batch, 7) log scale, rotation
            vector, x, y and z.

    Returns:
        (batch, d, d + 1) float32.
    """
    in_space = rows.shape[1] == DEGREES_OF_FREEDOM[SPACE]
    log_scale, angle_rad, shift = rows.split((1, 3, 3) if in_space else (1, 1, 2), 1)
    return similarity(log_scale.squeeze(1), angle_rad.squeeze(1), shift)


def window(half_sides: Tensor, centre: Tensor) -> Tensor:
    """Build an axis-aligned window; it is no similarity unless it is a square.

    Args:
        half_sides: (batch, d) half width and half height, in space half depth too, in
            normalised units; 1 is the whole frame.
        centre: (batch, d) centre (x, y) or (x, y, z) of the window.

    Returns:
        (batch, d, d + 1) float32 matrices ``frame_from_window``.
    """
    columns = [half_sides.float().diag_embed(), centre.float()[:, :, None]]
    return torch.cat(columns, 2)


def identity(
    batch: int, device: torch.device | str = "cpu", *, dimensions: int = PLANE
) -> Tensor:
    """Return (batch, d, d + 1) identity transforms."""
    shape = (dimensions, dimensions + 1)
    return torch.eye(*shape, device=device).expand(batch, *shape)


@in_float32
def compose(a_from_b: Tensor, b_from_c: Tensor) -> Tensor:
    """Return ``a_from_c``, the transform that first applies ``b_from_c``.

    Args:
        a_from_b: (batch, d, d + 1).
        b_from_c: (batch, d, d + 1).

    Returns:
        (batch, d, d + 1) float32.
    """
    shift = functional.pad(a_from_b[:, :, -1:], (a_from_b.shape[1], 0))
    return a_from_b[:, :, :-1] @ b_from_c.float() + shift


@in_float32
def invert(a_from_b: Tensor) -> Tensor:
    """Return ``b_from_a`` in closed form.

    The inverse of ``[A | t]`` is ``[A^-1 | -A^-1 t]`` with
    ``A^-1 = adj(A) / det(A)``; for a similarity ``A = s R`` this is ``R^T / s``.
    Bounded scales keep the determinant away from zero, so nothing can fail here.

    Args:
        a_from_b: (batch, d, d + 1) with non-zero determinant.

    Returns:
        (batch, d, d + 1) float32.
    """
    return cast(Tensor, _Invert.apply(a_from_b))


class _Invert(torch.autograd.Function):
    """Inverse with its derivative in closed form, a fifth of autograd's operations."""

    @staticmethod
    def forward(a_from_b: Tensor) -> Tensor:
        if a_from_b.shape[1] == SPACE:
            linear = inverse_of(a_from_b[:, :, :-1])
        else:
            a, b, _, c, d, _ = a_from_b.flatten(1).unbind(1)
            adjugate = torch.stack([d, -b, -c, a], 1)
            linear = (adjugate / (a * d - b * c)[:, None]).view(-1, 2, 2)
        return torch.cat([linear, -(linear @ a_from_b[:, :, -1:])], 2)

    @staticmethod
    def setup_context(context: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        context.save_for_backward(output)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        # With the inverse [R | u], dR = -R dA R and du = -R dA u - R dt.
        (inverse,) = context.saved_tensors
        inner = torch.cat([gradient @ inverse.mT, gradient[:, :, -1:]], 2)
        return -(inverse[:, :, :-1].mT @ inner)


@in_float32
def transform_points(a_from_b: Tensor, points: Tensor) -> Tensor:
    """Map points of frame b to frame a.

    Args:
        a_from_b: (batch, d, d + 1).
        points: (batch, n, d) or (1, n, d) points (x, y) or (x, y, z).

    Returns:
        (batch, n, d) float32.
    """
    return points.float() @ a_from_b[:, :, :-1].mT + a_from_b[:, None, :, -1]


def parameters(a_from_b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logarithm of the scale, angle and shift; the inverse of ``similarity``.

    For a matrix that is no similarity, scale is the root of the absolute determinant
    and the angle that of the nearest rotation.

    Args:
        a_from_b: (batch, d, d + 1) with non-zero determinant.

    Returns:
        (batch,) log scale; (batch,) radians in -pi..pi, or (batch, 3) rotation vector
        shorter than pi; (batch, d) shift.
    """
    if a_from_b.shape[1] == SPACE:
        linear, shift = a_from_b.float().split((SPACE, 1), 2)
        log_scale = torch.linalg.det(linear).abs().log() / SPACE
        return log_scale, rotation_vector(nearest_rotation(linear)), shift.squeeze(2)
    a, b, x, c, d, y = a_from_b.float().flatten(1).unbind(1)
    log_scale = 0.5 * (a * d - b * c).abs().log()
    return log_scale, torch.atan2(c - b, a + d), torch.stack([x, y], 1)


def parameter_rows(a_from_b: Tensor) -> Tensor:
    """Return the parameters of similarities alone, in a third of the operations.

    ``s R(angle)`` multiplies the plane of complex numbers by ``z = s exp(i angle)``,
    whose logarithm is both parameters.

    Args:
        a_from_b: (batch, 2, 3) similarities, or (batch, 3, 4).

    Returns:
        (batch, 4) log scale, angle in radians in -pi..pi, x, y; in space (batch, 7) log
        scale, rotation vector, x, y, z.
    """
    if a_from_b.shape[1] == SPACE:
        linear, shift = a_from_b.float().split((SPACE, 1), 2)
        # A row of a similarity is as long as its scale.
        scale = linear.norm(dim=2).mean(1, keepdim=True)
        vector = rotation_vector(linear / scale[:, :, None])
        return torch.cat([scale.log(), vector, shift.squeeze(2)], 1)
    a, b, x, c, d, y = a_from_b.float().flatten(1).unbind(1)
    logarithm = torch.view_as_real(torch.complex((a + d) / 2, (c - b) / 2).log())
    return torch.cat([logarithm, torch.stack([x, y], 1)], 1)


def upright(a_from_b: Tensor) -> Tensor:
    """Return the similarity that keeps centre, scale and the direction of y.

    A mirrored patient has no similarity to the canonical frame; what can be kept is
    where posterior points (in space superior as well), and left and right stay
    mirrored. What is no similarity, as nnU-Net's rotation of voxels that are no cubes,
    becomes the nearest one.

    Args:
        a_from_b: (batch, d, d + 1), a similarity or a reflected one.

    Returns:
        (batch, d, d + 1) with positive determinant; the argument itself, up to
        rounding, where it is a similarity.
    """
    if a_from_b.shape[1] == SPACE:
        linear, shift = a_from_b.float().split((SPACE, 1), 2)
        determinant = torch.linalg.det(linear)
        unmirrored = linear.clone()
        unmirrored[:, :, 0] *= determinant.sign()[:, None]
        scale = determinant.abs() ** (1 / SPACE)
        turned = scale[:, None, None] * nearest_rotation(unmirrored)
        return torch.cat([turned, shift], 2)
    log_scale, _, shift = parameters(a_from_b)
    down = a_from_b[:, :, 1].float()
    return similarity(log_scale, torch.atan2(-down[:, 0], down[:, 1]), shift)


def angle_difference(first: Tensor, second: Tensor, *, period: float) -> Tensor:
    """Return ``first - second`` wrapped to half a period around 0, in radians."""
    return wrapped(first - second, period=period)


def wrapped(angle_rad: Tensor, *, period: float) -> Tensor:
    """Return angles wrapped to half a period around 0, in radians."""
    return torch.remainder(angle_rad + period / 2, period) - period / 2


def agree(a_from_b: Tensor, weight: Tensor) -> Tensor:
    """Return the one similarity that most of a case's slices vote for.

    The component-wise weighted median of log scale, angle and shift, which slices that
    show no body, or half of one, do not move. Angles are taken modulo half a turn
    around their circular mean, since the axis of a silhouette has no direction.

    Args:
        a_from_b: (slices, 2, 3).
        weight: (slices,) non-negative votes; without any, all count alike.

    Returns:
        (1, 2, 3).
    """
    weight = weight.float()
    weight = torch.where(weight.sum() > 0, weight, torch.ones_like(weight))
    log_scale, angle, shift = parameters(a_from_b)
    anchor = torch.atan2(
        (weight * (2 * angle).sin()).sum(), (weight * (2 * angle).cos()).sum()
    )
    anchor = anchor / 2
    angle = anchor + angle_difference(angle, anchor, period=math.pi)
    columns = torch.stack([log_scale, angle, *shift.unbind(-1)])
    middle = _weighted_median(columns, weight)
    # The mean may lie beyond: the median is what has to lie in -90..90 degrees.
    turned = wrapped(middle[1], period=math.pi)
    return similarity(middle[:1], turned[None], middle[None, 2:])


def _weighted_median(rows: Tensor, weight: Tensor) -> Tensor:
    """Smallest value of each row that at least half of the weight does not exceed."""
    values, order = rows.sort(dim=1)
    share = weight[order].cumsum(1) / weight.sum()
    first = (share < 0.5).sum(1, keepdim=True).clamp_max(rows.shape[1] - 1)
    return values.gather(1, first)[:, 0]
