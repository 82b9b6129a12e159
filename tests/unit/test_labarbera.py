"""The released Spatial Transformers do what the authors' code does, faults included."""

import math

import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from deeprac.front_ends import FRONT_ENDS
from deeprac.geometry.similarity import identity, invert, transform_points
from deeprac.networks.labarbera import (
    CORNER_EPSILON,
    LaBarberaUNet,
    LocalisationNet,
    body_mask,
    corner_window,
    is_singular,
    pose_affine,
    warp_nearest,
)
from deeprac.networks.unet import KWARGS_TO_IMPORT, unet_kwargs
from deeprac.settings.training import NetworkConfig
from support.toy_cohort import small_networks

SIZE = 32


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def network(*, normalise=True, crop=True, side=SIZE, deep=False) -> LaBarberaUNet:
    torch.manual_seed(3)
    kwargs = unet_kwargs(side, NetworkConfig(4, 8, 1, 4)) | {
        "matrix_size": SIZE,
        "network_input_size": side,
        "normalise": normalise,
        "crop": crop,
    }
    return get_network_from_plans(
        FRONT_ENDS["labarbera"].network,
        kwargs,
        list(KWARGS_TO_IMPORT),
        input_channels=1,
        output_channels=3,
        allow_init=True,
        deep_supervision=deep,
    )


def steered(net: LaBarberaUNet, pose=(0.3, 0.1, -0.2, 1.2, 0.8), corners=None):
    """Let the transformers answer every slice with these raw numbers."""
    with torch.no_grad():
        if net.pose is not None:
            net.pose.output.bias.copy_(torch.tensor(pose))
        if corners is not None:
            net.window.output.bias.copy_(torch.tensor(corners))
    return net


@pytest.fixture
def slices():
    generator = torch.Generator().manual_seed(5)
    image = torch.randn(3, 1, SIZE, SIZE, generator=generator)
    image[:, :, :4] = -3  # air
    return image


def test_convention_pose_is_scale_times_rotation():
    raw = torch.tensor([[0.5, 0.2, -0.1, 1.5, 0.7]])
    cos, sin = math.cos(0.5), math.sin(0.5)
    expected = [
        [1.5 * cos, -1.5 * sin, math.tanh(0.2)],
        [0.7 * sin, 0.7 * cos, math.tanh(-0.1)],
    ]
    torch.testing.assert_close(pose_affine(raw)[0], torch.tensor(expected))


def test_scales_are_clipped_and_the_angle_is_not():
    raw = torch.tensor([[2 * math.pi + 0.1, 9.0, -9.0, 7.0, -7.0]])
    (first,) = pose_affine(raw)
    assert first[0, :2].norm().item() == pytest.approx(2.0)
    assert first[1, :2].norm().item() == pytest.approx(0.5)
    assert math.atan2(-first[0, 1], first[0, 0]) == pytest.approx(0.1, abs=1e-5)
    assert first[:, 2].abs().max().item() <= 1


@pytest.mark.parametrize(
    ("angle", "scales", "degrees"),
    [(0.3, (1.0, 1.0), 90), (0.3, (0.8, 1.1), 80), (0.0, (0.5, 2.0), 90)],
)
def test_unequal_scales_shear_a_turned_image(angle, scales, degrees):
    """A similarity keeps the axes at a right angle; the released transform does not."""
    axes = pose_affine(torch.tensor([[angle, 0, 0, *scales]]))[0, :, :2]
    cosine = (axes[:, 0] @ axes[:, 1]) / (axes[:, 0].norm() * axes[:, 1].norm())
    assert math.degrees(math.acos(abs(cosine))) == pytest.approx(degrees, abs=0.5)


def test_known_windows():
    left_half = corner_window(torch.tensor([[0.0, 16.0, 0.0, 32.0]]), SIZE)
    expected = torch.tensor([[[0.5, 0.0, -0.5], [0.0, 1.0, 0.0]]])
    torch.testing.assert_close(left_half, expected)


def test_swapped_corners_mirror():
    mirrored = corner_window(torch.tensor([[24.0, 8.0, 0.0, 32.0]]), SIZE)[0]
    assert mirrored[0, 0] == -0.5
    assert mirrored[1, 1] == 1


def test_negative_corners_are_cut_to_zero_and_may_collapse():
    (point,) = corner_window(torch.tensor([[-3.0, -9.0, 4.0, 20.0]]), SIZE)
    assert point[0, 0].item() == pytest.approx(CORNER_EPSILON)
    assert point[0, 2] == -1


def test_what_counts_as_singular():
    raw = torch.tensor(
        [[8.0, 24.0, 8.0, 24.0], [-1.0, -1.0, 8.0, 24.0], [-1.0, -1.0, -1.0, -1.0]]
    )
    windows = corner_window(raw, SIZE)
    # One collapsed axis can still be inverted (to a scale of 1e20), two cannot.
    assert is_singular(windows).tolist() == [False, False, True]
    assert invert(windows[:2]).isfinite().all()
    assert is_singular(windows * float("nan")).all()


def test_body_mask_is_above_the_lowest_value_of_its_own_slice():
    image = torch.tensor([[-2.0, -1.995], [-1.98, 3.0]])[None, None]
    batch = torch.cat([image, image + 50, torch.full_like(image, 7.0)])
    mask = body_mask(batch)
    assert mask[0, 0].tolist() == mask[1, 0].tolist() == [[0, 0], [1, 1]]
    assert mask[2].sum() == 0


def test_parameters_at_the_papers_size():
    with torch.device("meta"):
        large, small = (LocalisationNet(2, size, (0.0,) * 5) for size in (512, 128))
    count = [sum(p.numel() for p in net.parameters()) for net in (large, small)]
    # 10 x 124**2 and 10 x 28**2 features, times 1024.
    assert [round(n / 1e6, 1) for n in count] == [157.5, 8.1]


def test_convention_names_of_parameters_which_checkpoints_hold():
    net = network()
    expected = {f"unet.{name}" for name in net.unet.state_dict()} | {"reference"}
    expected |= {f"pose.{name}" for name in net.pose.state_dict()}
    expected |= {f"window.{name}" for name in net.window.state_dict()}
    assert set(net.state_dict()) == expected
    layers = {".".join(n.split(".")[:2]) for n in net.pose.state_dict()}
    assert layers == {
        *("features.0", "features.3", "hidden.0", "hidden.2"),
        *("output.weight", "output.bias"),
    }


def test_untrained_it_looks_at_the_upright_centre(slices):
    located = network().locate(slices)
    torch.testing.assert_close(located.image_from_canonical, identity(3).clone())
    half = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]).expand(3, 2, 3)
    torch.testing.assert_close(located.canonical_from_crop, half)
    assert not located.fallback.any()
    assert not located.at_bound.any()
    assert torch.equal(located.image_from_single, located.image_from_canonical)


def test_untrained_pose_changes_nothing(slices):
    net = network(crop=False)
    expected = net.unet(slices).log_softmax(1)
    torch.testing.assert_close(net(slices), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize("side", [16, 32])
def test_log_probabilities_of_every_level(slices, normalise, crop, side):
    if side < SIZE and not crop:
        return
    net = network(normalise=normalise, crop=crop, side=side, deep=True)
    steered(net, corners=(-3.0, 20.0, 9.0, 50.0) if crop else None)
    levels = net(slices)
    # The U-Net halves its input down to 4 pixels; the lowest level has no head, and the
    # loss gives the one above no weight.
    assert [level.shape[-1] for level in levels] == [32, 16][: 2 if side == 32 else 1]
    for level in levels:
        assert level.isfinite().all()
        torch.testing.assert_close(level.softmax(1), level.exp())
    assert net.decoder is net.unet.decoder
    assert not hasattr(net, "initialize")


def test_returning_by_the_nearest_pixel_is_the_softmax_of_that_pixel(slices):
    """Warping probabilities, as the authors do, and warping their logarithms agree."""
    net = steered(network(), corners=(4.0, 26.0, 2.0, 30.0))
    logits = torch.randn(3, 3, SIZE, SIZE) * 30
    located = net.locate(slices)
    returned = logits.softmax(1)
    for transform in (located.canonical_from_crop, located.image_from_canonical):
        returned = warp_nearest(returned, invert(transform), SIZE, padding="border")
    torch.testing.assert_close(net.way_back(located)([logits])[0].exp(), returned)


def test_convention_nearest_warp_follows_the_transform():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    one_right = identity(1).clone()
    one_right[0, 0, 2] = 2 / 4  # out(p) = image(p + one column)
    for padding, edge in (("border", [3, 7, 11, 15]), ("zeros", [0, 0, 0, 0])):
        out = warp_nearest(image, one_right, 4, padding=padding)[0, 0]
        assert out[:, :3].tolist() == image[0, 0, :, 1:].tolist()
        assert out[:, 3].tolist() == edge


def test_a_label_returns_to_where_it_was():
    net = steered(network(), (0.2, 0.1, 0.0, 1.1, 0.9), (4.0, 28.0, 2.0, 26.0))
    located = net.locate(torch.zeros(1, 1, SIZE, SIZE))
    # A spot of the crop, and where its centre lies in the image.
    spot = torch.full((1, 3, SIZE, SIZE), -9.0)
    spot[:, 0], spot[:, :, 15:19, 9:13] = 9.0, torch.tensor([-9, 9, -9]).view(3, 1, 1)
    centre = torch.tensor([[[2 * 11 / SIZE - 1, 2 * 17 / SIZE - 1]]])
    for transform in (located.canonical_from_crop, located.image_from_canonical):
        centre = transform_points(transform, centre)
    found = (net.way_back(located)([spot])[0].argmax(1)[0] == 1).nonzero().float()
    x, y = ((2 * found.mean(0).flip(0) + 1) / SIZE - 1).tolist()
    assert [x, y] == pytest.approx(centre.flatten().tolist(), abs=1 / SIZE)


def test_the_nearest_inverse_gives_no_gradient_to_the_transforms(slices):
    net = network()
    located = net.locate(slices)
    transforms = [
        getattr(located, name).clone().requires_grad_()
        for name in ("image_from_canonical", "canonical_from_crop")
    ]
    logits = torch.randn(3, 3, SIZE, SIZE, requires_grad=True)
    moved = type(located)(*transforms, *list(vars(located).values())[2:])
    net.way_back(moved)([logits])[0].square().sum().backward()
    assert logits.grad.abs().sum() > 0
    for transform in transforms:
        assert transform.grad is None or not transform.grad.any()


def test_the_segmentation_trains_the_u_net_only(slices):
    net = network(deep=True)
    sum(level.mean() for level in net(slices)).backward()
    trained = {
        name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None
    }
    assert trained == {"unet"}


def test_a_collapsed_crop_resets_the_inverse_of_the_whole_batch(slices):
    """Of three slices one collapses; none is returned to its place any more."""
    net = network(normalise=False)
    net.window.forward = lambda image: torch.tensor(
        [[8.0, 24.0, 8.0, 24.0], [-1.0] * 4, [0.0, 16.0, 0.0, 16.0]]
    )
    located = net.locate(slices)
    assert located.fallback.tolist() == [True, True, True]
    logits = torch.randn(3, 3, SIZE, SIZE)
    (returned,) = net.way_back(located)([logits])
    torch.testing.assert_close(returned, logits.log_softmax(1))
    assert net.segment(slices, located).isfinite().all()


@pytest.mark.parametrize(
    "corners",
    [
        (-1.0, -1.0, 8.0, 24.0),  # a line
        (-1.0, -1.0, -1.0, -1.0),  # a point
        (24.0, 8.0, 8.0, 24.0),  # mirrored
        (1e4, -1e4, 1e4, 2e4),  # far outside
    ],
)
def test_no_window_raises_or_gives_nan(slices, corners):
    net = steered(network(), (1e4, 1e4, -1e4, 1e4, -1e4), corners)
    located = net.locate(slices)
    assert net.segment(slices, located).isfinite().all()
    assert located.at_bound.all()
    assert located.canonical_from_crop.isfinite().all()


def test_an_empty_slice_is_no_exception():
    assert network()(torch.full((2, 1, SIZE, SIZE), -2.0)).isfinite().all()


def test_a_case_is_localised_slice_by_slice():
    """More slices than are localised at once; each as if it were alone."""
    net = network()
    torch.nn.init.normal_(net.pose.output.weight, std=0.1)
    torch.nn.init.normal_(net.window.output.weight, std=0.1)
    image = torch.randn(19, 1, SIZE, SIZE)
    together = net.locate(image)
    assert together.image_from_canonical.std(0).max() > 1e-3
    for index in (0, 17):
        alone = net.locate(image[index : index + 1])
        part = together[index : index + 1]
        torch.testing.assert_close(
            part.image_from_canonical, alone.image_from_canonical
        )
        torch.testing.assert_close(part.canonical_from_crop, alone.canonical_from_crop)
    torch.testing.assert_close(
        net.segment(image, together)[5:7], net.segment(image[5:7], together[5:7])
    )
