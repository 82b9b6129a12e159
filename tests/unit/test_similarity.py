import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_cohort import small_networks

from deeprac.geometry.similarity import (
    compose,
    identity,
    invert,
    similarity,
    transform_points,
    window,
)

MAX_LOG_SCALE, MAX_ANGLE, MAX_SHIFT = math.log(2), math.pi / 4, 0.35
RAW = st.floats(-1e4, 1e4)
PARAMETERS = st.tuples(
    st.floats(-2, 2), st.floats(-3.2, 3.2), st.floats(-2, 2), st.floats(-2, 2)
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def make(log_scale, angle, x, y):
    """One similarity as a batch of one."""
    scalars = torch.tensor([log_scale]), torch.tensor([angle])
    return similarity(*scalars, torch.tensor([[x, y]]))


def test_convention_positive_angle_turns_x_towards_y():
    quarter = make(0.0, math.pi / 2, 0.0, 0.0)
    moved = transform_points(quarter, torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    expected = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]])
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=0)


def test_convention_points_are_x_y_and_scale_comes_before_shift():
    doubled = make(math.log(2), 0.0, 0.1, -0.3)
    moved = transform_points(doubled, torch.tensor([[[0.2, 0.5]]]))
    # x: 2 * 0.2 + 0.1; y: 2 * 0.5 - 0.3.
    torch.testing.assert_close(moved, torch.tensor([[[0.5, 0.7]]]))


def test_convention_window_maps_its_corners_into_the_frame():
    frame_from_window = window(torch.tensor([0.25]), torch.tensor([[0.5, -0.1]]))
    corners = torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]])
    expected = torch.tensor([[[0.25, -0.35], [0.75, 0.15]]])
    torch.testing.assert_close(transform_points(frame_from_window, corners), expected)


def test_convention_compose_reads_from_left_to_right():
    a_from_b = make(0.0, math.pi / 2, 0.5, 0.0)
    b_from_c = make(math.log(0.5), 0.0, 0.0, 0.25)
    # (1, 0) in c -> (0.5, 0.25) in b -> turned (-0.25, 0.5), shifted (0.25, 0.5).
    point = torch.tensor([[[1.0, 0.0]]])
    composed = transform_points(compose(a_from_b, b_from_c), point)
    torch.testing.assert_close(composed, torch.tensor([[[0.25, 0.5]]]))
    swapped = transform_points(compose(b_from_c, a_from_b), point)
    # (1, 0) -> turned (0, 1), shifted (0.5, 1) -> (0.25, 0.5) + (0, 0.25).
    torch.testing.assert_close(swapped, torch.tensor([[[0.25, 0.75]]]))


@given(PARAMETERS, PARAMETERS)
@settings(deadline=None)
def test_compose_equals_two_steps(one, two):
    a_from_b, b_from_c = make(*one), make(*two)
    points = torch.tensor([[[0.3, -0.7], [-1.0, 1.0], [0.0, 0.2]]])
    once = transform_points(compose(a_from_b, b_from_c), points)
    twice = transform_points(a_from_b, transform_points(b_from_c, points))
    torch.testing.assert_close(once, twice, atol=2e-4, rtol=1e-5)


@given(PARAMETERS)
@settings(deadline=None)
def test_inverse(parameters):
    a_from_b = make(*parameters)
    for product in (
        compose(a_from_b, invert(a_from_b)),
        compose(invert(a_from_b), a_from_b),
    ):
        torch.testing.assert_close(product, identity(1), atol=5e-6, rtol=0)


def test_inverse_of_a_similarity_is_the_transpose_over_the_scale():
    scale, angle = 0.5, 0.3
    inverse = invert(make(math.log(scale), angle, 0.0, 0.0))[0, :, :2]
    turned = make(0.0, -angle, 0.0, 0.0)[0, :, :2]
    torch.testing.assert_close(inverse, turned / scale)


def test_inverse_of_a_shear_which_is_no_similarity():
    # [[2, 1], [0, 1]] p + (3, 4): its inverse is [[.5, -.5], [0, 1]], (.5, -4).
    sheared = torch.tensor([[[2.0, 1.0, 3.0], [0.0, 1.0, 4.0]]])
    expected = torch.tensor([[[0.5, -0.5, 0.5], [0.0, 1.0, -4.0]]])
    torch.testing.assert_close(invert(sheared), expected)


@given(RAW, RAW, RAW, RAW)
@settings(deadline=None)
def test_bounded_parameters_give_finite_orientation_keeping_transforms(a, b, c, d):
    raw = torch.tensor([[a, b, c, d]], requires_grad=True)
    bounded = raw.tanh()
    transform = similarity(
        MAX_LOG_SCALE * bounded[:, 0],
        MAX_ANGLE * bounded[:, 1],
        MAX_SHIFT * bounded[:, 2:],
    )
    determinant = torch.linalg.det(transform[0, :, :2])
    assert 0.25 - 1e-5 <= determinant <= 4 + 1e-5
    inverse = invert(transform)
    assert transform.isfinite().all()
    assert inverse.isfinite().all()
    (transform.sum() + inverse.sum()).backward()
    assert raw.grad.isfinite().all()


def test_gradient_of_every_parameter_by_finite_differences():
    parameters = torch.tensor([[0.2, -0.4, 0.1, 0.3]])
    points = torch.tensor([[[0.3, -0.7], [0.9, 0.4]]])
    weights = torch.tensor([[[1.0, -2.0], [0.5, 3.0]]])

    def value(p):
        b_from_a = invert(similarity(p[:, 0], p[:, 1], p[:, 2:]))
        return (transform_points(b_from_a, points) * weights).sum()

    leaf = parameters.clone().requires_grad_()
    value(leaf).backward()
    step = 1e-2  # float32: small enough for the curvature, large against rounding
    for index in range(4):
        offset = torch.zeros_like(parameters)
        offset[0, index] = step
        slope = (value(parameters + offset) - value(parameters - offset)) / (2 * step)
        assert leaf.grad[0, index] == pytest.approx(slope.item(), rel=2e-3, abs=2e-3)


def test_batched_equals_one_by_one_and_nothing_is_mutated():
    generator = torch.Generator().manual_seed(0)
    parameters = torch.randn(5, 4, generator=generator)
    points = torch.randn(1, 7, 2, generator=generator)
    before = parameters.clone(), points.clone()

    def pipeline(p):
        a_from_b = similarity(p[:, 0], p[:, 1], p[:, 2:])
        frame_from_window = window(p[:, 0].exp(), p[:, 2:])
        product = compose(a_from_b, frame_from_window)
        return product, invert(product), transform_points(product, points)

    batched = pipeline(parameters)
    for index in range(5):
        for whole, single in zip(
            batched, pipeline(parameters[index, None]), strict=True
        ):
            torch.testing.assert_close(whole[index, None], single, rtol=0, atol=0)
    assert torch.equal(parameters, before[0])
    assert torch.equal(points, before[1])


def test_half_precision_inputs_and_autocast_give_float32():
    half = torch.full((1,), 0.1, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        transform = similarity(half, half, half[:, None].expand(1, 2))
        product = compose(transform, invert(transform))
        points = transform_points(product, torch.tensor([[[0.123456, 0.654321]]]))
    assert transform.dtype == product.dtype == points.dtype == torch.float32
    torch.testing.assert_close(product, identity(1), atol=1e-6, rtol=0)
    # bfloat16 would round 0.123456 to 0.123535.
    torch.testing.assert_close(points, torch.tensor([[[0.123456, 0.654321]]]))
