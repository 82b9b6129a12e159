import math

import pytest
import torch

from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.similarity import compose, identity, invert, similarity
from deeprac.geometry.warp import inside, sampling_points, warp
from support.toy_cohort import small_networks


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def make(log_scale, angle, x, y):
    scalars = torch.tensor([log_scale]), torch.tensor([angle])
    return similarity(*scalars, torch.tensor([[x, y]]))


def pixel_shift(dx, dy, size):
    """image_from_out that reads dx pixels to the right and dy below."""
    height, width = size
    return make(0.0, 0.0, 2 * dx / width, 2 * dy / height)


def blob(size, x, y, sigma):
    """A smooth Gaussian spot at normalised (x, y)."""
    points = pixel_centres(size)[0]
    squared = ((points - torch.tensor([x, y])) ** 2).sum(-1)
    return (-squared / (2 * sigma**2)).exp().view(1, 1, *size)


def test_convention_pixel_centres_row_by_row_x_first():
    # Height 2, width 4: centres (2 i + 1) / n - 1.
    expected = [(x, y) for y in (-0.5, 0.5) for x in (-0.75, -0.25, 0.25, 0.75)]
    torch.testing.assert_close(pixel_centres((2, 4))[0], torch.tensor(expected))


def test_identity_is_exact():
    image = torch.rand(2, 3, 6, 9)
    warped = warp(image, identity(2), (6, 9), fill=0.0)
    torch.testing.assert_close(warped, image, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("dx", "dy"), [(2, -1), (-3, 2), (0, 1), (1, 0)])
def test_convention_integer_shift_equals_slicing(dx, dy):
    height, width = size = (5, 8)
    image = torch.rand(1, 2, *size)
    out = warp(image, pixel_shift(dx, dy, size), size, fill=-7.0)
    expected = torch.full_like(image, -7.0)
    for row in range(max(0, -dy), min(height, height - dy)):
        for column in range(max(0, -dx), min(width, width - dx)):
            expected[..., row, column] = image[..., row + dy, column + dx]
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


def test_convention_off_centre_landmark_under_a_quarter_turn():
    image = torch.zeros(1, 1, 7, 7)
    image[..., 1, 4] = 1.0  # x = 2/7, y = -4/7
    out = warp(image, make(0.0, math.pi / 2, 0.0, 0.0), (7, 7), fill=0.0)
    # R(90 deg) maps (x, y) to (-y, x); so p_out = (y, -x) = (-4/7, -2/7): column 1,
    # row 2.
    assert torch.argmax(out).item() == 2 * 7 + 1
    assert out.max() == pytest.approx(1, abs=1e-5)


def test_convention_scale_above_one_shrinks_the_content():
    image = torch.zeros(1, 1, 64, 64)
    image[..., 16:48, 16:48] = 1
    out = warp(image, make(math.log(2), 0.0, 0.0, 0.0), (64, 64), fill=0.0)
    assert out.sum() == pytest.approx(16 * 16, rel=1e-3)


def test_other_size_samples_the_same_square():
    """A ramp in x keeps its values at the new pixel centres."""
    x = pixel_centres((4, 16))[0, :, 0].view(1, 1, 4, 16)
    out = warp(x, identity(1), (2, 8))
    expected = pixel_centres((2, 8))[0, :, 0].view(1, 1, 2, 8)
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)


def test_a_circle_stays_a_circle():
    size = (96, 96)
    points = pixel_centres(size)[0].view(*size, 2)
    disc = ((points - torch.tensor([0.1, -0.2])).norm(dim=-1) < 0.4).float()
    out = warp(disc[None, None], make(0.1, 0.5, 0.1, 0.05), size, supersampling=2)
    rows, columns = torch.nonzero(out[0, 0] > 0.5).unbind(1)
    height = rows.max() - rows.min() + 1
    width = columns.max() - columns.min() + 1
    assert abs(height - width) <= 1
    # Diameter 0.8 / exp(0.1) of 2, on 96 pixels.
    assert width.item() == pytest.approx(0.8 / math.exp(0.1) / 2 * 96, abs=1.5)


def test_one_composed_warp_equals_two_and_the_order_matters():
    size = (200, 200)
    image = blob(size, 0.2, -0.1, 0.2) + blob(size, -0.3, 0.3, 0.15)
    image_from_pose = make(0.2, 0.5, 0.15, -0.1)
    pose_from_crop = make(-0.4, 0.0, 0.2, 0.1)
    twice = warp(warp(image, image_from_pose, size), pose_from_crop, size)
    once = warp(image, compose(image_from_pose, pose_from_crop), size)
    assert (once - twice).abs().max() < 5e-3
    swapped = warp(image, compose(pose_from_crop, image_from_pose), size)
    assert (once - swapped).abs().max() > 0.1


def test_inverse_returns_a_smooth_image():
    size = (80, 80)
    image = blob(size, 0.2, -0.1, 0.2)
    image_from_input = make(0.15, -0.3, 0.1, 0.05)
    there = warp(image, image_from_input, size)
    back = warp(there, invert(image_from_input), size)
    assert (back - image).abs().max() < 1e-2


def test_supersampling_is_the_mean_over_the_pixel():
    image = torch.arange(24.0).view(1, 1, 4, 6)
    out = warp(image, identity(1), (2, 3), supersampling=2)
    # Blocks of 2 x 2, such as (0 + 1 + 6 + 7) / 4.
    expected = torch.tensor([[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])
    torch.testing.assert_close(out[0, 0], expected, atol=1e-5, rtol=0)


def test_supersampling_suppresses_aliasing():
    stripes = (torch.arange(32) % 2).float().expand(1, 1, 32, 32)
    read = make(math.log(0.9), 0.0, 0.02, 0.0)
    aliased = warp(stripes, read, (8, 8))
    averaged = warp(stripes, read, (8, 8), supersampling=4)
    assert (aliased - 0.5).abs().max() > 0.25
    assert (averaged - 0.5).abs().max() < 0.1


def test_outside_is_the_fill_or_the_border():
    image = torch.full((1, 1, 4, 4), 3.0)
    away = pixel_shift(20, 0, (4, 4))
    assert (warp(image, away, (4, 4), fill=-1.5) == -1.5).all()
    assert (warp(image, away, (4, 4)) == 3.0).all()


def test_gradient_of_every_parameter_by_finite_differences():
    """A fine grid makes bilinear interpolation smooth enough to differentiate."""
    size = (256, 256)
    image = blob(size, 0.2, -0.1, 0.25)
    weights = blob(size, 0.3, 0.1, 0.3).double()
    start = torch.tensor([[0.1, 0.3, 0.05, -0.1]])

    def value(p):
        transform = similarity(p[:, 0], p[:, 1], p[:, 2:])
        return (warp(image, transform, size).double() * weights).sum()

    leaf = start.clone().requires_grad_()
    value(leaf).backward()
    step = 2e-2
    for index in range(4):
        offset = torch.zeros_like(start)
        offset[0, index] = step
        slope = (value(start + offset) - value(start - offset)) / (2 * step)
        assert leaf.grad[0, index] == pytest.approx(slope.item(), rel=0.02)


def test_gradient_to_the_image_is_the_adjoint():
    """<warp(x), y> = <x, warp^T(y)>: what training through the inverse relies on."""
    image = torch.rand(1, 1, 6, 9, requires_grad=True)
    other = torch.rand(1, 1, 5, 7)
    out = warp(image, make(0.1, 0.2, 0.0, 0.1), (5, 7), fill=0.0, supersampling=2)
    (out * other).sum().backward()
    inner = (image * image.grad).sum()
    torch.testing.assert_close(inner, (out * other).sum(), rtol=1e-5, atol=1e-5)


def test_grid_stays_float32_under_autocast():
    image = torch.rand(1, 1, 512, 512)
    transform = make(0.01, 0.02, 0.001, 0.0)
    plain = warp(image, transform, (512, 512), fill=-1.0)
    with torch.autocast("cpu", torch.bfloat16):
        cast = warp(image.bfloat16(), transform, (512, 512), fill=-1.0)
        exact = warp(image, transform, (512, 512), fill=-1.0)
    assert cast.dtype == exact.dtype == torch.float32
    assert torch.equal(plain, exact)
    # 8 bits of the grey values are lost, no position.
    assert (cast - plain).abs().max() < 2**-8


def test_batched_equals_one_by_one_and_nothing_is_mutated():
    image = torch.rand(3, 2, 9, 7)
    transforms = torch.cat(
        [make(0.3, 0.1, 0.0, 0.2), identity(1), make(-1.0, 2.0, 0.5, 0.1)]
    )
    before = image.clone(), transforms.clone()
    whole = warp(image, transforms, (5, 8), fill=0.5, supersampling=3)
    for index in range(3):
        one = slice(index, index + 1)
        single = warp(image[one], transforms[one], (5, 8), fill=0.5, supersampling=3)
        torch.testing.assert_close(whole[one], single, rtol=1e-6, atol=1e-6)
    assert torch.equal(image, before[0])
    assert torch.equal(transforms, before[1])


def test_inside_counts_pixel_centres_within_the_window():
    # A window over the right half of a 2 x 4 frame: its x of the columns is
    # (x - 0.5) / 0.5 = -2.5, -1.5, -0.5, 0.5; its y of the rows -1, 1.
    frame_from_window = make(math.log(0.5), 0.0, 0.5, 0.0)
    seen = inside(sampling_points(invert(frame_from_window), (2, 4)))
    assert seen.shape == (1, 1, 8)
    assert seen.view(1, 1, 2, 4).tolist() == [[[[False, False, True, True]] * 2]]


@pytest.mark.parametrize(
    ("border", "columns"), [(0.0, 4), (0.2, 4), (0.3, 2), (0.8, 0)]
)
def test_inside_leaves_out_the_rim(border, columns):
    # Columns at -0.75, -0.25, 0.25, 0.75; the only row at 0.
    assert inside(sampling_points(identity(1), (1, 4)), 1 - border).sum() == columns


def test_inside_takes_a_limit_for_each_axis():
    # Columns at -0.75, -0.25, 0.25, 0.75; rows at -0.5, 0.5.
    limit = torch.tensor([[0.3], [1.0]])
    seen = inside(sampling_points(identity(1), (2, 4)), limit)
    assert seen.view(2, 4).tolist() == [[False, True, True, False]] * 2


def test_convention_in_space_an_integer_shift_equals_slicing():
    volume = torch.rand(1, 2, 4, 5, 6)
    # Reads one voxel to the right, two below and one slice above.
    shift = torch.tensor([[2 / 6, -2 * 2 / 5, 2 / 4]])
    moved = similarity(torch.zeros(1), torch.zeros(1, 3), shift)
    out = warp(volume, moved, (4, 5, 6), fill=-7.0)
    expected = torch.full_like(volume, -7.0)
    expected[:, :, :3, 2:, :5] = volume[:, :, 1:, :3, 1:]
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


def test_in_space_supersampling_is_the_mean_of_what_it_samples():
    volume = torch.rand(1, 1, 4, 4, 8)
    out = warp(volume, identity(1, dimensions=3), (2, 2, 4), supersampling=2)
    pooled = torch.nn.functional.avg_pool3d(volume, 2)
    torch.testing.assert_close(out, pooled, atol=1e-6, rtol=0)
