"""Rotations of space: known answers, inverses, and what has no direction."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from deeprac.geometry.rotation import (
    inverse_of,
    nearest_rotation,
    principal_axes,
    relative_turn,
    rotation,
    rotation_vector,
)
from support.toy_cohort import small_networks

VECTORS = st.tuples(*[st.floats(-1.75, 1.75)] * 3)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def test_convention_a_vector_along_z_turns_x_towards_y():
    quarter = rotation(torch.tensor([[0.0, 0.0, math.pi / 2]]))
    expected = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    torch.testing.assert_close(quarter, expected, atol=1e-6, rtol=0)


@given(VECTORS)
def test_as_scipy_has_it_and_back(vector):
    rows = torch.tensor([vector])
    matrix = rotation(rows)
    expected = Rotation.from_rotvec(vector).as_matrix()
    torch.testing.assert_close(
        matrix[0].double(), torch.tensor(expected), atol=1e-6, rtol=0
    )
    if math.hypot(*vector) < 3:
        torch.testing.assert_close(rotation_vector(matrix), rows, atol=2e-4, rtol=0)


def test_both_have_a_derivative_where_nothing_turns():
    rows = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation, rows)
    found = torch.autograd.functional.jacobian(
        lambda v: rotation_vector(rotation(v)), rows
    )
    torch.testing.assert_close(found[0, :, 0], torch.eye(3, dtype=torch.float64))


@given(VECTORS, VECTORS)
def test_a_relative_turn_forgets_half_turns_about_its_own_axes(vector, small):
    known = rotation(torch.tensor([vector]))
    error = 0.2 * torch.tensor([small])
    half = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    for symmetry in (torch.eye(3), half):
        found = known @ symmetry @ rotation(error)
        # Before the half turn or after it: the same error, seen from the other side.
        turned = relative_turn(found, known)
        torch.testing.assert_close(turned, error, atol=2e-3, rtol=0)


def test_inverse_and_nearest_rotation_of_a_sheared_matrix():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.eye(3) + 0.3 * torch.randn(5, 3, 3, generator=generator)
    torch.testing.assert_close(inverse_of(matrix), torch.linalg.inv(matrix))
    stretched = rotation(torch.tensor([[0.1, -0.4, 0.9]]))
    symmetric = torch.tensor([[[2.0, 0.1, 0.0], [0.1, 1.0, 0.2], [0.0, 0.2, 1.5]]])
    # A polar decomposition takes the symmetric factor off.
    torch.testing.assert_close(nearest_rotation(stretched @ symmetric), stretched)


@given(VECTORS)
def test_principal_axes_of_a_turned_ellipsoid(vector):
    """Axes keep their names: the long one of the axial plane is x."""
    turn = rotation(0.35 * torch.tensor([vector]))
    variances = torch.tensor([[3.0, 1.0, 2.0]])
    axes, found = principal_axes(turn @ torch.diag_embed(variances) @ turn.mT)
    torch.testing.assert_close(found, variances, atol=1e-4, rtol=0)
    torch.testing.assert_close(axes.abs(), turn.abs(), atol=2e-3, rtol=0)
    assert torch.linalg.det(axes[0]) == pytest.approx(1, abs=1e-4)


def test_principal_axes_of_a_patient_on_the_side():
    """A quarter turn about z: the long axis is y, and becomes x."""
    covariance = torch.diag_embed(torch.tensor([[1.0, 3.0, 2.0]]))
    axes, found = principal_axes(covariance)
    torch.testing.assert_close(found, torch.tensor([[3.0, 1.0, 2.0]]))
    assert rotation_vector(axes)[0].abs().tolist() == pytest.approx([0, 0, math.pi / 2])
