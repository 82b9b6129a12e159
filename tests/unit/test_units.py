import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.similarity import (
    compose,
    identity,
    invert,
    similarity,
    transform_points,
)
from deeprac.geometry.units import normalised_from_mm
from deeprac.geometry.warp import warp
from support.toy_cohort import small_networks

SHAPE = (96, 160)
"""Rows and columns."""
SPACING_MM = (1.0, 2.5)
"""Of columns (x) and rows (y): the image is 160 mm wide and 240 mm high."""
EXTENT_MM = (160.0, 240.0)

EXTENTS = st.tuples(st.floats(50, 600), st.floats(50, 600))
PARAMETERS = st.tuples(
    st.floats(-1, 1), st.floats(-3.2, 3.2), st.floats(-200, 200), st.floats(-200, 200)
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def make(log_scale, angle, x_mm, y_mm):
    """One similarity of millimetres as a batch of one."""
    scalars = torch.tensor([log_scale]), torch.tensor([angle])
    return similarity(*scalars, torch.tensor([[x_mm, y_mm]]))


def points_mm():
    """(1, n, 2) millimetres about the middle of every pixel centre."""
    return pixel_centres(SHAPE) * torch.tensor(EXTENT_MM) / 2


def covariance_mm(mass):
    """Second moments of an image's mass, about its centre, in square millimetres."""
    weight = mass.flatten() / mass.sum()
    points = points_mm()[0]
    offset = points - (weight[:, None] * points).sum(0)
    return (weight[:, None, None] * offset[:, :, None] * offset[:, None]).sum(0)


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 4, 1.3, math.pi / 2])
def test_a_circle_stays_a_circle_of_its_size_on_pixels_that_are_not_square(angle):
    middle = torch.tensor([12.0, -20.0])
    distance = (points_mm()[0] - middle).norm(dim=-1)
    circle = (30.5 - distance).clamp(0, 1).view(1, 1, *SHAPE)
    turned = normalised_from_mm(make(0.0, angle, 3.0, 5.0), EXTENT_MM, EXTENT_MM)
    found = covariance_mm(warp(circle, turned, SHAPE, fill=0.0)[0, 0])
    at_rest = covariance_mm(circle[0, 0])
    # A disc of radius 30 mm has a variance of 900 / 4.
    assert at_rest[0, 0].item() == pytest.approx(225, rel=0.01)
    # Interpolation blurs by a sixth of the squared pixels, turned with the image.
    turn = similarity(torch.zeros(1), torch.tensor([angle]), torch.zeros(1, 2))[
        0, :, :2
    ]
    pixels = torch.diag(torch.tensor(SPACING_MM) ** 2) / 6
    blurred = at_rest + turn.T @ pixels @ turn
    for axis in (0, 1):
        assert found[axis, axis].item() == pytest.approx(
            blurred[axis, axis].item(), rel=0.01
        )
    assert abs(found[0, 1].item()) < 0.01 * 225


def test_turning_normalised_points_would_shear_it():
    """What the conversion is for."""
    distance = points_mm()[0].norm(dim=-1)
    circle = (30.5 - distance).clamp(0, 1).view(1, 1, *SHAPE)
    sheared = make(0.0, math.pi / 4, 0.0, 0.0)
    found = covariance_mm(warp(circle, sheared, SHAPE, fill=0.0)[0, 0])
    assert abs(found[0, 1]) > 0.2 * 225


def test_convention_theta_is_d_out_inverse_times_a_times_d_in():
    """a_from_b = D_a^-1 A D_b, with half the extents on the diagonals."""
    a_from_b_mm = make(0.2, 0.7, 9.0, -14.0)
    extent_a, extent_b = (120.0, 80.0), (300.0, 500.0)
    square = torch.cat([a_from_b_mm[0], torch.tensor([[0.0, 0.0, 1.0]])])
    d_a, d_b = (
        torch.diag(torch.tensor([*(side / 2 for side in extent), 1.0]))
        for extent in (extent_a, extent_b)
    )
    expected = (torch.linalg.inv(d_a) @ square @ d_b)[:2]
    found = normalised_from_mm(a_from_b_mm, extent_a, extent_b)
    torch.testing.assert_close(found[0], expected)


def test_convention_pixel_by_hand():
    """Pixel (130, 50) of 160 x 96 lies 50.5 mm right of and 6.25 mm below the middle.

    A quarter turn about the middle takes x to y and y to -x: (-6.25, 50.5) mm.
    """
    point = torch.tensor([[[(2 * 130 + 1) / 160 - 1, (2 * 50 + 1) / 96 - 1]]])
    quarter = make(0.0, math.pi / 2, 0.0, 0.0)
    moved = transform_points(normalised_from_mm(quarter, EXTENT_MM, EXTENT_MM), point)
    torch.testing.assert_close(moved, torch.tensor([[[-6.25 / 80, 50.5 / 120]]]))


@given(PARAMETERS, EXTENTS, EXTENTS)
def test_the_two_directions_undo_each_other(parameters, extent_a, extent_b):
    a_from_b_mm = make(*parameters)
    normalised = normalised_from_mm(a_from_b_mm, extent_a, extent_b)
    # D^-1 of extent e is D of 4 / e: the way back to millimetres.
    back = normalised_from_mm(
        normalised,
        *(tuple(4 / mm for mm in extent) for extent in (extent_a, extent_b)),
    )
    torch.testing.assert_close(back, a_from_b_mm, rtol=1e-5, atol=1e-4)


@given(PARAMETERS, EXTENTS, EXTENTS)
def test_the_inverse_of_a_conversion_is_the_conversion_of_the_inverse(
    parameters, extent_a, extent_b
):
    a_from_b_mm = make(*parameters)
    a_from_b = normalised_from_mm(a_from_b_mm, extent_a, extent_b)
    b_from_a = normalised_from_mm(invert(a_from_b_mm), extent_b, extent_a)
    torch.testing.assert_close(invert(a_from_b), b_from_a, rtol=2e-4, atol=2e-4)
    torch.testing.assert_close(
        compose(a_from_b, b_from_a), identity(1), rtol=0, atol=5e-4
    )


@given(PARAMETERS, PARAMETERS, EXTENTS, EXTENTS, EXTENTS)
def test_conversions_compose(one, two, extent_a, extent_b, extent_c):
    a_from_b, b_from_c = make(*one), make(*two)
    whole = normalised_from_mm(compose(a_from_b, b_from_c), extent_a, extent_c)
    parts = compose(
        normalised_from_mm(a_from_b, extent_a, extent_b),
        normalised_from_mm(b_from_c, extent_b, extent_c),
    )
    torch.testing.assert_close(whole, parts, rtol=1e-3, atol=2e-3)


def test_square_images_of_one_size_only_scale_the_shift():
    a_from_b_mm = make(0.3, 0.5, 20.0, -10.0)
    found = normalised_from_mm(a_from_b_mm, (200.0, 200.0), (200.0, 200.0))
    torch.testing.assert_close(found[:, :, :2], a_from_b_mm[:, :, :2])
    torch.testing.assert_close(found[:, :, 2], torch.tensor([[0.2, -0.1]]))
