import copy
import math

import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch.nn import functional
from toy_cohort import small_networks

from deeprac.config import NetworkConfig
from deeprac.geometry.similarity import (
    identity,
    invert,
    similarity,
    transform_points,
    window,
)
from deeprac.geometry.warp import inside, pixel_centres, warp
from deeprac.networks.stn_unet import (
    BACKGROUND_LOGIT,
    MIN_HALF_SIDE,
    Localisation,
    STNUNet,
)
from deeprac.networks.unet import KWARGS_TO_IMPORT, unet_kwargs
from deeprac.training.plans import STN_CLASS

AIR = -2.0
SIZE = 64
LOCALISER = {
    "input_size": 32,
    "base_features": 4,
    "canonical_radius": 0.4,
    "max_log_scale": 0.6931,
    "max_angle_deg": 45,
    "max_shift": 0.35,
    "crop_margin": 0.1,
    "segmentation_gradient": 0.1,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def network(
    *, crop, side=SIZE, deep=False, size=SIZE, seen=32, gradient=0.1
) -> STNUNet:
    torch.manual_seed(3)
    kwargs = unet_kwargs(side, NetworkConfig(4, 8, 1, 4)) | {
        "matrix_size": size,
        "network_input_size": side,
        "air": AIR,
        "crop": crop,
        "localiser": LOCALISER
        | {"input_size": seen, "segmentation_gradient": gradient},
    }
    return get_network_from_plans(
        STN_CLASS, kwargs, KWARGS_TO_IMPORT, 1, 3, deep_supervision=deep
    )


def disc(x, y, radius, size=SIZE):
    points = pixel_centres((size, size))[0] - torch.tensor([x, y])
    return (points.norm(dim=-1) < radius).float().view(1, 1, size, size)


def ellipse(x, y, a, b):
    points = (pixel_centres((SIZE, SIZE))[0] - torch.tensor([x, y])) / torch.tensor(
        [a, b]
    )
    return (points.norm(dim=-1) < 1).float().view(1, 1, SIZE, SIZE)


@pytest.fixture
def slices():
    """Three slices of different bodies, each with an off-centre kidney."""
    bodies = [
        ellipse(0.1, -0.05, 0.7, 0.5),
        ellipse(-0.2, 0.1, 0.5, 0.4),
        ellipse(0.0, 0.2, 0.6, 0.6),
    ]
    images = []
    for body in bodies:
        image = torch.where(body > 0, 0.0, AIR)
        images.append(torch.where(disc(0.3, 0.1, 0.12) > 0, 1.5, image))
    noise = torch.randn(3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return (torch.cat(images) + 0.1 * noise).clamp_min(AIR)


ARMS = [
    pytest.param(False, SIZE, id="pose"),
    pytest.param(True, SIZE, id="crop"),
    pytest.param(True, SIZE // 2, id="half crop"),
]


@pytest.mark.parametrize(("crop", "side"), ARMS)
def test_untrained_transformer_is_the_moments_estimate(slices, crop, side):
    model = network(crop=crop, side=side)
    _, estimate = model.normalise(model.thumbnail(slices))
    found = model.localise(slices)
    assert torch.equal(found.image_from_canonical, estimate)
    assert (estimate - identity(3)).abs().max() > 0.1
    assert (found.canonical_from_crop is None) == (not crop)
    if not crop:
        assert torch.equal(found.image_from_input, estimate)


@pytest.mark.parametrize(("crop", "side"), ARMS)
def test_gradient_reaches_every_localiser_output_and_the_unet(slices, crop, side):
    model = network(crop=crop, side=side, deep=True).train()
    if crop:
        model.crop_half_side.fill_(0.5)
    labels = disc(0.3, 0.1, 0.12).long()[:, 0].expand(3, -1, -1)
    logits = model(slices)[0]
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert (model.pose.output.bias.grad.abs() > 0).all()
    deepest = model.unet.encoder.stages[-1]
    assert all(p.grad.abs().sum() > 0 for p in deepest.parameters() if p.ndim > 1)
    if crop:
        stages = model.coarse.encoder.stages
        assert all(p.grad.abs().sum() > 0 for p in stages.parameters() if p.ndim > 1)


def segmentation_gradients(slices, gradient, *, crop, side):
    """Gradients of a segmentation loss in the pose's and coarse head's parameters."""
    model = network(crop=crop, side=side, gradient=gradient).train()
    model.crop_half_side.fill_(0.5)
    torch.nn.init.normal_(model.pose.output.weight, std=0.1)
    # Where the crop does not look, the coarse logits themselves are the answer, which
    # the loss may always teach; so only what the crop sees counts here.
    view = model.localise(slices).image_from_input.detach()
    seen = inside(invert(view), (SIZE, SIZE), border=2 * 2 / side)
    labels = disc(0.3, 0.1, 0.12).long()[:, 0].expand(3, -1, -1)
    entropy = functional.cross_entropy(model(slices), labels, reduction="none")
    entropy[seen[:, 0]].mean().backward()
    heads = {"pose": model.pose, "unet": model.unet}
    heads |= {"coarse": model.coarse} if crop else {}
    return {
        # Without deep supervision the lower levels' last layers are not used.
        name: torch.cat(
            [p.grad.flatten() for p in head.parameters() if p.grad is not None]
        )
        for name, head in heads.items()
    }


@pytest.mark.parametrize(("crop", "side"), ARMS)
def test_a_share_of_the_segmentations_gradient_steers_the_localiser(slices, crop, side):
    none, tenth, whole = (
        segmentation_gradients(slices, share, crop=crop, side=side)
        for share in (0, 0.1, 1)
    )
    for name in none.keys() - {"unet"}:
        assert (none[name] == 0).all(), name
        assert whole[name].abs().max() > 1e-4, name
        torch.testing.assert_close(tenth[name], 0.1 * whole[name], rtol=1e-3, atol=1e-7)
    for share in (none, tenth):  # what is seen, and so what the U-Net learns, is equal
        torch.testing.assert_close(share["unet"], whole["unet"])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.7, 1.0])
def test_damping_leaves_the_transforms_alone(share):
    canonical = similarity(
        torch.tensor([0.2]), torch.tensor([0.3]), torch.tensor([[0.1, -0.4]])
    ).requires_grad_()
    crop = WINDOW.clone().requires_grad_()
    plain = fixed(canonical, crop)
    damped = plain.damped(share)
    assert torch.equal(damped.image_from_input, plain.image_from_input)
    (3 * damped.image_from_canonical + 5 * damped.canonical_from_crop).sum().backward()
    torch.testing.assert_close(canonical.grad, torch.full((1, 2, 3), 3 * share))
    torch.testing.assert_close(crop.grad, torch.full((1, 2, 3), 5 * share))
    assert fixed(canonical, None).damped(share).canonical_from_crop is None


def test_convention_image_from_input_crops_first():
    quarter = torch.tensor([math.pi / 2])
    canonical = similarity(torch.zeros(1), quarter, torch.tensor([[0.1, 0.2]]))
    found = fixed(canonical, WINDOW).image_from_input
    # The window takes (1, -1) to (0.75, -0.75); a quarter turn takes x to y and y to
    # -x: (0.75, 0.75); the shift ends at (0.85, 0.95).
    corner = transform_points(found, torch.tensor([[[1.0, -1.0]]]))
    torch.testing.assert_close(corner, torch.tensor([[[0.85, 0.95]]]))
    assert fixed(canonical, None).image_from_input is canonical


@pytest.mark.parametrize(
    ("crop", "side", "levels"),
    # 64 is halved to 4 in five stages, of which four have logits; 32 in one less.
    [
        (False, 64, [64, 32, 16, 8]),
        (True, 64, [64, 32, 16, 8]),
        (True, 32, [64, 32, 16]),
    ],
)
def test_logits_of_all_levels_come_back_in_the_frame_of_the_slice(
    slices, crop, side, levels
):
    model = network(crop=crop, side=side, deep=True)
    assert [tuple(level.shape) for level in model(slices)] == [
        (3, 3, level, level) for level in levels
    ]
    model.decoder.deep_supervision = False  # as nnU-Net switches it
    assert model(slices).shape == (3, 3, SIZE, SIZE)


def fixed(canonical, crop, coarse=None):
    """A localisation with given transforms of one slice."""
    return Localisation(canonical, crop, torch.zeros(1, 4), torch.zeros(1), coarse)


WINDOW = window(torch.tensor([0.5]), torch.tensor([[0.25, -0.25]]))
"""Covers x from -0.25 to 0.75 and y from -0.75 to 0.25."""


def test_outside_the_view_the_answer_is_background(slices):
    model = network(crop=False).eval()
    logits = model.segment(slices[:1], fixed(identity(1), WINDOW))
    background = torch.tensor([BACKGROUND_LOGIT, 0.0, 0.0])
    points = pixel_centres((SIZE, SIZE))[0]
    relative = (points - torch.tensor([0.25, -0.25])).abs().amax(-1) / 0.5
    # The rim is 2 of 64 pixels of the input wide: 4 / 64 of its half width.
    outside = relative > 1 - 4 / 64
    flat = logits[0].flatten(1)
    assert (flat[:, outside] == background[:, None]).all()
    assert not (flat[:, ~outside] == background[:, None]).all(0).any()


def test_outside_the_crop_the_coarse_segmentation_answers(slices):
    model = network(crop=True).eval()
    coarse = torch.randn(1, 3, 32, 32)
    canonical = window(torch.tensor([0.8]), torch.zeros(1, 2))
    logits = model.segment(slices[:1], fixed(canonical, WINDOW, coarse))
    points = pixel_centres((SIZE, SIZE))[0] / 0.8
    in_canonical = points.abs().amax(-1) <= 1
    relative = (points - torch.tensor([0.25, -0.25])).abs().amax(-1) / 0.5
    in_crop = relative <= 1 - 4 / 64
    flat = logits[0].flatten(1)
    inverse = window(torch.tensor([1 / 0.8]), torch.zeros(1, 2))
    expected = warp(coarse, inverse, (SIZE, SIZE))[0].flatten(1)
    answered = in_canonical & ~in_crop
    torch.testing.assert_close(flat[:, answered], expected[:, answered])
    background = torch.tensor([BACKGROUND_LOGIT, 0.0, 0.0])[:, None]
    assert (flat[:, ~in_canonical] == background).all()


def test_convention_inside_the_view_the_unet_answers_at_the_right_place(slices):
    """A U-Net that returns its input shows where the logits land in the slice."""
    model = network(crop=True, side=32).eval()
    model.unet = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 1))
    torch.nn.init.ones_(model.unet[0].weight)
    torch.nn.init.zeros_(model.unet[0].bias)
    image = torch.zeros(1, 1, SIZE, SIZE)
    image[..., 20:28, 36:44] = 1.0  # x 0.125..0.375, y -0.375..-0.125: in WINDOW
    coarse = torch.zeros(1, 3, 32, 32)
    logits = model.segment(image, fixed(identity(1), WINDOW, coarse))
    # The window is half the slice on half its pixels, so the resolution is the same;
    # supersampling blurs the edge of the square by one pixel.
    blurred = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    blurred[19:29, 35:45] = True
    blurred[21:27, 37:43] = False
    returned = logits[0, 0].detach()
    assert (returned - image[0, 0]).abs()[~blurred].max() < 1e-5
    assert returned.sum().item() == pytest.approx(64, rel=1e-3)


@pytest.mark.parametrize("extreme", [1e4, -1e4])
@pytest.mark.parametrize(("crop", "side"), ARMS)
def test_extreme_localiser_outputs_stay_finite(slices, crop, side, extreme):
    model = network(crop=crop, side=side).train()
    torch.nn.init.constant_(model.pose.output.bias, extreme)
    logits = model(slices)
    found = model.localisation
    for transform in (found.image_from_canonical, found.image_from_input):
        assert transform.isfinite().all()
        assert (torch.linalg.det(transform[:, :, :2]) > 0).all()
    assert logits.isfinite().all()
    logits.square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(("crop", "side"), ARMS)
def test_slice_of_air_is_left_in_place_and_finite(crop, side):
    model = network(crop=crop, side=side).train()
    logits = model(torch.full((2, 1, SIZE, SIZE), AIR))
    assert torch.equal(model.localisation.image_from_canonical, identity(2))
    logits.square().mean().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize(
    "discs", [[(0.8, 0.32)], [(0.6, 0.24)], [(0.8, 0.32), (0.6, 0.24)]]
)
def test_calibration_on_discs(discs):
    model = network(crop=True, size=128, seen=128)
    # A disc of radius R has RMS radius R / 2 per axis; 0.4 / (R / 2) brings it to
    # canonical size. So R = 0.8 stays, and R = 0.6 grows by 4/3: kidneys of radius
    # 0.32 and 0.24 both reach 0.32 in the canonical frame.
    # The prior, 0.01 of the columns, pulls the window's centre towards 0; the kidney
    # fills 0.32 of the columns, so by 0.01 / 0.33 of its distance.
    cases = []
    for body, kidney in discs:
        image = torch.where(disc(0.0, 0.0, body, 128) > 0, 0.0, AIR)
        at = 0.3 * body
        cases.append((image, disc(at, -at / 2, kidney, 128)))
    model.calibrate(cases)
    reach = 0.32 + 0.3 * 0.8 * 0.01 / 0.33
    # One pixel of the image, seen in the canonical frame, is 4/3 of 1/64 at most.
    pixel = 4 / 3 / 64
    assert model.crop_half_side.item() == pytest.approx(1.1 * reach, abs=1.1 * pixel)
    expected = disc(0.0, 0.0, 0.8, 128)
    overlap = 2 * (model.template * expected).sum()
    assert overlap / (model.template.sum() + expected.sum()) > 0.98
    assert set(model.template.unique().tolist()) == {0.0, 1.0}


def test_the_crop_reaches_both_kidneys_from_midway_between_them():
    """From the centre of mass, in the large one, the small one would be farther off."""
    model = network(crop=True, size=128, seen=128)
    image = torch.where(disc(0.0, 0.0, 0.8, 128) > 0, 0.0, AIR)
    both = disc(-0.3, 0.1, 0.3, 128) + disc(0.45, 0.1, 0.1, 128)
    model.calibrate([(image, both)])
    # x from -0.6 to 0.55: midway -0.025, half of it 0.575; y reaches less far.
    assert model.crop_half_side.item() == pytest.approx(1.1 * 0.575, abs=1.1 / 64)


@pytest.mark.parametrize(("kidney", "half_side"), [(0.01, MIN_HALF_SIDE), (1.4, 1.0)])
def test_calibration_is_bounded(kidney, half_side):
    model = network(crop=True, size=128, seen=128)
    image = torch.where(disc(0.0, 0.0, 0.8, 128) > 0, 0.0, AIR)
    model.calibrate([(image, disc(0.004, 0.004, kidney, 128))])
    assert model.crop_half_side.item() == half_side


def test_crop_follows_the_coarse_segmentation_and_stays_in_the_frame():
    model = network(crop=True)
    model.crop_half_side.fill_(0.4)
    logits = torch.zeros(2, 3, 32, 32)
    logits[:, 0] = 20
    logits[0, 1, 12:16, 20:24] = 40  # centre x = 0.375, y = -0.125
    logits[1, 2, :4, 28:] = 40  # corner: centre x = 0.875, y = -0.875
    found = model._crop(logits)
    assert found[:, 0, 0].tolist() == pytest.approx([0.4, 0.4])
    # 4 columns (rows) of foreground against a prior of 0.01 * 32 = 0.32.
    pull = 4 / 4.32
    assert found[0, :, 2].tolist() == pytest.approx([0.375 * pull, -0.125 * pull], 1e-3)
    assert found[1, :, 2].tolist() == pytest.approx([0.6, -0.6])


class Spot(torch.nn.Module):
    """Coarse segmentation that finds kidney at x = 0.375, y = -0.125."""

    def forward(self, image):
        logits = torch.zeros(len(image), 3, 32, 32)
        logits[:, 0] = 20
        logits[:, 1, 12:16, 20:24] = 40
        return logits


def test_convention_the_crop_lies_in_the_canonical_frame(slices):
    model = network(crop=True)
    model.crop_half_side.fill_(0.4)
    model.coarse = Spot()
    found = model.localise(slices)
    pull = 4 / 4.32  # see the test above
    corner = torch.tensor([[[0.375 * pull + 0.4, -0.125 * pull - 0.4]]])
    torch.testing.assert_close(
        transform_points(found.image_from_input, torch.tensor([[[1.0, -1.0]]])),
        transform_points(found.image_from_canonical, corner),
    )


@pytest.mark.parametrize(("crop", "side"), ARMS)
def test_a_slice_does_not_depend_on_its_batch(slices, crop, side):
    model = network(crop=crop, side=side).eval()
    torch.nn.init.normal_(model.pose.output.weight, std=0.1)
    before = slices.clone()
    with torch.inference_mode():
        whole = model(slices)
        for index in range(3):
            single = model(slices[index, None])
            torch.testing.assert_close(whole[index, None], single, atol=1e-4, rtol=1e-4)
    assert torch.equal(slices, before)


def test_localisation_is_kept_while_training_only(slices):
    model = network(crop=True)
    model.train()(slices)
    assert model.localisation is not None
    model.eval()(slices)
    assert model.localisation is None


def test_state_dict_keeps_template_and_crop(slices):
    model = network(crop=True, side=32).eval()
    model.template.fill_(0.25)
    model.crop_half_side.fill_(0.45)
    other = network(crop=True, side=32).eval()
    for parameter in other.parameters():
        torch.nn.init.constant_(parameter, 0.01)
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    assert other.crop_half_side == pytest.approx(0.45)
    assert (other.template == 0.25).all()
    assert torch.equal(model(slices), other(slices))


def test_geometry_is_float32_under_autocast(slices):
    model = network(crop=True, side=32).eval()
    with torch.inference_mode():
        plain = model.localise(slices)
        with torch.autocast("cpu", torch.bfloat16):
            cast = model.localise(slices)
            logits = model.segment(slices, cast)
    assert cast.image_from_input.dtype == torch.float32
    assert logits.dtype == torch.float32
    torch.testing.assert_close(cast.image_from_canonical, plain.image_from_canonical)
