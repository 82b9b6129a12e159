import math
from pydoc import locate

import pytest
import torch
from torch import nn

from deeprac.geometry.similarity import (
    compose,
    identity,
    invert,
    of_rows,
    similarity,
    window,
)
from deeprac.networks.crops import CoarseCrop, STNCrop
from deeprac.networks.front_end import Output, Supervision
from deeprac.networks.stn_unet import STNUNet
from deeprac.networks.unet import KWARGS_TO_IMPORT, unet_kwargs
from deeprac.settings.training import NetworkConfig
from deeprac.training.losses import (
    STNLoss,
    coarse_loss,
    coverage_loss,
    pose_loss,
)
from support.toy_cohort import small_networks


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def of_one_group(predicted, target, valid):
    return pose_loss([predicted], target.expand_as(predicted), [valid])


def one_pixel(row, column, size=4):
    mask = torch.zeros(1, 1, size, size)
    mask[..., row, column] = 1
    return mask


def crop(half_side, x=0.0, y=0.0):
    return window(torch.tensor([[half_side] * 2]), torch.tensor([[x, y]]))


def test_coverage_is_zero_inside_and_squared_distance_outside():
    # Pixel centres of 4 lie at -0.75, -0.25, 0.25, 0.75; row 2, column 3: (0.75, 0.25).
    pixel = one_pixel(2, 3)
    assert coverage_loss(pixel, identity(1)) == 0  # 0.75 is inside 0.9
    # In a window of half side 0.5 it lies at 1.5: 0.6 beyond 0.9.
    assert coverage_loss(pixel, crop(0.5)).item() == pytest.approx(0.36)
    # In one of half side 0.8 at 0.9375: inside the crop, yet in its rim.
    assert coverage_loss(pixel, crop(0.8)).item() == pytest.approx(0.0375**2, rel=1e-4)


@pytest.mark.parametrize("half_side", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.1, -0.2), (-0.05, 0.1)])
def test_coverage_is_zero_if_and_only_if_all_labels_are_inside(half_side, centre):
    generator = torch.Generator().manual_seed(int(10 * half_side))
    labels = (torch.rand(1, 1, 8, 8, generator=generator) > 0.9).float()
    labels[..., 3, 5] = 1  # (0.375, -0.125)
    rows, columns = torch.nonzero(labels[0, 0]).unbind(1)
    x, y = (2 * columns + 1) / 8 - 1, (2 * rows + 1) / 8 - 1
    reach = (
        torch.maximum((x - centre[0]).abs(), (y - centre[1]).abs()).max() / half_side
    )
    covered = reach <= 0.9
    assert (coverage_loss(labels, crop(half_side, *centre)) == 0) == covered


def test_coverage_gradient_points_inward():
    pixel = one_pixel(1, 3)  # (0.75, -0.25)
    centre = torch.tensor([[0.0, 0.0]], requires_grad=True)
    half_side = torch.tensor([[0.5, 0.5]], requires_grad=True)
    coverage_loss(pixel, window(half_side, centre)).backward()
    # Descending moves the crop to the pixel in x, where it leaves, and widens it.
    assert centre.grad[0, 0] < 0
    assert centre.grad[0, 1] == 0
    assert half_side.grad[0, 0] < 0


def test_coverage_of_no_labels_is_zero():
    assert coverage_loss(torch.zeros(2, 1, 4, 4), crop(0.3).expand(2, 2, 3)) == 0


def test_convention_coverage_reads_image_from_input():
    pixel = one_pixel(0, 3, 8)  # x = -0.125, y = -0.875
    right_half = crop(0.5, 0.0, -0.5)
    assert coverage_loss(pixel, right_half) == 0
    assert coverage_loss(pixel, invert(right_half)) > 0


def pose(log_scale=0.0, angle=0.0, x=0.0, y=0.0):
    """One similarity as a batch of one."""
    scalars = torch.tensor([log_scale]), torch.tensor([angle])
    return similarity(*scalars, torch.tensor([[x, y]]))


TRUSTED = torch.tensor([True])


@pytest.mark.parametrize(
    ("error", "expected"),
    # Smooth L1 of an error in units of 0.1: e^2 / 2 below one unit, e - 1/2 above.
    [
        ({"log_scale": 0.05}, 0.125),
        ({"log_scale": -0.3}, 2.5),
        ({"angle": 0.05}, 0.125),
        ({"angle": -0.3}, 2.5),
        ({"x": 0.05}, 0.125),
        ({"y": -0.3}, 2.5),
        ({"log_scale": 0.05, "angle": 0.3, "x": -0.05, "y": 0.1}, 0.25 + 2.5 + 0.5),
        ({"angle": math.pi}, 0.0),
        ({"angle": math.pi - 0.05}, 0.125),
    ],
)
def test_pose_loss_by_hand(error, expected):
    assert of_one_group(pose(**error), pose(), TRUSTED).item() == pytest.approx(
        expected, abs=2e-5
    )
    # The same error of another target, whose shift is not turned or zoomed.
    offset = {"log_scale": -0.4, "angle": 0.5, "x": 0.2, "y": -0.1}
    moved = pose(**{name: offset[name] + error.get(name, 0.0) for name in offset})
    assert of_one_group(moved, pose(**offset), TRUSTED).item() == pytest.approx(
        expected, abs=2e-5
    )


def test_pose_loss_is_the_mean_over_trusted_slices():
    predicted = torch.cat([pose(log_scale=0.3), pose(), pose(x=9.0)])
    target = identity(3)
    some = torch.tensor([True, True, False])
    assert of_one_group(predicted, target, some).item() == pytest.approx(1.25, abs=1e-5)
    assert of_one_group(predicted, target, torch.zeros(3).bool()) == 0


def test_pose_loss_slopes_towards_the_target():
    leaf = torch.tensor([[0.2, -0.25, 0.04, -0.3]], requires_grad=True)
    predicted = similarity(leaf[:, 0], leaf[:, 1], leaf[:, 2:])
    of_one_group(predicted, identity(1), TRUSTED).backward()
    # Beyond one unit the slope is 1 per unit of 0.1, below it is the error in units.
    assert leaf.grad[0].tolist() == pytest.approx([10, -10, 4, -10], rel=1e-3)


def test_pose_loss_of_untrusted_slices_has_no_gradient():
    leaf = torch.tensor([[0.2, -0.25, 0.04, -0.3]], requires_grad=True)
    predicted = similarity(leaf[:, 0], leaf[:, 1], leaf[:, 2:])
    of_one_group(predicted, identity(1), ~TRUSTED).backward()
    assert (leaf.grad == 0).all()


def shares():
    """One-hot labels: kidney top left, tumour below it, background elsewhere."""
    labels = torch.zeros(2, 3, 8, 8)
    labels[:, 1, :3, :2] = 1
    labels[0, 2, 3:5, :2] = 1
    labels[:, 0] = 1 - labels[:, 1:].sum(1)
    return labels


def test_coarse_loss_of_perfect_logits_is_zero():
    labels = shares()
    assert coarse_loss(40 * labels, labels).item() == pytest.approx(0, abs=1e-4)


def test_coarse_loss_of_ignorance_by_hand():
    # Uniform logits: cross entropy ln 3; kidney Dice 2 * 12/3 / (128/3 + 12),
    # tumour 2 * 4/3 / (128/3 + 4).
    kidney, tumour = 8 / (128 / 3 + 12), (8 / 3) / (128 / 3 + 4)
    expected = 1.0986123 + 1 - (kidney + tumour) / 2
    loss = coarse_loss(torch.zeros(2, 3, 8, 8), shares())
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_coarse_loss_of_swapped_labels_is_large_and_differentiable():
    labels = shares()
    logits = (40 * labels.roll(1, 1)).requires_grad_()
    loss = coarse_loss(logits, labels)
    loss.backward()
    assert loss > 20
    assert logits.grad.isfinite().all()


WEIGHTS = {
    "pose_weight": 1.0,
    "coarse_weight": 1.0,
    "coverage_weight": 1.0,
    "residual_weight": 1e-4,
}


class MeanLogit(nn.Module):
    """Stands in for nnU-Net's loss."""

    def forward(self, output, target):
        return output[0].mean()


@pytest.fixture(
    params=[
        ("stn", "none"),
        ("stn", "stn"),
        ("moments", "coarse"),
        ("oracle", "oracle"),
    ],
    ids="-".join,
)
def model(request):
    torch.manual_seed(0)
    kwargs = unet_kwargs(32, NetworkConfig(4, 8, 1, 4))
    kwargs |= {key: kwargs[key] and locate(kwargs[key]) for key in KWARGS_TO_IMPORT}
    localiser = {
        "input_size": 32,
        "base_features": 4,
        "canonical_radius": 0.4,
        "max_log_scale": 0.6931,
        "max_angle_deg": 45,
        "max_shift": 0.35,
        "crop_margin": 0.1,
        "segmentation_gradient": 1.0,
        "warp_share": 1.0,
    }
    normaliser, crop = request.param
    return STNUNet(
        1,
        3,
        matrix_size=32,
        network_input_size=32,
        air=-2.0,
        normaliser=normaliser,
        crop=crop,
        localiser=localiser,
        deep_supervision=True,
        **kwargs,
    )


@pytest.fixture
def batch():
    image = torch.full((2, 1, 32, 32), -2.0)
    image[..., 6:26, 4:28] = 0.0
    image[..., 12:18, 18:23] = 1.5
    labels = (image > 1).float()
    labels[0, :, 14:16, 20:22] = 2
    return image, [labels, labels[..., ::2, ::2], labels[..., ::4, ::4]]


def known(batch=2) -> Supervision:
    """A target off the moments' estimate, and the box of the labels above."""
    corners = torch.tensor([[18.0, 12.0], [23.0, 12.0], [23.0, 18.0], [18.0, 18.0]])
    return Supervision(
        pose(0.1, 0.2, 0.05, -0.05).expand(batch, 2, 3),
        (corners / 16 - 1).expand(batch, 4, 2),
    )


def step(model, image) -> Output:
    """Output of a training step."""
    return model.train()(image, known(len(image)))


def test_evaluating_leaves_nnunets_loss_alone(model, batch):
    image, target = batch
    loss = STNLoss(MeanLogit(), WEIGHTS)
    output = model.eval()(image, known())
    alone = output.logits[0].mean()
    assert loss(output, target) == loss(output.logits, target) == alone


def test_training_adds_the_front_ends_losses(model, batch):
    image, target = batch
    output = step(model, image)
    alone = output.logits[0].mean()
    whole = STNLoss(MeanLogit(), WEIGHTS)(output, target)
    trace = output.trace
    if trace.raw is None and trace.located.coarse_logits is None:
        assert whole == alone  # the oracle has nothing to learn
    else:
        assert whole > alone + 0.1
    nothing = dict.fromkeys(WEIGHTS, 0.0)
    assert STNLoss(MeanLogit(), nothing)(output, target) == alone


class Silence(nn.Module):
    """Stands in for nnU-Net's loss where only the localiser's count."""

    def forward(self, output, target):
        return output[0].new_zeros(())


def learns(head):
    """Whether any gradient reached a module; all of it has to be finite."""
    grads = [p.grad for p in head.parameters() if p.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)
    return any(grad.abs().max() > 0 for grad in grads)


@pytest.mark.parametrize(
    ("name", "pupil"),
    [
        ("residual_weight", "pose"),
        ("pose_weight", "pose"),
        ("coarse_weight", "coarse"),
        ("coverage_weight", "coarse"),
    ],
)
def test_every_loss_teaches_one_part_of_the_front_end(model, batch, name, pupil):
    """Pose must not become what is easy to segment, nor what is easy to cover."""
    image, target = batch
    heads = {"unet": model.unet}
    if model.pose_parameters():
        heads["pose"] = model.normaliser
        torch.nn.init.constant_(model.normaliser.localiser.output.bias, 0.3)
        torch.nn.init.normal_(model.normaliser.localiser.output.weight, std=0.1)
    if list(model.crop.parameters()):
        heads["coarse"] = model.crop
    if isinstance(model.crop, STNCrop):
        model.crop.half_side.fill_(0.1)  # small enough to lose labels
    weights = dict.fromkeys(WEIGHTS, 0.0) | {name: 1.0}
    loss = STNLoss(Silence(), weights)(step(model, image), target)
    boxed = isinstance(model.crop, CoarseCrop) and name == "coverage_weight"
    if pupil not in heads or boxed:  # no gradient reaches the box of a cascade
        assert loss == 0
        return
    assert loss > 0
    loss.backward()
    assert {head for head, part in heads.items() if learns(part)} == {pupil}


@pytest.mark.parametrize("model", [("stn", "none")], ids="-".join, indirect=True)
def test_slices_without_body_have_no_say_in_the_of_one_group(model, batch):
    image, target = batch
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"pose_weight": 1.0}
    model.warp_share = 0.0
    broken = image[:1].clone()
    broken[..., 3, 3] = math.nan
    air = torch.full_like(broken, -2.0)
    losses = []
    for slices in (image, torch.cat([image, air, broken])):
        loss = STNLoss(Silence(), weights)(step(model, slices), target)
        losses.append(loss.item())
    assert losses[0] > 0.1
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.parametrize("model", [("stn", "none")], ids="-".join, indirect=True)
def test_the_pose_loss_is_that_of_the_slices_and_that_of_their_warped_copies(
    model, batch
):
    image, target = batch
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"pose_weight": 3.0}
    output = step(model, torch.cat([image, torch.full_like(image, -2.0)]))
    trace = output.trace
    goal = trace.supervision.image_from_canonical
    assert trace.warped_valid.tolist() == [True, True, False, False]
    slices = of_one_group(
        trace.located.image_from_canonical[:2], goal[:2], trace.warped_valid[:2]
    )
    copies = of_one_group(trace.warped[:2], goal[:2], trace.warped_valid[:2])
    assert copies > 0
    loss = STNLoss(Silence(), weights)(output, target)
    torch.testing.assert_close(loss, 3 * (slices + copies))


class Residual(nn.Module):
    """Localiser that corrects every slice by the same parameters."""

    def __init__(self):
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(1, 4))

    def forward(self, image, body):
        raw = self.raw.expand(len(image), 4)
        return similarity(raw[:, 0], raw[:, 1], raw[:, 2:]), raw


@pytest.mark.parametrize("model", [("stn", "none")], ids="-".join, indirect=True)
def test_the_pose_is_drawn_to_the_target_from_the_slice_and_from_a_warped_copy(model):
    """Descent finds the target, which no silhouette shows, to the last digits."""
    model.normaliser.localiser = Residual()
    image = torch.full((4, 1, 32, 32), -2.0)
    image[..., 6:26, 4:28] = 0.0
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"pose_weight": 1.0}
    model.warp_share = 0.2  # of a box on 32 pixels, of which the moments are exact
    optimizer = torch.optim.Adam(model.normaliser.parameters(), 0.02)
    goal = known(4).image_from_canonical
    for _ in range(60):
        optimizer.zero_grad()
        output = step(model, image)
        STNLoss(Silence(), weights)(output, []).backward()
        optimizer.step()
    trace = output.trace
    torch.testing.assert_close(
        trace.located.image_from_canonical, goal, atol=0.04, rtol=0
    )
    torch.testing.assert_close(trace.warped, goal, atol=0.12, rtol=0)
    assert trace.warped_valid.all()


class Logits(nn.Module):
    """Coarse segmentation that answers every slice with the same parameters."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(1, 3, 32, 32))

    def forward(self, image):
        return self.logits.expand(len(image), -1, -1, -1)


@pytest.mark.parametrize("model", [("stn", "stn")], ids="-".join, indirect=True)
def test_coverage_draws_the_crop_to_the_labels_through_the_coarse_head(model):
    model.crop.coarse = Logits()
    model.crop.half_side.fill_(0.3)
    image = torch.full((1, 1, 32, 32), -2.0)
    image[..., 4:28, 4:28] = 0.0  # RMS radius 0.75 / sqrt(3): 1.08 of the canonical
    labels = torch.zeros(1, 1, 32, 32)
    labels[..., 14:18, 24:27] = 1  # right of the crop, at its height
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"coverage_weight": 1.0}
    STNLoss(Silence(), weights)(step(model, image), [labels]).backward()
    gradient = model.crop.coarse.logits.grad[0]
    kidney, background = gradient[1].sum(0), gradient[0].sum(0)
    # Descent raises kidney on the right and lowers it on the left.
    assert kidney[16:].sum() < 0 < kidney[:16].sum()
    assert background[:16].sum() < 0 < background[16:].sum()
    vertical = gradient[1].sum(1)
    assert vertical[:16].sum() == pytest.approx(vertical[16:].sum().item(), abs=1e-6)


@pytest.mark.slow
def test_a_batch_can_be_learned_by_heart(model, batch):
    """Network, front end and all losses together."""
    image, target = batch
    # Half a kidney, and darker: else two equal slices would differ in their labels.
    target[0][0, :, 15:18, 18:23] = 2
    image[target[0] == 2] = 0.7
    entropy = nn.CrossEntropyLoss()

    class Entropy(nn.Module):
        def forward(self, output, target):
            return entropy(output[0], target[0][:, 0].long())

    loss = STNLoss(Entropy(), WEIGHTS)
    model.warp_share = 0.0
    # As the trainer does: the localiser learns at a tenth of the rate.
    pose = model.pose_parameters()
    rest = [p for p in model.parameters() if all(p is not own for own in pose)]
    groups = [{"params": rest}] + [{"params": pose, "lr": 0.001}] * bool(pose)
    optimizer = torch.optim.Adam(groups, 0.01)
    values = []
    for _ in range(170):
        optimizer.zero_grad()
        output = step(model, image)
        value = loss(output, target)
        value.backward()
        nn.utils.clip_grad_norm_(pose, 1.0)
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.1 * values[0]
    assert entropy(output.logits[0], target[0][:, 0].long()) < 0.1
    trace = output.trace
    if trace.raw is not None:
        found, goal = trace.located, trace.supervision
        torch.testing.assert_close(
            found.image_from_canonical, goal.image_from_canonical, atol=0.02, rtol=0
        )


def test_the_loss_has_no_parameters_of_its_own():
    assert list(STNLoss(MeanLogit(), WEIGHTS).parameters()) == []


def test_pose_loss_of_a_volume_by_hand():
    target = of_rows(torch.tensor([[0.1, 0.3, -0.2, 0.5, 0.1, 0.2, -0.1]]))
    # Half as large again, 0.05 too far along z, and turned by 0.2 about its own y.
    error = of_rows(torch.tensor([[0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0]]))
    found = compose(target, error)
    found[:, :, :3] *= math.exp(0.4)
    found[:, 2, 3] += 0.05
    valid = torch.tensor([True])
    # In units of 0.1: 4 - 1/2 of the scale, 2 - 1/2 of the angle, 0.5^2 / 2 of z.
    assert pose_loss([found], target, [valid]).item() == pytest.approx(
        3.5 + 1.5 + 0.125, rel=1e-3
    )
    # A half turn about an axis of the silhouette is no error.
    upside_down = target.clone()
    upside_down[:, :, :2] *= -1
    assert pose_loss([upside_down], target, [valid]).item() == pytest.approx(
        0, abs=1e-4
    )
    assert pose_loss([found], target, [~valid]).item() == 0
