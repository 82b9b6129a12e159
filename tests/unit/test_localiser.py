import math

import pytest
import torch

from deeprac.geometry.similarity import identity, parameter_rows
from deeprac.networks.localiser import PoseLocaliser, coarse_segmenter, soft_centre
from support.toy_cohort import small_networks

BOUNDS = {"max_log_scale": math.log(2), "max_angle_rad": 0.7, "max_shift": 0.35}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


@pytest.fixture
def localiser():
    torch.manual_seed(0)
    return PoseLocaliser(4, **BOUNDS)


@pytest.fixture
def seen():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(3, 1, 48, 48, generator=generator)
    return image, (image > 0).float()


def test_untrained_localiser_returns_the_identity(localiser, seen):
    transform, raw = localiser(*seen)
    assert torch.equal(transform, identity(3))
    assert torch.equal(raw, torch.zeros(3, 4))


def test_gradient_reaches_every_output_at_the_start(localiser, seen):
    transform, _ = localiser(*seen)
    (transform * torch.tensor([[1.0, 2.0, 3.0], [-5.0, 7.0, 11.0]])).sum().backward()
    assert (localiser.output.bias.grad.abs() > 1e-3).all()
    assert (localiser.output.weight.grad.abs().sum(1) > 1e-3).all()


def test_gradient_reaches_every_parameter_after_the_first_step(localiser, seen):
    torch.nn.init.normal_(localiser.output.weight, std=0.1)
    transform, _ = localiser(*seen)
    transform.square().sum().backward()
    for name, parameter in localiser.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_convention_outputs_are_log_scale_angle_shift_x_shift_y(localiser, seen):
    with torch.no_grad():
        localiser.output.bias.copy_(torch.tensor([0.2, -0.3, 0.4, -0.5]))
    transform, raw = localiser(*seen)
    scale = math.exp(math.log(2) * math.tanh(0.2))
    angle = 0.7 * math.tanh(-0.3)
    expected = torch.tensor(
        [
            [scale * math.cos(angle), -scale * math.sin(angle), 0.35 * math.tanh(0.4)],
            [scale * math.sin(angle), scale * math.cos(angle), 0.35 * math.tanh(-0.5)],
        ]
    )
    torch.testing.assert_close(transform[1], expected)
    torch.testing.assert_close(raw[1], torch.tensor([0.2, -0.3, 0.4, -0.5]))


@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_extreme_outputs_stay_within_the_bounds(localiser, seen, extreme):
    torch.nn.init.constant_(localiser.output.bias, extreme)
    transform, _ = localiser(*seen)
    determinant = torch.linalg.det(transform[:, :, :2])
    expected = 4.0 if extreme > 0 else 0.25
    torch.testing.assert_close(determinant, torch.full((3,), expected))
    assert transform[:, :, 2].abs().max() <= 0.35
    transform.sum().backward()
    assert all(p.grad.isfinite().all() for p in localiser.parameters())


def test_absolute_position_is_seen(localiser):
    """Shifted content changes the output: instance statistics alone would not."""
    torch.nn.init.normal_(localiser.output.weight)
    image = torch.zeros(1, 1, 64, 64)
    image[..., 8:24, 8:24] = 1
    moved = image.roll((32, 32), (2, 3))
    _, here = localiser(image, image)
    _, there = localiser(moved, moved)
    assert (here - there).abs().max() > 1e-3


def test_batched_equals_one_by_one(localiser, seen):
    torch.nn.init.normal_(localiser.output.weight)
    whole, _ = localiser(*seen)
    for index in range(3):
        single, _ = localiser(*(array[index, None] for array in seen))
        torch.testing.assert_close(whole[index, None], single, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("size", [16, 32, 48, 128])
def test_coarse_segmenter_answers_every_pixel(size):
    network = coarse_segmenter(3, size, 4)
    assert network(torch.rand(2, 1, size, size)).shape == (2, 3, size, size)


def test_coarse_segmenter_answers_every_voxel():
    network = coarse_segmenter(3, 16, 4, dimensions=3)
    assert network(torch.rand(2, 1, 16, 16, 16)).shape == (2, 3, 16, 16, 16)


def test_soft_centre_of_a_volume_is_x_y_z():
    probability = torch.zeros(1, 1, 2, 4, 8)
    probability[0, 0, 0, 1, 6] = 1  # x = 13/8 - 1, y = 3/4 - 1, z = 1/2 - 1
    centre = soft_centre(probability, prior=0.0)
    torch.testing.assert_close(centre, torch.tensor([[0.625, -0.25, -0.5]]))


def blobs():
    """Large blob on the left, small one on the right and above its middle.

    Columns 10 to 39 and 70 to 73 of 80, rows 5 to 34 and 2 to 4 of 40. In normalised
    units the outer edges are x = -0.75 and 2 * 74 / 80 - 1 = 0.85, y = 2 * 2 / 40 - 1 =
    -0.9 and 2 * 35 / 40 - 1 = 0.75.
    """
    probability = torch.zeros(1, 1, 40, 80)
    probability[..., 5:35, 10:40] = 1
    probability[..., 2:5, 70:74] = 1
    return probability


def test_soft_centre_lies_midway_between_the_outer_edges():
    # The centre of mass would be at x = -0.37, inside of the large blob.
    centre = soft_centre(blobs(), prior=0.0)
    torch.testing.assert_close(centre, torch.tensor([[0.05, -0.075]]))


def test_convention_soft_centre_returns_x_then_y():
    probability = torch.zeros(2, 1, 4, 8)
    probability[0, 0, 1, 6] = 1  # x = 13/8 - 1 = 0.625, y = 3/4 - 1 = -0.25
    probability[1, 0, 1, 6] = 0.5
    probability[1, 0, 3, 6] = 0.5  # rows 1 to 3: y = 0.25
    centre = soft_centre(probability, prior=0.0)
    torch.testing.assert_close(centre, torch.tensor([[0.625, -0.25], [0.625, 0.25]]))


def test_soft_centre_weighs_what_is_unsure_less():
    probability = torch.zeros(1, 1, 2, 4)
    probability[0, 0, 0] = torch.tensor([0.0, 1.0, 0.0, 0.5])
    # Between the two a column counts as the less sure: 1 at -0.25, 0.5 at 0.25 and
    # 0.5 at 0.75 give 0.25 / 2. The upper row alone holds foreground: y = -0.5.
    centre = soft_centre(probability, prior=0.0)
    torch.testing.assert_close(centre, torch.tensor([[0.125, -0.5]]))


def test_soft_centre_prior_pulls_to_the_middle_and_holds_empty_slices():
    probability = torch.zeros(2, 1, 10, 20)
    probability[0, 0, 5, 19] = 1
    probability.requires_grad_()
    centre = soft_centre(probability, prior=0.1)
    # x = 0.95 against a prior of 0.1 * 20 columns, y = 0.1 against 0.1 * 10 rows.
    torch.testing.assert_close(centre, torch.tensor([[0.95 / 3, 0.05], [0.0, 0.0]]))
    centre.sum().backward()
    assert probability.grad.isfinite().all()


def test_foreground_beyond_the_edges_attracts_the_soft_centre():
    probability = (0.05 + 0.9 * blobs()).requires_grad_()
    soft_centre(probability)[0, 0].backward()
    gradient = probability.grad.sum((0, 1, 2))
    assert gradient[:10].sum() < 0
    assert gradient[74:].sum() > 0


def test_soft_centre_of_a_batch_equals_one_by_one():
    generator = torch.Generator().manual_seed(2)
    probability = torch.rand(3, 1, 6, 9, generator=generator)
    whole = soft_centre(probability)
    for index in range(3):
        assert torch.equal(whole[index, None], soft_centre(probability[index, None]))


def test_convention_outputs_of_a_volume_are_log_scale_three_angles_and_shift():
    torch.manual_seed(0)
    localiser = PoseLocaliser(4, dimensions=3, **BOUNDS)
    volume = torch.randn(2, 1, 32, 32, 32)
    transform, raw = localiser(volume, (volume > 0).float())
    assert torch.equal(transform, identity(2, dimensions=3))
    assert torch.equal(raw, torch.zeros(2, 7))
    given = torch.tensor([0.2, -0.3, 0.4, -0.5, 0.1, 0.6, -0.7])
    with torch.no_grad():
        localiser.output.bias.copy_(given)
    transform, _ = localiser(volume, (volume > 0).float())
    bounds = torch.tensor([math.log(2), 0.7, 0.7, 0.7, 0.35, 0.35, 0.35])
    expected = (bounds * given.tanh()).expand(2, 7)
    torch.testing.assert_close(parameter_rows(transform), expected, atol=1e-5, rtol=0)
