import copy
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch.nn import functional

from deeprac.config import load_config
from deeprac.front_ends import FRONT_ENDS
from deeprac.front_ends import has_oracle as has_oracle_part
from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.similarity import (
    agree,
    compose,
    identity,
    invert,
    of_rows,
    parameters,
    similarity,
    transform_points,
    window,
)
from deeprac.geometry.warp import inside, sampling_points, warp
from deeprac.networks.crops import CROPS
from deeprac.networks.front_end import Located, Output, Supervision
from deeprac.networks.normalisers import NORMALISERS
from deeprac.networks.stn_unet import BACKGROUND_LOGIT, BOUND, STNUNet
from deeprac.networks.unet import KWARGS_TO_IMPORT, unet_kwargs, unet_kwargs_of
from deeprac.settings.training import NetworkConfig
from deeprac.training.losses import STNLoss, pose_loss
from support.toy_cohort import small_networks

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
    "warp_share": 1.0,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def network(
    *, normaliser="stn", crop="none", side=SIZE, deep=False, gradient=0.1, warps=1.0
) -> STNUNet:
    torch.manual_seed(3)
    kwargs = unet_kwargs(side, NetworkConfig(4, 8, 1, 4)) | {
        "matrix_size": SIZE,
        "network_input_size": side,
        "air": AIR,
        "normaliser": normaliser,
        "crop": crop,
        "localiser": LOCALISER
        | {"segmentation_gradient": gradient, "warp_share": warps},
    }
    return get_network_from_plans(
        FRONT_ENDS["stn"].network,
        kwargs,
        KWARGS_TO_IMPORT,
        1,
        3,
        deep_supervision=deep,
    )


def disc(x, y, radius):
    return ellipse(x, y, radius, radius)


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


RECTANGLE = (24, 48)
"""Height and width; halved to 6 both, the height once less."""
STN_CROPS = ("stn", "stn_rectangle")


def known(batch=3) -> Supervision:
    """A pose off the moments' estimate, and the outline of the kidney."""
    pose = similarity(
        torch.tensor([0.15]), torch.tensor([-0.3]), torch.tensor([[0.1, 0.05]])
    )
    angles = torch.arange(8) * math.pi / 4
    ring = torch.stack([0.3 + 0.12 * angles.cos(), 0.1 + 0.12 * angles.sin()], -1)
    return Supervision(pose.expand(batch, 2, 3), ring.expand(batch, 8, 2))


def step(model, slices) -> Output:
    """Output of a training step."""
    return model.train()(slices, known(len(slices)))


ARMS = [
    pytest.param({"normaliser": normaliser, "crop": crop, "side": side}, id=name)
    for name, normaliser, crop, side in [
        ("pose", "stn", "none", SIZE),
        ("crop", "stn", "stn", SIZE),
        ("half crop", "stn", "stn", SIZE // 2),
        ("moments", "moments", "none", SIZE),
        ("coarse crop", "stn", "coarse", SIZE),
        ("oracle", "oracle", "none", SIZE),
        ("oracle crop", "stn", "oracle", SIZE // 2),
        ("crop alone", "none", "stn", SIZE // 2),
        ("rectangle", "stn", "stn_rectangle", RECTANGLE),
        ("oracle rectangle", "stn", "oracle_rectangle", RECTANGLE),
    ]
]
LEARNED = [arm for arm in ARMS if arm.values[0]["normaliser"] == "stn"]


def has_oracle(arm):
    return has_oracle_part(arm["normaliser"], arm["crop"])


@pytest.mark.parametrize("arm", LEARNED)
def test_untrained_transformer_is_the_moments_estimate(slices, arm):
    model = network(**arm)
    found = step(model, slices).trace.located
    moments = network(normaliser="moments").normaliser
    seen = functional.adaptive_avg_pool2d(slices, 32)
    estimate = moments(seen).image_from_canonical
    assert torch.equal(found.image_from_canonical, estimate)
    assert (estimate - identity(3)).abs().max() > 0.1
    cropped = found.canonical_from_crop is not None
    if arm["crop"] == "none":
        assert not cropped
        assert torch.equal(found.image_from_input, estimate)
    else:
        assert cropped


@pytest.mark.parametrize("arm", LEARNED)
def test_gradient_reaches_every_localiser_output_and_the_unet(slices, arm):
    model = network(**arm, deep=True)
    if arm["crop"] in STN_CROPS:
        model.crop.half_side.fill_(0.5)
    labels = disc(0.3, 0.1, 0.12).long()[:, 0].expand(3, -1, -1)
    logits = step(model, slices).logits[0]
    torch.nn.functional.cross_entropy(logits, labels).backward()
    bias = model.normaliser.localiser.output.bias
    assert (bias.grad.abs() > 0).all()
    deepest = model.unet.encoder.stages[-1]
    assert all(p.grad.abs().sum() > 0 for p in deepest.parameters() if p.ndim > 1)
    if arm["crop"] in (*STN_CROPS, "coarse"):
        stages = model.crop.coarse.encoder.stages
        assert all(p.grad.abs().sum() > 0 for p in stages.parameters() if p.ndim > 1)


def smoothed(image, fill):
    for _ in range(2):
        image = functional.avg_pool2d(
            functional.pad(image, [4] * 4, value=fill), 9, stride=1
        )
    return image


def test_gradient_of_the_segmentation_by_finite_differences():
    """From the raw outputs through both warps, in float32.

    Of one convolution, for a U-Net has a kink every few thousandths of a pixel.
    """
    model = network(gradient=1.0, warps=0.0).train()
    model.unet = torch.nn.Conv2d(1, 3, 1)
    body, kidney = ellipse(0.1, -0.05, 0.7, 0.5), disc(0.3, 0.1, 0.12)
    image = smoothed(torch.where(body > 0, 1.5 * kidney, AIR), AIR)
    torch.manual_seed(5)
    # The view reaches 0.76 of the slice: there the network answers all the time.
    weights = smoothed(torch.randn(1, 3, SIZE, SIZE), 0.0) * disc(0.1, 0.0, 0.5)
    bias = model.normaliser.localiser.output.bias

    def value():
        return (step(model, image).logits * weights).sum()

    value().backward()
    gradient = bias.grad.clone()
    assert (gradient.abs() > 0.1).all()
    distance = 1e-3  # a fiftieth of a pixel at the edge
    for index in range(4):
        slope = 0.0
        for sign in (1, -1):
            with torch.no_grad():
                bias[index] += sign * distance
                slope += sign * value().item() / (2 * distance)
                bias[index] -= sign * distance
        assert gradient[index].item() == pytest.approx(slope, rel=0.05)


def segmentation_gradients(slices, gradient, arm):
    """Gradients of a segmentation loss in the pose's and coarse head's parameters."""
    model = network(**arm, gradient=gradient)
    model.normaliser.localiser.output.weight.data.normal_(std=0.1)
    if arm["crop"] in STN_CROPS:
        model.crop.half_side.fill_(0.5)
    output = step(model, slices)
    # Where the crop does not look, the coarse logits themselves are the answer, which
    # the loss may always teach; so only what the crop sees counts here.
    view = output.trace.located.image_from_input.detach()
    points = sampling_points(invert(view), (SIZE, SIZE))
    seen = inside(points, model.seen).view(-1, 1, SIZE, SIZE)
    labels = disc(0.3, 0.1, 0.12).long()[:, 0].expand(3, -1, -1)
    entropy = functional.cross_entropy(output.logits, labels, reduction="none")
    entropy[seen[:, 0]].mean().backward()
    heads = {"pose": model.normaliser, "unet": model.unet}
    heads |= {"coarse": model.crop.coarse} if arm["crop"] in STN_CROPS else {}
    return {
        # Without deep supervision the lower levels' last layers are not used.
        name: torch.cat(
            [p.grad.flatten() for p in head.parameters() if p.grad is not None]
        )
        for name, head in heads.items()
    }


@pytest.mark.parametrize("arm", LEARNED[:3])
def test_a_share_of_the_segmentations_gradient_steers_the_localiser(slices, arm):
    none, tenth, whole = (
        segmentation_gradients(slices, share, arm) for share in (0, 0.1, 1)
    )
    for name in none.keys() - {"unet"}:
        assert (none[name] == 0).all(), name
        assert whole[name].abs().max() > 1e-4, name
        torch.testing.assert_close(tenth[name], 0.1 * whole[name], rtol=1e-3, atol=1e-7)
    for share in (none, tenth):  # what is seen, and so what the U-Net learns, is equal
        torch.testing.assert_close(share["unet"], whole["unet"])


def fixed(canonical, crop=None, coarse=None):
    """What is located where the transforms of one slice are given."""
    crop = identity(1) if crop is None else crop
    never = torch.zeros(1).bool()
    return Located(canonical, crop, canonical, never, never, coarse)


WINDOW = window(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, -0.25]]))
"""Covers x from -0.25 to 0.75 and y from -0.75 to 0.25."""


@pytest.mark.parametrize("share", [0.0, 0.1, 0.7, 1.0])
def test_damping_leaves_the_transforms_alone(share):
    canonical = similarity(
        torch.tensor([0.2]), torch.tensor([0.3]), torch.tensor([[0.1, -0.4]])
    ).requires_grad_()
    crop = WINDOW.clone().requires_grad_()
    plain = fixed(canonical, crop)
    less = plain.damped(share)
    assert torch.equal(less.image_from_input, plain.image_from_input)
    (3 * less.image_from_canonical + 5 * less.canonical_from_crop).sum().backward()
    torch.testing.assert_close(canonical.grad, torch.full((1, 2, 3), 3 * share))
    torch.testing.assert_close(crop.grad, torch.full((1, 2, 3), 5 * share))


def test_convention_image_from_input_crops_first():
    quarter = torch.tensor([math.pi / 2])
    canonical = similarity(torch.zeros(1), quarter, torch.tensor([[0.1, 0.2]]))
    found = fixed(canonical, WINDOW).image_from_input
    # The window takes (1, -1) to (0.75, -0.75); a quarter turn takes x to y and y to
    # -x: (0.75, 0.75); the shift ends at (0.85, 0.95).
    corner = transform_points(found, torch.tensor([[[1.0, -1.0]]]))
    torch.testing.assert_close(corner, torch.tensor([[[0.85, 0.95]]]))
    assert torch.equal(fixed(canonical).image_from_input, canonical)


@pytest.mark.parametrize(
    ("crop", "side", "levels"),
    # 64 is halved to 4 in five stages, of which four have logits; 32 in one less. The
    # loss gives the lowest no weight, and it stays where it is.
    [
        ("none", 64, [64, 32, 16]),
        ("stn", 64, [64, 32, 16]),
        ("stn", 32, [64, 32]),
        ("stn_rectangle", RECTANGLE, [64, 32]),
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


def test_outside_the_view_the_answer_is_background(slices):
    model = network().eval()
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
    model = network(crop="stn").eval()
    coarse = torch.randn(1, 3, 32, 32)
    canonical = window(torch.tensor([[0.8, 0.8]]), torch.zeros(1, 2))
    logits = model.segment(slices[:1], fixed(canonical, WINDOW, coarse))
    points = pixel_centres((SIZE, SIZE))[0] / 0.8
    in_canonical = points.abs().amax(-1) <= 1
    relative = (points - torch.tensor([0.25, -0.25])).abs().amax(-1) / 0.5
    in_crop = relative <= 1 - 4 / 64
    flat = logits[0].flatten(1)
    inverse = window(torch.tensor([[1 / 0.8] * 2]), torch.zeros(1, 2))
    expected = warp(coarse, inverse, (SIZE, SIZE))[0].flatten(1)
    answered = in_canonical & ~in_crop
    torch.testing.assert_close(flat[:, answered], expected[:, answered])
    background = torch.tensor([BACKGROUND_LOGIT, 0.0, 0.0])[:, None]
    assert (flat[:, ~in_canonical] == background).all()


def test_convention_inside_the_view_the_unet_answers_at_the_right_place(slices):
    """A U-Net that returns its input shows where the logits land in the slice."""
    model = network(crop="stn", side=32).eval()
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
@pytest.mark.parametrize("arm", LEARNED)
def test_extreme_localiser_outputs_stay_finite(slices, arm, extreme):
    model = network(**arm)
    torch.nn.init.constant_(model.normaliser.localiser.output.bias, extreme)
    output = step(model, slices)
    found, logits = output.trace.located, output.logits
    for transform in (found.image_from_canonical, found.image_from_input):
        assert transform.isfinite().all()
        assert (torch.linalg.det(transform[:, :, :2]) > 0).all()
    assert (output.trace.raw.tanh().abs() >= BOUND).all()
    assert logits.isfinite().all()
    (logits.square().mean() + output.trace.warped.square().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("extreme", [1e4, -1e4])
@pytest.mark.parametrize("crop", ["coarse", "stn"])
def test_extreme_coarse_logits_stay_finite(slices, crop, extreme):
    model = network(crop=crop, side=SIZE // 2, deep=True)
    last = model.crop.coarse.decoder.seg_layers[-1]
    with torch.no_grad():
        last.bias.copy_(torch.tensor([0.0, extreme, -extreme]))
    logits = step(model, slices).logits
    assert all(level.isfinite().all() for level in logits)
    sum(level.square().mean() for level in logits).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    located = model.eval().locate(slices)
    assert (torch.linalg.det(located.image_from_input[:, :, :2]) > 0).all()


@pytest.mark.parametrize("arm", ARMS)
def test_slice_of_air_is_left_in_place_counted_and_finite(arm):
    model = network(**arm)
    slices = torch.full((2, 1, SIZE, SIZE), AIR)
    output = step(model, slices)
    found = output.trace.located
    pose = known(2).image_from_canonical
    expected = pose if arm["normaliser"] == "oracle" else identity(2)
    assert torch.equal(found.image_from_canonical, expected)
    measures = arm["normaliser"] in ("moments", "stn")
    assert found.fallback.tolist() == [measures] * 2
    located = model.eval().locate(slices, known(2) if has_oracle(arm) else None)
    assert not located.at_bound.any()
    output.logits.square().mean().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)


class Spot(torch.nn.Module):
    """Coarse segmentation that finds kidney at x = 0.375, y = -0.125."""

    def forward(self, image):
        logits = torch.zeros(len(image), 3, 32, 32)
        logits[:, 0] = 20
        logits[:, 1, 12:16, 20:24] = 40
        return logits


def test_convention_the_crop_lies_in_the_canonical_frame(slices):
    model = network(crop="stn")
    model.crop.half_side.fill_(0.4)
    model.crop.coarse = Spot()
    found = step(model, slices).trace.located
    # 4 columns (rows) of foreground against a prior of 0.01 * 32 = 0.32.
    pull = 4 / 4.32
    corner = torch.tensor([[[0.375 * pull + 0.4, -0.125 * pull - 0.4]]])
    torch.testing.assert_close(
        transform_points(found.image_from_input, torch.tensor([[[1.0, -1.0]]])),
        transform_points(found.image_from_canonical, corner),
    )


def test_convention_an_oracles_outline_is_brought_to_the_canonical_frame(slices):
    model = network(normaliser="oracle", crop="oracle").eval()
    middle, oracle_input = torch.tensor([0.3, 0.1]), known()
    outline = middle + 3 * (oracle_input.outline - middle)
    located = model.locate(slices, replace(oracle_input, outline=outline))
    corners = transform_points(invert(located.image_from_input), outline)  # in the crop
    # The ring's box leaves a margin of a tenth of its half side all around.
    assert corners.amax(1).amax(1).tolist() == pytest.approx([1 / 1.1] * 3, rel=1e-5)
    assert corners.amin(1).amin(1).tolist() == pytest.approx([-1 / 1.1] * 3, rel=1e-5)


@pytest.mark.parametrize("arm", ARMS)
def test_a_slice_does_not_depend_on_its_batch(slices, arm):
    model = network(**arm).eval()
    if arm["normaliser"] == "stn":
        model.normaliser.localiser.output.weight.data.normal_(std=0.1)
    before = slices.clone()
    with torch.inference_mode():
        whole = model(slices, known(3)).logits
        for index in range(3):
            single = model(slices[index, None], known(1)).logits
            torch.testing.assert_close(whole[index, None], single, atol=1e-4, rtol=1e-4)
    assert torch.equal(slices, before)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("arm", ARMS)
def test_a_broken_value_stays_in_its_slice_and_is_counted(slices, arm, value):
    """Never a reset of the batch: the other slices do not change by a bit."""
    model = network(**arm)
    output = step(model, slices)
    clean, located = output.logits.detach(), output.trace.located
    broken = slices.clone()
    broken[1, 0, 30:34, 20] = value
    model.zero_grad()
    torch.manual_seed(0)
    output = step(model, broken)
    logits, found = output.logits, output.trace.located
    assert torch.equal(logits[[0, 2]].isfinite(), torch.ones_like(clean[:2]).bool())
    if arm["crop"] != "coarse":  # whose training draws a jitter
        assert torch.equal(logits[[0, 2]], clean[[0, 2]])
        assert torch.equal(
            found.image_from_input[[0, 2]], located.image_from_input[[0, 2]]
        )
    assert torch.equal(
        found.image_from_canonical[[0, 2]], located.image_from_canonical[[0, 2]]
    )
    assert found.fallback.tolist() == [False, True, False]
    if output.trace.warped is not None:
        assert not output.trace.warped_valid[1]
    assert logits.isfinite().all()
    logits.square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_training_steps_with_supervision_return_a_trace(slices):
    model, supervision = network(crop="stn").train(), known()
    trace = model(slices, supervision).trace
    assert trace.supervision is supervision
    assert trace.raw.shape == (3, 4)
    assert model.eval()(slices, supervision).trace is None


@pytest.mark.parametrize("training", [True, False])
def test_without_supervision_the_logits_alone_are_returned(slices, training):
    """As nnU-Net's validation and its sliding window call a network."""
    model = network(crop="stn", deep=True).train(training)
    torch.manual_seed(0)
    levels = model(slices)
    torch.manual_seed(0)
    supervised = model(slices, known())
    assert isinstance(levels, list)
    for level, other in zip(levels, supervised.logits, strict=True):
        assert torch.equal(level, other)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("arm", [ARMS[2], ARMS[6]])
def test_convention_a_network_is_one_graph_for_dynamo(slices, arm, training):
    """With and without supervision: nothing breaks out of the graph."""
    model = network(**arm, deep=True).train(training)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch._dynamo.reset()
    oracle = has_oracle(arm)
    for arguments in [(slices, known())] + [(slices,)] * (not oracle):
        torch.manual_seed(0)
        expected = model(*arguments)
        torch.manual_seed(0)
        found = compiled(*arguments)
        assert type(found) is type(expected)
        if isinstance(found, Output):
            assert (found.trace is None) == (not training)
            found, expected = found.logits, expected.logits
        for level, other in zip(found, expected, strict=True):
            torch.testing.assert_close(level, other)


def test_convention_a_warped_copys_pose_is_brought_back_to_the_slice():
    """The moments follow the warp, so both say nearly the same of the slice."""
    bodies = torch.cat(
        [ellipse(0.1, -0.05, 0.6, 0.4), ellipse(-0.2, 0.1, 0.5, 0.3)] * 8
    )
    slices = torch.where(bodies > 0, 0.0, AIR)
    model = network(warps=0.25)
    trace = step(model, slices).trace
    log_scale, angle, shift = parameters(
        compose(invert(trace.located.image_from_canonical), trace.warped)
    )
    assert trace.warped_valid.all()
    # A warp of a quarter of the range turns by 11 degrees and shifts by 0.1 of 1.
    assert angle.abs().max() < math.radians(3)
    assert log_scale.abs().max() < 0.06
    assert shift.abs().max() < 0.03
    assert (trace.warped - trace.located.image_from_canonical).any()


def test_no_warped_copy_without_a_share_or_a_localiser(slices):
    for model in (network(warps=0.0), network(normaliser="moments")):
        trace = step(model, slices).trace
        assert trace.warped is None
        assert trace.warped_valid is None


@pytest.mark.parametrize("arm", ARMS)
def test_locate_shares_one_pose_and_one_window_over_a_case(slices, arm):
    model = network(**arm).eval()
    if arm["normaliser"] == "stn":
        model.normaliser.localiser.output.weight.data.normal_(std=0.1)
    oracle_input = known() if has_oracle(arm) else None
    located = model.locate(slices, oracle_input)
    for name in ("image_from_canonical", "canonical_from_crop", "image_from_input"):
        entry = getattr(located, name)
        if entry is None:
            assert arm["crop"] == "none"
            continue
        assert entry.shape == (3, 2, 3)
        assert (entry == entry[0]).all()
    single = located.image_from_single
    measures = arm["normaliser"] in ("moments", "stn")
    assert (single != single[0]).any() == measures
    expected = agree(single, ~located.fallback)
    assert torch.equal(located.image_from_canonical[0], expected[0])
    if located.coarse_logits is not None:
        assert located.coarse_logits.shape == (3, 3, 32, 32)
    # Segmenting part of the case is segmenting that part of all of it.
    with torch.inference_mode():
        whole = model.segment(slices, located)
        part = model.segment(slices[1:], located[1:])
    torch.testing.assert_close(whole[1:], part, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("arm", ARMS)
def test_locate_of_a_long_case_works_in_parts(slices, arm):
    """More slices than the small networks see at once, of which most are the first."""
    model = network(**arm).eval()
    case = torch.cat([slices[:1].expand(66, -1, -1, -1), slices])
    located = model.locate(case, known(69) if has_oracle(arm) else None)
    assert located.image_from_input.shape == (69, 2, 3)
    assert located.fallback.shape == located.at_bound.shape == (69,)
    common = located.image_from_canonical[0]
    torch.testing.assert_close(common, located.image_from_single[0], atol=1e-6, rtol=0)
    assert len(located[60:68].image_from_input) == 8


@pytest.mark.parametrize("normaliser", ["moments", "stn"])
def test_slices_without_body_follow_those_that_show_one(slices, normaliser):
    model = network(normaliser=normaliser).eval()
    air = torch.full((5, 1, SIZE, SIZE), AIR)
    broken = slices[:1].clone()
    broken[..., 5, 5] = math.nan
    case = torch.cat([air, slices, broken])
    located = model.locate(case)
    assert located.fallback.tolist() == [True] * 5 + [False] * 3 + [True]
    alone = model.locate(slices)
    torch.testing.assert_close(
        located.image_from_canonical[0],
        alone.image_from_canonical[0],
        atol=1e-6,
        rtol=0,
    )
    assert torch.equal(located.image_from_single[:5], identity(5))


@pytest.mark.parametrize("arm", ARMS)
def test_broken_values_do_not_reach_the_logits_of_a_located_case(slices, arm):
    model = network(**arm).eval()
    broken = slices.clone()
    broken[1, 0, 30:34, 20] = math.nan
    with torch.inference_mode():
        located = model.locate(broken, known() if has_oracle(arm) else None)
        logits = model.segment(broken, located)
        aired = broken.nan_to_num(AIR)
        assert torch.equal(logits, model.segment(aired, located))
    assert logits.isfinite().all()
    assert located.fallback.tolist() == [False, True, False]


@pytest.mark.parametrize("normaliser", ["moments", "stn"])
def test_more_air_around_the_slice_moves_the_view_by_nothing(slices, normaliser):
    """In the slice's own units: the padded square is twice as wide."""
    model = network(normaliser=normaliser).eval()
    padded = functional.pad(slices, [SIZE // 2] * 4, value=AIR)
    plain = model.locate(slices).image_from_single
    # The same network on the same pixels: a matrix of twice the side.
    model.seen_size *= 2
    found = model.locate(padded).image_from_single
    log_scale, angle, shift = parameters(compose(invert(plain), found))
    # Only the silhouette's own pixels differ: 32 of the padded, 32 of the plain slice.
    assert angle[:2].abs().max() < math.radians(4)
    assert (log_scale - math.log(0.5)).abs().max() < 0.1
    torch.testing.assert_close(found[:, :, 2], plain[:, :, 2] / 2, atol=0.02, rtol=0)
    assert shift.isfinite().all()


def test_calibration_measures_outlines_in_the_canonical_frame():
    cases = known(3)
    for normaliser, scale in (("stn", math.exp(0.15)), ("none", 1.0)):
        model = network(normaliser=normaliser, crop="stn")
        outlines = torch.cat([0.6 * cases.outline[:1], cases.outline[1:] * 4])
        large = replace(cases, outline=outlines)
        model.calibrate(large)
        # The largest rings have a radius of 0.48: octagons whose extent is their
        # diameter times cos(22.5 degrees) or more, whichever way they are turned.
        half_side = model.crop.half_side.item() * scale / 1.1
        assert 0.48 * math.cos(math.pi / 8) - 1e-3 <= half_side <= 0.48 + 1e-3
    for crop in ("none", "oracle", "coarse"):
        network(crop=crop).calibrate(cases)  # nothing to set


@pytest.mark.parametrize("arm", ARMS)
def test_convention_names_of_parameters_which_checkpoints_hold(arm):
    model = network(**arm)
    parts = {"unet": model.unet}
    if arm["normaliser"] == "stn":
        parts["normaliser.localiser"] = model.normaliser.localiser
    if arm["crop"] in (*STN_CROPS, "coarse"):
        parts["crop.coarse"] = model.crop.coarse
    expected = {
        f"{k}.{name}" for k, part in parts.items() for name in part.state_dict()
    }
    if arm["crop"] in STN_CROPS:
        expected.add("crop.half_side")
    assert set(model.state_dict()) == expected


def test_state_dict_keeps_the_size_of_the_crop(slices):
    model = network(crop="stn", side=32).eval()
    model.crop.half_side.fill_(0.45)
    other = network(crop="stn", side=32).eval()
    for parameter in other.parameters():
        torch.nn.init.constant_(parameter, 0.01)
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    assert other.crop.half_side == pytest.approx(0.45)
    assert torch.equal(model(slices), other(slices))


@pytest.mark.parametrize("arm", ARMS)
def test_geometry_is_float32_under_autocast(slices, arm):
    model = network(**arm).eval()
    oracle_input = known() if has_oracle(arm) else None
    with torch.inference_mode():
        plain = model.locate(slices, oracle_input)
        with torch.autocast("cpu", torch.bfloat16):
            cast = model.locate(slices, oracle_input)
            logits = model.segment(slices, cast)
    assert cast.image_from_input.dtype == torch.float32
    assert logits.dtype == torch.float32
    torch.testing.assert_close(cast.image_from_canonical, plain.image_from_canonical)


def test_pose_parameters_are_the_localisers(slices):
    model = network(crop="stn")
    own = {id(p) for p in model.pose_parameters()}
    assert own == {id(p) for p in model.normaliser.localiser.parameters()}
    assert network(normaliser="moments", crop="stn").pose_parameters() == []


@pytest.mark.parametrize("arm", ARMS)
def test_a_front_end_is_small(arm):
    config = load_config([Path(__file__).parents[2] / "config/config.yaml"])
    settings = asdict(config.localiser)
    normaliser = NORMALISERS[arm["normaliser"]](settings, air=AIR)
    size = settings["input_size"]
    crop = CROPS[arm["crop"]](settings, num_classes=3, size=size, extent=(512, 512))
    counts = [sum(p.numel() for p in part.parameters()) for part in (normaliser, crop)]
    assert sum(counts) < 1_000_000


VOLUME = (16, 24, 32)
"""Voxels of a cube that are no cubes."""


def network_of_volumes(normaliser, *, crop="none", seen=VOLUME) -> STNUNet:
    torch.manual_seed(3)
    settings = LOCALISER | {"truncation_share": 1.0}
    shape = NetworkConfig(4, 8, 1, 4)
    return get_network_from_plans(
        FRONT_ENDS["stn"].network,
        unet_kwargs_of([[1] * 3, [2] * 3], [[3] * 3] * 2, shape)
        | {
            "matrix_size": list(VOLUME),
            "network_input_size": list(seen),
            "air": AIR,
            "normaliser": normaliser,
            "crop": crop,
            "localiser": settings,
        },
        KWARGS_TO_IMPORT,
        1,
        3,
        deep_supervision=True,
    )


def volumes():
    points = pixel_centres(VOLUME)[0]
    shapes = [((0.1, -0.05, 0.1), (0.7, 0.5, 0.6)), ((-0.2, 0.1, 0.0), (0.5, 0.4, 0.7))]
    return (
        torch.stack(
            [
                ((points - torch.tensor(centre)) / torch.tensor(axes)).norm(dim=1).lt(1)
                for centre, axes in shapes
            ]
        )
        .float()
        .view(2, 1, *VOLUME)
        * -AIR
        + AIR
    )


def test_logits_of_a_volume_return_through_the_inverse():
    """Where the U-Net answers what it sees, the volume comes back as it was."""
    model = network_of_volumes("oracle").eval()
    levels = [lambda view: view, lambda view: functional.avg_pool3d(view, 2)]
    model.unet.forward = lambda view: [level(view).expand(-1, 3, -1, -1, -1)
                                       for level in levels]  # fmt: skip
    rows = torch.tensor([[0.2, 0.1, -0.1, 0.3, 0.05, -0.1, 0.1]])
    pose = of_rows(rows.expand(2, 7))
    known = Supervision(pose, torch.empty(2, 0, 3))
    points = pixel_centres(VOLUME)[0] - torch.tensor([0.1, 0.05, -0.1])
    smooth = (
        (-(points**2).sum(1) / 0.4).exp().view(1, 1, *VOLUME).expand(2, 1, -1, -1, -1)
    )
    located = model.locate(smooth, known)
    assert torch.equal(located.image_from_canonical, pose)
    (logits,) = model.segment(smooth, located)
    assert logits.shape == (2, 3, *VOLUME)
    inner = (..., slice(5, 11), slice(8, 17), slice(10, 24))
    assert (logits[inner] - smooth[inner]).abs().max() < 0.05
    # Far corners were not seen: certain background.
    assert logits[0, 0, 0, 0, 0] == BACKGROUND_LOGIT


def test_a_cropped_volume_returns_and_the_coarse_answers_beyond():
    """Half of the voxels in a cube of half the side: nothing is lost inside of it."""
    half = tuple(side // 2 for side in VOLUME)
    model = network_of_volumes("none", crop="stn", seen=half).eval()
    model.crop.half_side.fill_(0.5)
    model.unet.forward = lambda view: [view.expand(-1, 3, -1, -1, -1)] * 2
    coarse = torch.zeros(1, 3, *[model.seen_size] * 3)
    coarse[:, 2] = 7.0
    # Found around x from 0 to 0.5, y from -0.5 to 0, z from -0.25 to 0.25.
    n = model.seen_size
    coarse[:, 1, 3 * n // 8 : 5 * n // 8, n // 4 : n // 2, n // 2 : 3 * n // 4] = 9.0
    coarse[:, 0] = 8.0
    model.crop.coarse.forward = lambda view: coarse.expand(len(view), -1, -1, -1, -1)
    image = volumes()[:1]
    located = model.locate(image)
    window = located.canonical_from_crop[0]
    assert window[:, :3].diagonal().tolist() == pytest.approx([0.5] * 3)
    assert (window[:, 3] - torch.tensor([0.25, -0.25, 0.0])).abs().max() < 0.25
    (logits,) = model.segment(image, located)
    assert logits.shape == (1, 3, *VOLUME)
    points = pixel_centres(VOLUME)[0]
    offset = (points - window[:, 3]).abs().amax(1).view(VOLUME)
    inside = offset < 0.3
    at_centres = model.view(image, located).shape
    assert at_centres == (1, 1, *half)
    seen, known = logits[0, :, inside], image[0, :, inside]
    # On a grid of the same density, half a voxel off at most: edges blur, no more.
    assert (seen - known).abs().median() < 1e-3
    beyond = offset > 0.55
    assert (logits[0, 2, beyond] == 7).all()


def test_a_crop_of_volumes_learns_from_coverage_and_labels():
    model = network_of_volumes("stn", crop="stn")
    batch = volumes()
    corners = torch.tensor([[-0.3, -0.2, -0.1], [0.3, 0.2, 0.1]]).expand(2, 2, 3)
    output = model(batch, Supervision(identity(2, dimensions=3), corners))
    assert output.trace.located.canonical_from_crop.shape == (2, 3, 4)
    labels = (batch > AIR / 2).to(torch.int16)
    weights = dict.fromkeys(
        ("pose_weight", "residual_weight", "coarse_weight", "coverage_weight"), 1.0
    )
    STNLoss(lambda *_: 0.0, weights)(output, [labels]).backward()
    coarse = next(model.crop.coarse.parameters())
    assert coarse.grad.abs().sum() > 0


def test_volumes_are_located_one_by_one_and_their_localiser_learns():
    model = network_of_volumes("stn")
    batch = volumes()
    unmoved = identity(2, dimensions=3)
    output = model(batch, Supervision(unmoved, torch.empty(2, 0, 3)))
    assert output.trace.warped.shape == (2, 3, 4)
    assert output.trace.raw.shape == (2, 7)
    assert output.trace.warped_valid.all()
    loss = pose_loss(
        [output.trace.located.image_from_canonical, output.trace.warped],
        unmoved,
        [~output.trace.located.fallback, output.trace.warped_valid],
    )
    loss.backward()
    assert model.normaliser.localiser.output.weight.grad.abs().sum() > 0
    model.eval()
    both = model.locate(batch).image_from_canonical
    alone = torch.cat([model.locate(one[None]).image_from_canonical for one in batch])
    torch.testing.assert_close(both, alone)
    # At first it says what the moments say: bodies lie at their centres.
    assert both[:, :, 3].tolist() == [
        pytest.approx([0.1, -0.05, 0.1], abs=0.02),
        pytest.approx([-0.2, 0.1, 0.0], abs=0.02),
    ]
