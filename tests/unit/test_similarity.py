import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deeprac.geometry.similarity import (
    agree,
    angle_difference,
    compose,
    identity,
    invert,
    of_rows,
    parameter_rows,
    parameters,
    similarity,
    transform_points,
    upright,
    window,
)
from support.toy_cohort import small_networks

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
    frame_from_window = window(
        torch.tensor([[0.25, 0.25]]), torch.tensor([[0.5, -0.1]])
    )
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
def test_compose_equals_two_steps(one, two):
    a_from_b, b_from_c = make(*one), make(*two)
    points = torch.tensor([[[0.3, -0.7], [-1.0, 1.0], [0.0, 0.2]]])
    once = transform_points(compose(a_from_b, b_from_c), points)
    twice = transform_points(a_from_b, transform_points(b_from_c, points))
    torch.testing.assert_close(once, twice, atol=2e-4, rtol=1e-5)


@given(PARAMETERS)
def test_inverse(drawn):
    a_from_b = make(*drawn)
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
    start = torch.tensor([[0.2, -0.4, 0.1, 0.3]])
    points = torch.tensor([[[0.3, -0.7], [0.9, 0.4]]])
    weights = torch.tensor([[[1.0, -2.0], [0.5, 3.0]]])

    def value(p):
        b_from_a = invert(similarity(p[:, 0], p[:, 1], p[:, 2:]))
        return (transform_points(b_from_a, points) * weights).sum()

    leaf = start.clone().requires_grad_()
    value(leaf).backward()
    step = 1e-2  # float32: small enough for the curvature, large against rounding
    for index in range(4):
        offset = torch.zeros_like(start)
        offset[0, index] = step
        slope = (value(start + offset) - value(start - offset)) / (2 * step)
        assert leaf.grad[0, index] == pytest.approx(slope.item(), rel=2e-3, abs=2e-3)


def test_batched_equals_one_by_one_and_nothing_is_mutated():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(5, 4, generator=generator)
    points = torch.randn(1, 7, 2, generator=generator)
    before = drawn.clone(), points.clone()

    def pipeline(p):
        a_from_b = similarity(p[:, 0], p[:, 1], p[:, 2:])
        frame_from_window = window(p[:, :1].exp().expand(-1, 2), p[:, 2:])
        product = compose(a_from_b, frame_from_window)
        return product, invert(product), transform_points(product, points)

    batched = pipeline(drawn)
    for index in range(5):
        for whole, single in zip(batched, pipeline(drawn[index, None]), strict=True):
            torch.testing.assert_close(whole[index, None], single, rtol=0, atol=0)
    assert torch.equal(drawn, before[0])
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


@given(PARAMETERS)
def test_parameters_undo_similarity(drawn):
    log_scale, angle, shift = parameters(make(*drawn))
    assert log_scale.item() == pytest.approx(drawn[0], abs=1e-5)
    turns = angle_difference(angle, torch.tensor([drawn[1]]), period=2 * math.pi)
    assert turns.item() == pytest.approx(0, abs=1e-5)
    assert shift[0].tolist() == pytest.approx(list(drawn[2:]), abs=1e-6)


@given(PARAMETERS)
def test_similarity_undoes_parameters(drawn):
    matrix = make(*drawn)
    torch.testing.assert_close(
        similarity(*parameters(matrix)), matrix, atol=1e-5, rtol=1e-5
    )


def test_parameters_of_a_stretch_are_its_mean_scale_and_no_angle():
    stretch = torch.tensor([[[2.0, 0.0, 0.1], [0.0, 0.5, 0.2]]])
    log_scale, angle, shift = parameters(stretch)
    assert log_scale.item() == pytest.approx(0, abs=1e-6)
    assert angle.item() == 0
    assert shift.tolist() == [pytest.approx([0.1, 0.2])]


@given(PARAMETERS)
def test_upright_leaves_similarities_alone(drawn):
    matrix = make(*drawn)
    torch.testing.assert_close(upright(matrix), matrix, atol=2e-5, rtol=1e-5)


@given(PARAMETERS, st.sampled_from([(-1.0, 1.0), (1.0, -1.0)]))
def test_upright_of_a_mirrored_patient_keeps_where_posterior_points(drawn, signs):
    matrix = make(*drawn)
    mirrored = torch.tensor(signs)[:, None] * matrix
    found = upright(mirrored)
    assert torch.linalg.det(found[0, :, :2]) > 0
    down = torch.tensor([[[0.0, 0.0], [0.0, 1.0]]])
    torch.testing.assert_close(
        transform_points(found, down),
        transform_points(mirrored, down),
        atol=5e-5,
        rtol=1e-5,
    )
    for one, two in zip(parameters(found)[::2], parameters(mirrored)[::2], strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)
    # Left and right are exchanged, as in the mirrored patient.
    right = torch.tensor([[[1.0, 0.0]]])
    torch.testing.assert_close(
        transform_points(found, -right),
        transform_points(mirrored, right),
        atol=5e-5,
        rtol=1e-5,
    )


def test_angle_difference_by_hand():
    first = torch.tensor([0.2, 3.0, -3.0, math.pi, 1.5])
    second = torch.tensor([0.5, -3.0, 3.0, 0.0, -1.5])
    half = angle_difference(first, second, period=math.pi)
    pi = math.pi
    torch.testing.assert_close(
        half, torch.tensor([-0.3, 6 - 2 * pi, 2 * pi - 6, 0.0, 3 - pi])
    )
    whole = angle_difference(first, second, period=2 * pi)
    expected = torch.tensor([-0.3, 6 - 2 * pi, 2 * pi - 6, -pi, 3.0])
    torch.testing.assert_close(whole, expected)


@given(st.floats(-20, 20), st.floats(-20, 20), st.sampled_from([math.pi, 2 * math.pi]))
def test_angle_difference_is_at_most_half_a_period(first, second, period):
    found = angle_difference(
        torch.tensor([first]), torch.tensor([second]), period=period
    ).item()
    assert abs(found) <= period / 2 + 1e-5
    turns = (first - second - found) / period
    assert turns == pytest.approx(round(turns), abs=1e-5)


def slices_of(*rows):
    return torch.cat([make(*row) for row in rows])


def test_agree_is_the_median_of_every_parameter():
    case = slices_of(
        (0.1, 0.3, 0.5, -0.1), (0.2, 0.1, 0.4, -0.3), (0.3, 0.2, 0.6, -0.2)
    )
    found = agree(case, torch.ones(3))
    assert found.shape == (1, 2, 3)
    torch.testing.assert_close(found, make(0.2, 0.2, 0.5, -0.2))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]])
def test_agree_is_not_moved_by_outliers(order):
    good = (0.2, 0.3, 0.1, -0.1)
    outliers = [(1.4, 1.2, 0.9, 0.9), (-1.4, -1.0, -0.9, 0.9)]
    case = slices_of(good, good, good, *outliers)[order]
    torch.testing.assert_close(agree(case, torch.ones(5)), make(*good))


def test_agree_hears_only_those_that_have_a_vote():
    lost = (0.0, 0.0, 0.0, 0.0)
    case = slices_of(lost, lost, lost, (0.2, 0.3, 0.1, -0.1), lost)
    vote = torch.tensor([0, 0, 0, 1, 0])
    expected = make(0.2, 0.3, 0.1, -0.1)
    torch.testing.assert_close(agree(case, vote), expected)
    torch.testing.assert_close(agree(case, vote.bool()), expected)
    # A vote of 5 outweighs four of 1.
    torch.testing.assert_close(agree(case, 1 + 4 * vote), expected)
    torch.testing.assert_close(agree(case, 1 + 2 * vote), identity(1))


def test_agree_without_any_vote_counts_all_alike():
    case = slices_of(
        (0.1, 0.3, 0.5, -0.1), (0.2, 0.1, 0.4, -0.3), (0.3, 0.2, 0.6, -0.2)
    )
    torch.testing.assert_close(agree(case, torch.zeros(3)), make(0.2, 0.2, 0.5, -0.2))
    torch.testing.assert_close(agree(identity(4), torch.zeros(4)), identity(1))


@pytest.mark.parametrize("turn", [0.0, math.pi])
def test_agree_takes_angles_modulo_half_a_turn(turn):
    """An axis at 88 degrees is near one at -88 degrees, not opposite."""
    degrees = [86.0, 89.0, -88.0, -89.0, 88.0]
    case = torch.cat([make(0.0, math.radians(a) + turn, 0.0, 0.0) for a in degrees])
    # In order 86, 88, 89, 91 and 92 degrees: the middle is 89.
    _, angle, _ = parameters(agree(case, torch.ones(5)))
    assert math.degrees(angle.item()) == pytest.approx(89, abs=1e-3)


def test_agree_gives_angles_between_plus_and_minus_90_degrees():
    """Also where the first believed slice is the outlier."""
    degrees = [-80.0, 70.0, 72.0, 74.0, 71.0]
    case = torch.cat([make(0.0, math.radians(a), 0.0, 0.0) for a in degrees])
    _, angle, _ = parameters(agree(case, torch.ones(5)))
    assert math.degrees(angle.item()) == pytest.approx(72, abs=1e-3)
    upside_down = torch.cat([make(0.0, math.radians(170.0), 0.0, 0.0)] * 2)
    _, angle, _ = parameters(agree(upside_down, torch.ones(2)))
    assert math.degrees(angle.item()) == pytest.approx(-10, abs=1e-3)


@given(st.lists(PARAMETERS, min_size=1, max_size=7), st.integers(0, 5))
def test_agree_does_not_depend_on_the_order_of_the_slices(rows, shift):
    # Angles modulo half a turn have no order of their own: keep them within a quarter.
    case = slices_of(*((a, 0.24 * b, c, d) for a, b, c, d in rows))
    vote = torch.ones(len(rows))
    torch.testing.assert_close(
        agree(case, vote), agree(case.roll(shift, 0), vote), atol=1e-4, rtol=1e-4
    )


SPATIAL = st.tuples(*[st.floats(-1, 1)] * 7)


def in_space(*row):
    return of_rows(torch.tensor([row]))


def test_convention_of_space_a_turn_about_z_is_that_of_the_plane():
    spatial = in_space(0.3, 0.0, 0.0, 0.7, 0.1, -0.2, 0.5)
    planar = make(0.3, 0.7, 0.1, -0.2)
    torch.testing.assert_close(spatial[:, :2, [0, 1, 3]], planar)
    # Along z only scale and shift.
    expected = torch.tensor([[0.0, 0.0, math.exp(0.3), 0.5]])
    torch.testing.assert_close(spatial[:, 2], expected)


@given(SPATIAL, SPATIAL)
def test_in_space_two_steps_are_one_and_the_inverse_undoes_it(one, two):
    a_from_b, b_from_c = in_space(*one), in_space(*two)
    points = torch.tensor([[[0.3, -0.7, 0.2], [-1.0, 1.0, 0.5]]])
    once = transform_points(compose(a_from_b, b_from_c), points)
    twice = transform_points(a_from_b, transform_points(b_from_c, points))
    torch.testing.assert_close(once, twice, atol=1e-5, rtol=1e-5)
    back = transform_points(invert(a_from_b), transform_points(a_from_b, points))
    torch.testing.assert_close(back, points, atol=1e-5, rtol=0)
    assert parameter_rows(a_from_b)[0].tolist() == pytest.approx(one, abs=1e-4)
    torch.testing.assert_close(
        torch.cat([p.reshape(1, -1) for p in parameters(a_from_b)], 1),
        parameter_rows(a_from_b),
        atol=1e-4,
        rtol=0,
    )
    torch.testing.assert_close(upright(a_from_b), a_from_b, atol=1e-4, rtol=0)


def test_in_space_the_inverse_has_its_derivative():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(2, 3, 4, generator=generator)
    own, other = matrix.clone().requires_grad_(), matrix.clone().requires_grad_()
    weights = torch.randn(2, 3, 4, generator=generator)
    (invert(own) * weights).sum().backward()
    below = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(2, 1, 4)
    whole = torch.linalg.inv(torch.cat([other, below], 1))[:, :3]
    (whole * weights).sum().backward()
    torch.testing.assert_close(own.grad, other.grad, rtol=1e-3, atol=1e-3)


@given(SPATIAL, st.sampled_from([0, 1, 2]))
def test_in_space_upright_of_a_mirrored_patient_keeps_posterior_and_superior(row, axis):
    matrix = in_space(*row)
    signs = torch.ones(3, 1)
    signs[axis] = -1
    found = upright(signs * matrix)
    assert torch.linalg.det(found[0, :, :3]) > 0
    kept = signs * matrix
    torch.testing.assert_close(found[..., 1:], kept[..., 1:], atol=1e-4, rtol=0)
    torch.testing.assert_close(found[..., 0], -kept[..., 0], atol=1e-4, rtol=0)
