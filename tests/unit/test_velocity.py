"""Flows of velocity fields: shifts, linear flows, inverses, folds, and MONAI's."""

import math

import pytest
import torch
from monai.networks.blocks.warp import DVF2DDF

from deeprac.geometry.similarity import similarity
from deeprac.geometry.velocity import (
    CONTROL_POINTS,
    dense,
    determinants,
    exponential,
    folded_share,
    followed_by,
    nearest_similarity,
    pixel_points,
    random_velocities,
    without_folds,
)
from deeprac.geometry.warp import sample, sampling_points
from support.toy_cohort import small_networks

SIZE = (40, 56)
TRAINING = {"displacement": 0.05, "smoothness": 0.2}
"""The defaults of augment_svf."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def linear(matrix):
    """Control points of the velocity (x, y) -> matrix (x, y)."""
    places = torch.linspace(-1, 1, CONTROL_POINTS)
    y, x = torch.meshgrid(places, places, indexing="ij")
    return torch.einsum("ij,jhw->ihw", matrix, torch.stack([x, y]))[None]


def drawn(count, seed=0, **spectrum):
    torch.manual_seed(seed)
    return random_velocities(count, **(TRAINING | spectrum))


def test_convention_a_constant_velocity_is_a_shift():
    """By 7 pixels to the right of 56 and 4 up of 40: as slicing does."""
    shift = torch.tensor([2 * 7 / 56, -2 * 4 / 40]).view(1, 2, 1, 1)
    points = exponential(shift.expand(1, 2, CONTROL_POINTS, CONTROL_POINTS), SIZE)
    torch.testing.assert_close(points, pixel_points(SIZE) + shift)
    image = torch.rand(1, 1, *SIZE)
    found = sample(image, points, fill=0.0)
    torch.testing.assert_close(
        found[..., 4:, :-7], image[..., :-4, 7:], atol=1e-4, rtol=0
    )


def test_splines_meet_linear_fields_everywhere():
    matrix = torch.tensor([[0.3, -0.7], [0.2, 0.5]])
    expected = torch.einsum("ij,jhw->ihw", matrix, pixel_points(SIZE))
    torch.testing.assert_close(dense(linear(matrix), SIZE)[0], expected)


@pytest.mark.parametrize(
    "matrix",
    [
        pytest.param([[0.4, 0.0], [0.0, -0.3]], id="stretched"),
        pytest.param([[0.0, -0.8], [0.8, 0.0]], id="turned"),
        pytest.param([[0.2, 0.6], [-0.1, 0.1]], id="sheared"),
    ],
)
def test_the_flow_of_a_linear_velocity_is_the_matrix_exponential(matrix):
    """Where it stays inside; of 'turned' a rotation by 0.8 rad, x towards y."""
    matrix = torch.tensor(matrix)
    inside = pixel_points(SIZE).abs().amax(0) < 0.6
    expected = torch.einsum(
        "ij,jn->in", torch.linalg.matrix_exp(matrix), pixel_points(SIZE)[:, inside]
    )
    found = exponential(linear(matrix), SIZE)[0][:, inside]
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_random_fields_have_the_stated_spectrum_and_leave_the_edge_at_rest():
    velocity = drawn(2000, displacement=0.03, smoothness=0.15)
    edges = torch.cat(
        [velocity[:, :, [0, -1]].flatten(), velocity[..., [0, -1]].flatten()]
    )
    assert not edges.any()
    # A sum over 15 intervals is the mean over the frame; 0.03 of a side of 2.
    mean_square = velocity.square().sum((2, 3)).mean() / (CONTROL_POINTS - 1) ** 2
    assert mean_square.sqrt().item() == pytest.approx(0.06, rel=0.02)
    places = torch.arange(CONTROL_POINTS) / (CONTROL_POINTS - 1)
    waves = {k: torch.sin(math.pi * k * places) for k in (1, 3)}
    strength = {
        k: torch.einsum("bchw,h,w->bc", velocity, wave, waves[1]).std()
        for k, wave in waves.items()
    }
    # Along y alone: exp(-(pi 0.15)^2 (3^2 - 1^2) / 2).
    falloff = math.exp(-((math.pi * 0.15) ** 2) * 4)
    assert (strength[3] / strength[1]).item() == pytest.approx(falloff, rel=0.05)


def test_flows_of_random_fields_keep_to_the_frame_and_have_an_inverse():
    """Of a thousand fields: ``benchmarks/velocity.py``."""
    size = (64, 64)
    velocity = drawn(100)
    points, back = exponential(velocity, size), exponential(-velocity, size)
    assert points.abs().max() < 1
    away = followed_by(back, points) - pixel_points(size)
    assert away.norm(dim=1).max() < 0.1 / 32  # of a pixel
    moved = (points - pixel_points(size)).norm(dim=1) / 2
    assert moved.median() > 0.04  # of the width
    assert not folded_share(points).any()


@pytest.mark.filterwarnings("ignore:monai.networks.blocks.Warp:UserWarning")
def test_monai_follows_the_same_flow():
    """DVF2DDF: rows first, in pixels; its first step is of a lower order than ours.

    A finer first step of MONAI's, a 4096th, is nearer to ours than its 128th.
    """
    size = (64, 80)
    velocity = drawn(20)
    per_pixel = torch.tensor([80 / 2, 64 / 2]).view(1, 2, 1, 1)
    ours = (exponential(velocity, size) - pixel_points(size)) * per_pixel
    dvf = (dense(velocity, size) * per_pixel).flip(1)
    away = {}
    for steps in (7, 12):
        theirs = DVF2DDF(steps, padding_mode="border")(dvf).flip(1)
        # MONAI's map stands still beyond the outermost pixel centres.
        inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
        away[steps] = (ours - theirs)[inner].norm(dim=1).max().item()
    assert away[7] < 0.2
    assert away[12] < 0.05


def test_determinants_are_exact_of_linear_maps_and_tell_folds():
    matrix = torch.tensor([[1.2, 0.3], [-0.1, 0.8]])
    points = torch.einsum("ij,jhw->ihw", matrix, pixel_points(SIZE))[None].clone()
    expected = torch.full((1, 4, 39, 55), 1.2 * 0.8 + 0.1 * 0.3)
    torch.testing.assert_close(determinants(points), expected, atol=1e-4, rtol=0)
    assert folded_share(points).item() == 0
    # Two neighbours swapped: the edge between them, of two squares, points backwards.
    points[0, :, 10, [20, 21]] = points[0, :, 10, [21, 20]]
    assert (determinants(points) < 0).sum() == 4
    assert folded_share(points).item() == pytest.approx(4 / expected.numel())


def test_fields_that_fold_are_halved_and_others_are_not(caplog):
    strong = drawn(1, displacement=1.0, smoothness=0.05)
    weak = drawn(1)
    velocity = torch.cat([strong, weak])
    points, factor = without_folds(velocity, (32, 32))
    assert factor[0] < 1
    assert math.log2(factor[0]) == round(math.log2(factor[0]))
    assert factor[1] == 1
    assert not folded_share(points).any()
    expected = exponential(velocity * factor.view(2, 1, 1, 1), (32, 32))
    torch.testing.assert_close(points, expected)
    assert "1 of 2 fields fold and are halved" in caplog.text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_velocities_that_are_no_numbers_are_refused(value):
    with pytest.raises(ValueError, match="not finite"):
        without_folds(torch.full((1, 2, 16, 16), value), (16, 16))


def test_the_nearest_similarity_is_the_similarity_itself():
    expected = similarity(
        torch.tensor([0.2, -0.3]),
        torch.tensor([0.5, -1.1]),
        torch.tensor([[0.1, -0.2], [0.0, 0.3]]),
    )
    points = sampling_points(expected, SIZE).unflatten(2, SIZE)
    torch.testing.assert_close(nearest_similarity(points), expected)


def test_one_field_never_changes_another_and_gradients_reach_all_of_it():
    velocity = drawn(3).requires_grad_()
    points = exponential(velocity, SIZE)
    torch.testing.assert_close(points[1:2], exponential(velocity[1:2], SIZE))
    points[1].square().sum().backward()
    assert (velocity.grad[1] != 0).all()
    assert not velocity.grad[[0, 2]].any()
