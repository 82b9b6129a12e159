"""Rotations of space, by their rotation vectors.

Convention: a rotation vector points along the axis, and is as long as the angle in
radians; seen from its tip the rotation is counter-clockwise in right-handed axes, so
that one along z turns x towards y. Its three components are the angles about x, y and z
where all are small, none of them comes first, and nothing is singular below half a
turn: that is why not Euler angles.
"""

import math

import torch
from torch import Tensor

from deeprac.geometry.pixels import made_once

SWEEPS = 3
"""Of Jacobi's rotations; they converge quadratically (Golub and Van Loan, *Matrix
Computations*, section 8.5)."""

HALF_TURNS = ((1.0, 1.0, 1.0), (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))
"""Diagonals of the rotations that map principal axes onto themselves."""


def rotation(vector_rad: Tensor) -> Tensor:
    """Return the matrices of rotation vectors, by Rodrigues' formula.

    Args:
        vector_rad: (batch, 3).

    Returns:
        (batch, 3, 3).
    """
    angle = vector_rad.norm(dim=1)[:, None, None] / math.pi
    x, y, z = vector_rad.unbind(1)
    zero = torch.zeros_like(x)
    rows = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1)
    cross = rows.view(-1, 3, 3)
    # sin(a) / a and (1 - cos(a)) / a^2, both smooth at 0.
    first, second = angle.sinc(), (angle / 2).sinc().square() / 2
    unturned = torch.eye(3, device=rows.device, dtype=rows.dtype)
    return unturned + first * cross + second * (cross @ cross)


def rotation_vector(matrix: Tensor) -> Tensor:
    """Return the rotation vectors of matrices; the inverse of ``rotation``.

    Args:
        matrix: (batch, 3, 3) rotations by less than half a turn.

    Returns:
        (batch, 3), shorter than pi.
    """
    skew = (matrix - matrix.mT) / 2
    axis = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], 1)
    cosine = (matrix.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) - 1) / 2
    # Without the small number the root has no derivative at 0.
    sine = (axis.square().sum(1, keepdim=True) + 1e-12).sqrt()
    return axis * (torch.atan2(sine, cosine) / sine)


def relative_turn(found: Tensor, known: Tensor) -> Tensor:
    """Return by what ``found`` differs from ``known``, up to half turns about its axes.

    That is all that a silhouette tells, whose principal axes have no direction.

    Args:
        found: (batch, 3, 3) rotations.
        known: (batch, 3, 3) rotations.

    Returns:
        (batch, 3) rotation vectors in the frame that both map from.
    """
    difference = known.mT @ found
    turns = _half_turns(found.device)
    traces = difference.diagonal(dim1=1, dim2=2).detach() @ turns.T
    return rotation_vector(turns[traces.argmax(1)][:, :, None] * difference)


@made_once
def _half_turns(device: torch.device) -> Tensor:
    """``HALF_TURNS`` as (4, 3) float32, shared by all callers: do not change it."""
    with torch.inference_mode(False):
        return torch.tensor(HALF_TURNS, device=device)


def nearest_rotation(matrix: Tensor) -> Tensor:
    """Return the rotations nearest to matrices with positive determinant.

    Args:
        matrix: (batch, 3, 3).

    Returns:
        (batch, 3, 3) orthogonal factor of the polar decomposition.
    """
    left, _, right = torch.linalg.svd(matrix)
    return left @ right


def inverse_of(matrix: Tensor) -> Tensor:
    """Return the inverse of matrices (batch, 3, 3) in closed form."""
    first, second, third = matrix.unbind(2)
    cross = torch.linalg.cross
    rows = [cross(second, third), cross(third, first), cross(first, second)]
    determinant = (first * rows[0]).sum(1)
    return torch.stack(rows, 1) / determinant[:, None, None]


def principal_axes(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Return principal axes and variances, by a fixed number of Jacobi's rotations.

    The first one turns the long axis of the xy plane onto x, by up to a quarter turn;
    all others are by at most 45 degrees, so that each axis keeps its name. There is no
    sorting, and no waiting for a GPU, as in a library's decomposition.

    Args:
        covariance: (batch, 3, 3), symmetric.

    Returns:
        (batch, 3, 3) rotations whose columns are the axes, and (batch, 3) variances.
    """
    units = torch.eye(3, device=covariance.device, dtype=covariance.dtype)
    axes = units.expand_as(covariance)
    for step in range(3 * SWEEPS):
        about = (2, 1, 0)[step % 3]
        one, other = (about + 1) % 3, (about + 2) % 3
        half = (covariance[:, one, one] - covariance[:, other, other]) / 2
        product = covariance[:, one, other]
        if step > 0:
            product, half = torch.where(half < 0, -product, product), half.abs()
        angle = 0.5 * torch.atan2(product, half)
        turn = rotation(angle[:, None] * units[about])
        covariance, axes = turn.mT @ covariance @ turn, axes @ turn
    return axes, covariance.diagonal(dim1=1, dim2=2)
