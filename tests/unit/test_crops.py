import math

import pytest
import torch

from deeprac.geometry.similarity import transform_points
from deeprac.networks.crops import (
    CHUNK,
    CROPS,
    JITTER,
    STRAY_MASS,
    extents,
    foreground,
    pooled,
)
from deeprac.networks.window_shape import MIN_HALF_SIDE
from support.toy_cohort import small_networks

SIZE = 32
SETTINGS = {"crop_margin": 0.1, "base_features": 4, "crop_size": "cohort"}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


class Finds(torch.nn.Module):
    """Coarse segmentation that finds the given pixels, slice by slice.

    Args:
        spots: (rows, columns) of each slice, as slices.
    """

    def __init__(self, *spots):
        super().__init__()
        self.spots = spots

    def forward(self, view):
        logits = torch.zeros(len(view), 3, SIZE, SIZE)
        logits[:, 0] = 20
        for index, spot in enumerate(self.spots):
            logits[(index, 1, *spot)] = 40
        return logits


NOTHING = (slice(0, 0), slice(0, 0))
KIDNEY = (slice(12, 16), slice(20, 24))
"""x from 0.25 to 0.5, y from -0.25 to 0."""
FAR = (slice(28, 32), slice(0, 4))
"""x from -1 to -0.75, y from 0.75 to 1."""


def build(name, coarse=None, **settings):
    torch.manual_seed(0)
    crop = CROPS[name](
        SETTINGS | settings,
        num_classes=3,
        size=SIZE,
        extent=(16, 32) if name.endswith("rectangle") else (32, 32),
    ).eval()
    if coarse is not None:
        crop.coarse = coarse
    return crop


def views(batch):
    return torch.zeros(batch, 1, SIZE, SIZE)


def outline(low_x, low_y, high_x, high_y, batch=1):
    corners = [[low_x, low_y], [high_x, low_y], [high_x, high_y], [low_x, high_y]]
    return torch.tensor(corners).expand(batch, 4, 2)


def window_of(found):
    """Half side, x and y of each window; they are square and upright."""
    matrix = found.canonical_from_crop
    assert (matrix[:, 0, 0] == matrix[:, 1, 1]).all()
    assert (matrix[:, 0, 1].abs() + matrix[:, 1, 0].abs() == 0).all()
    return torch.stack([matrix[:, 0, 0], matrix[:, 0, 2], matrix[:, 1, 2]], 1)


def test_without_crop_the_whole_frame_is_seen():
    found = build("none")(views(2), outline(-0.1, -0.1, 0.1, 0.1, 2))
    assert found.canonical_from_crop is None
    assert found.coarse_logits is None


def test_a_volume_is_cropped_to_the_calibrated_box_around_what_was_found():

    class FindsInSpace(torch.nn.Module):
        def forward(self, view):
            logits = torch.zeros(len(view), 3, 8, 8, 8)
            logits[:, 0] = 20
            # x from 0.25 to 0.75, y from -0.5 to 0, z from -0.25 to 0.
            logits[:, 1, 3:4, 2:4, 5:7] = 40
            return logits

    torch.manual_seed(0)
    sizes = {"num_classes": 3, "size": 8, "extent": (16, 16, 16)}
    crop = CROPS["stn"](SETTINGS, **sizes).eval()
    assert crop(torch.zeros(1, 1, 8, 8, 8)).coarse_logits.shape == (1, 3, 8, 8, 8)
    crop.coarse = FindsInSpace()
    low, high = (
        torch.tensor(corner) for corner in ((-0.3, -0.4, 0.2), (0.5, 0.2, 0.6))
    )
    crop.calibrate(torch.stack([low, high])[None])
    found = crop(torch.zeros(1, 1, 8, 8, 8), None, together=True)
    # Half of 0.8, 0.6 and 0.4, and a tenth more.
    sides = torch.tensor([0.44, 0.33, 0.22])
    torch.testing.assert_close(found.canonical_from_crop[0, :, :3], sides.diag())
    # What holds the frame is the frame.
    whole = crop.shape.at(crop.shape.largest[None], torch.zeros(1, 3))
    torch.testing.assert_close(whole, torch.eye(3, 4)[None])
    again = CROPS["stn"](SETTINGS, **sizes)
    again.load_state_dict(crop.state_dict(), strict=False)
    torch.testing.assert_close(again.half_side * again.shape.sides, sides)
    centre = found.canonical_from_crop[0, :, 3]
    torch.testing.assert_close(
        centre, torch.tensor([0.5, -0.25, -0.125]), atol=0.06, rtol=0
    )
    assert not found.fallback.any()
    assert not found.grown.any()


def test_an_oracle_sees_the_true_box_of_every_slice():
    shapes = torch.cat([outline(-0.5, 0.1, 0.3, 0.4), outline(-0.6, -0.6, 0.6, 0.0)])
    found = build("oracle")(views(2), shapes)
    expected = torch.tensor([[0.44, -0.1, 0.25], [0.66, 0.0, -0.3]])
    torch.testing.assert_close(window_of(found), expected)
    inside = transform_points(found.canonical_from_crop, torch.tensor([[[1.0, 1.0]]]))
    assert (inside[:, 0] >= shapes.amax(1)).all()


@pytest.mark.parametrize("training", [True, False])
def test_an_oracle_without_an_outline_is_an_error(training):
    with pytest.raises(ValueError, match="given the outline"):
        build("oracle").train(training)(views(1))


def test_extents_by_hand():
    mass = torch.zeros(2, 1, SIZE, SIZE)
    mass[(0, 0, *KIDNEY)] = 0.6
    low, high, found = extents(mass)
    torch.testing.assert_close(low, torch.tensor([[0.25, -0.25], [0.0, 0.0]]))
    torch.testing.assert_close(high, torch.tensor([[0.5, 0.0], [0.0, 0.0]]))
    assert found.tolist() == [True, False]


@pytest.mark.parametrize(("share", "moves"), [(0.9, False), (1.1, True)])
def test_a_box_leaves_a_little_mass_outside(share, moves):
    """A spot counts from the stated share of the mass on."""
    mass = torch.zeros(1, 1, SIZE, SIZE)
    mass[(0, 0, *KIDNEY)] = 1 / 16
    clean = extents(mass)
    mass[0, 0, 30, 1] = share * STRAY_MASS / (1 - share * STRAY_MASS)
    low, high, _ = extents(mass)
    assert (low[0, 0] == -1 + 2 / SIZE * 1) == moves
    assert (high[0, 1] == -1 + 2 / SIZE * 31) == moves
    assert torch.equal(low, clean[0]) != moves


def test_coarse_crop_is_the_box_of_what_was_found_slice_by_slice():
    crop = build("coarse", Finds(KIDNEY, NOTHING, FAR))
    found = crop(views(3))
    expected = torch.tensor(
        # A kidney of half side 0.125 is smaller than a window may be.
        [[MIN_HALF_SIDE, 0.375, -0.125], [1, 0, 0], [MIN_HALF_SIDE, -0.875, 0.875]]
    )
    torch.testing.assert_close(window_of(found), expected)
    assert found.coarse_logits.shape == (3, 3, SIZE, SIZE)


def test_coarse_crop_does_not_listen_at_inference():
    crop = build("coarse", Finds(KIDNEY))
    silent = crop(views(1))
    shown = crop(views(1), outline(-0.9, -0.9, 0.9, 0.9))
    assert torch.equal(silent.canonical_from_crop, shown.canonical_from_crop)


def test_coarse_crop_is_trained_on_the_true_box_with_jitter():
    crop = build("coarse", Finds(*[FAR] * 64)).train()
    found = window_of(crop(views(64), outline(-0.5, 0.1, 0.3, 0.4, 64)))
    side = found[:, 0] / 0.44
    offset = (found[:, 1:] - torch.tensor([-0.1, 0.25])) / 0.44
    for noise in (side - 1, offset[:, 0], offset[:, 1]):
        assert noise.abs().max() <= JITTER + 1e-5
        assert noise.abs().max() > 0.9 * JITTER  # uniform, so the bounds are reached
        assert noise.mean().abs() < 0.2 * JITTER


@pytest.mark.parametrize("name", ["coarse", "stn"])
def test_together_there_is_one_window_per_case(name):
    crop = build(name, Finds(KIDNEY, KIDNEY, NOTHING, FAR, FAR))
    if name == "stn":
        crop.half_side.fill_(0.3)
    found = window_of(crop(views(5), together=True))
    assert (found == found[0]).all()
    # Kidney and the far one show in two slices each: both are inside, and so is the
    # soft centre's prior.
    half_side, x, y = found[0].tolist()
    assert x - half_side <= -1 + 1e-5
    assert x + half_side >= 0.5
    assert y - half_side <= -0.25
    assert y + half_side >= 1 - 1e-5


@pytest.mark.parametrize("name", ["coarse", "stn"])
def test_a_spot_in_a_single_slice_does_not_move_the_cases_window(name):
    spotted = build(name, Finds(KIDNEY, KIDNEY, KIDNEY, FAR))
    clean = build(name, Finds(KIDNEY, KIDNEY, KIDNEY, NOTHING))
    for crop in (spotted, clean):
        if name == "stn":
            crop.half_side.fill_(0.3)
    one, two = (window_of(crop(views(4), together=True)) for crop in (spotted, clean))
    if name == "coarse":
        assert torch.equal(one, two)
        return
    # The soft centre sees the mean, half of a certain spot, and may follow it as far
    # as the kidney stays inside; the size does not.
    assert torch.equal(one[:, 0], two[:, 0])
    half_side, x, y = one[0].tolist()
    assert x - half_side <= 0.25
    assert x + half_side >= 0.5
    assert y - half_side <= -0.25
    assert y + half_side >= 0


def test_pooled_is_the_mean_of_the_two_most_certain():
    probability = torch.tensor([0.1, 0.9, 0.5, 0.0]).view(4, 1, 1, 1)
    assert pooled(probability, together=True).item() == pytest.approx(0.7)
    assert pooled(probability[:1], together=True).item() == pytest.approx(0.1)
    assert torch.equal(pooled(probability, together=False), probability)


def stn_crop(*spots, half_side=0.4, training=False):
    crop = build("stn", Finds(*spots)).train(training)
    crop.half_side.fill_(half_side)
    return crop


def test_stn_crop_follows_the_coarse_segmentation_and_stays_in_the_frame():
    corner = (slice(0, 4), slice(28, 32))  # centre x = 0.875, y = -0.875
    found = window_of(stn_crop(KIDNEY, corner, training=True)(views(2)))
    # 4 columns (rows) of foreground against a prior of 0.01 * 32 = 0.32.
    pull = 4 / 4.32
    expected = torch.tensor([[0.4, 0.375 * pull, -0.125 * pull], [0.4, 0.6, -0.6]])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


WIDE = (slice(10, 22), slice(4, 28))
"""x from -0.75 to 0.75."""


@pytest.mark.parametrize("together", [True, False])
def test_the_stns_window_grows_where_the_case_does_not_fit(together):
    crop = stn_crop(WIDE, WIDE)
    found = window_of(crop(views(2), together=together))
    torch.testing.assert_close(found[:, 0], torch.full((2,), 1.1 * 0.75))
    fits = window_of(stn_crop(KIDNEY, KIDNEY)(views(2), together=together))
    assert (fits[:, 0] == 0.4).all()  # it stays as calibrated, not smaller


class Unsure(torch.nn.Module):
    """Coarse segmentation of random blocks, each of its own certainty."""

    def forward(self, view):
        blocks = torch.rand(len(view), 1, 8, 8) ** 4
        probability = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
        return torch.cat([1 - probability, probability], 1).clamp_min(1e-6).log()


@pytest.mark.parametrize("together", [True, False])
def test_all_that_is_more_likely_than_not_is_inside_of_the_stns_window(together):
    """Whatever unsure foreground pulls the centre elsewhere."""
    crop = build("stn", Unsure())
    crop.half_side.fill_(0.3)
    grown = 0
    for seed in range(50):
        torch.manual_seed(seed)
        found = crop(views(2), together=together)
        likely = pooled(foreground(found.coarse_logits), together=together) > 0.5
        for index in range(len(likely)):
            rows, columns = torch.nonzero(likely[index, 0]).unbind(1)
            if not len(rows):
                continue
            half_side, x, y = window_of(found)[index].tolist()
            for pixels, centre in ((columns, x), (rows, y)):
                low, high = pixels.min() / 16 - 1, (pixels.max() + 1) / 16 - 1
                assert centre - half_side <= low + 1e-5
                assert centre + half_side >= high - 1e-5
            assert abs(x) + half_side <= 1 + 1e-5
            grown += 0.3 < half_side < 1
    assert grown > 5


def test_the_stns_window_never_leaves_the_frame():
    everything = (slice(0, SIZE), slice(0, SIZE))
    found = window_of(stn_crop(everything)(views(1)))
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0, 0.0]]))


@pytest.mark.parametrize("crop_size", ["cohort", "patient"])
def test_the_stns_window_has_in_training_the_size_that_the_case_needs(crop_size):
    """By the true box with jitter; the coarse segmentation says nothing of it."""
    crop = build("stn", Finds(*[WIDE] * 64), crop_size=crop_size).train()
    crop.half_side.fill_(0.4)
    margin = 1.15 if crop_size == "patient" else 1.1
    large = window_of(crop(views(64), outline(-0.5, 0.1, 0.5, 0.4, 64)))[:, 0]
    large = large / (0.5 * margin)
    assert (large - 1).abs().max() <= JITTER + 1e-5
    assert large.max() - large.min() > 1.6 * JITTER  # every slice has its own
    small = window_of(crop(views(64), outline(-0.3, 0.1, 0.3, 0.4, 64)))[:, 0]
    if crop_size == "cohort":
        assert (small == 0.4).all()  # as calibrated, not smaller
    else:
        assert (small / 0.345 - 1).abs().max() <= JITTER + 1e-5


@pytest.mark.parametrize("together", [True, False])
def test_growth_and_fallback_are_said(together):
    crop = stn_crop(WIDE, WIDE)
    found = crop(views(2), together=together)
    assert (found.grown.tolist(), found.fallback.tolist()) == ([True] * 2, [False] * 2)
    found = stn_crop(KIDNEY, KIDNEY)(views(2), together=together)
    assert (found.grown.tolist(), found.fallback.tolist()) == ([False] * 2, [False] * 2)
    found = stn_crop(NOTHING, NOTHING)(views(2), together=together)
    assert (found.grown.tolist(), found.fallback.tolist()) == ([False] * 2, [True] * 2)


def test_a_patients_own_window_and_the_calibrated_one_where_nothing_is_found():
    crop = build("stn", Finds(WIDE, WIDE), crop_size="patient")
    crop.half_side.fill_(0.9)
    found = window_of(crop(views(2), together=True))
    torch.testing.assert_close(found[:, 0], torch.full((2,), 1.15 * 0.75))
    crop.coarse = Finds(NOTHING, NOTHING)
    found = window_of(crop(views(2), together=True))
    assert (found[:, 0] == 0.9).all()


def test_spurious_spots_in_two_neighbouring_slices_of_many_do_not_grow_the_window():
    spots = [WIDE] * 30
    spots[4] = spots[5] = (slice(28, 32), slice(30, 32))
    crop = stn_crop(*spots)
    found = window_of(crop(views(30), together=True))
    assert found[0, 0].item() == pytest.approx(1.1 * 0.75)


def test_a_rectangle_follows_both_kidneys():
    crop = build("stn_rectangle", Finds(WIDE, WIDE))
    crop.half_side.fill_(0.4)
    matrix = crop(views(2), together=True).canonical_from_crop[0]
    # x from -0.75 to 0.75, y from -0.375 to 0.375: the shape of the window.
    torch.testing.assert_close(matrix[:, :2].diag(), 1.1 * torch.tensor([0.75, 0.375]))
    high = (slice(0, 32), slice(12, 20))
    crop = build("stn_rectangle", Finds(high, high))
    matrix = crop(views(2), together=True).canonical_from_crop[0]
    torch.testing.assert_close(matrix[:, :2].diag(), torch.tensor([2.0, 1.0]))


def test_a_tumour_larger_than_the_window_is_inside_of_it():
    """Also off the centre, where the window has to end at the frame."""
    tumour = (slice(0, 20), slice(8, 30))  # x from -0.5 to 0.875, y from -1 to 0.25
    found = stn_crop(tumour, tumour)(views(2), together=True)
    corners = torch.tensor([[[-0.5, -1.0], [0.875, 0.25]]])
    half_side, x, y = window_of(found)[0].tolist()
    assert half_side == pytest.approx(1.1 * 0.6875)
    low, high = corners[0]
    assert x - half_side <= low[0]
    assert x + half_side >= high[0]
    assert y - half_side <= low[1] + 1e-5
    assert y + half_side >= high[1]


ANATOMIES = {
    "both kidneys on one side": (slice(8, 26), slice(18, 26)),
    "one kidney": KIDNEY,
    "horseshoe kidney": (slice(14, 20), slice(6, 26)),
    "tumour over the midline": (slice(6, 22), slice(10, 30)),
    "all in a corner": FAR,
    "all of the frame": (slice(0, SIZE), slice(0, SIZE)),
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("name", ["stn", "stn_rectangle", "coarse"])
@pytest.mark.parametrize("anatomy", ANATOMIES)
def test_every_anatomy_is_inside_of_the_window(anatomy, name, together):
    rows, columns = ANATOMIES[anatomy]
    crop = build(name, Finds((rows, columns), (rows, columns)))
    window = crop(views(2), together=together).canonical_from_crop[0]
    low, high = (
        2 * torch.tensor([float(columns_edge), float(rows_edge)]) / SIZE - 1
        for columns_edge, rows_edge in (
            (columns.start, rows.start),
            (columns.stop, rows.stop),
        )
    )
    centre, reach = window[:, 2], window[:, :2].diag()
    assert (centre - reach <= low + 1e-5).all()
    assert (centre + reach >= high - 1e-5).all()


@pytest.mark.parametrize("together", [True, False])
def test_nothing_found_leaves_the_stns_window_in_the_middle(together):
    found = window_of(stn_crop(NOTHING, NOTHING)(views(2), together=together))
    torch.testing.assert_close(
        found, torch.tensor([[0.4, 0.0, 0.0]] * 2), atol=1e-4, rtol=0
    )


def test_one_kidney_is_enough():
    """The window of both would be midway; of one it is at that one."""
    found = window_of(stn_crop(KIDNEY, KIDNEY, NOTHING)(views(3), together=True))
    pull = 4 / 4.32
    torch.testing.assert_close(
        found[0], torch.tensor([0.4, 0.375 * pull, -0.125 * pull]), rtol=1e-3, atol=1e-5
    )


def test_calibration_by_hand():
    crop = build("stn")
    shapes = torch.cat([outline(-0.5, 0.1, 0.3, 0.4), outline(-0.6, -0.6, 0.6, 0.0)])
    crop.calibrate(shapes)
    # Half sides 0.4 and 0.6: the 97.5th percentile is 0.595.
    assert crop.half_side.item() == pytest.approx(1.1 * 0.595)
    crop.calibrate(shapes[:1])
    assert crop.half_side.item() == pytest.approx(0.44)


@pytest.mark.parametrize(("reach", "half_side"), [(0.01, MIN_HALF_SIDE), (1.4, 1.0)])
def test_calibration_is_bounded(reach, half_side):
    crop = build("stn")
    crop.calibrate(outline(-reach, -reach, reach, reach))
    assert crop.half_side.item() == half_side


def test_the_stns_centre_is_learned_and_no_gradient_reaches_a_cascades_box():
    learned = build("stn").train()
    learned.half_side.fill_(0.4)
    torch.manual_seed(1)
    view = torch.randn(2, 1, SIZE, SIZE)
    found = learned(view, outline(-0.2, -0.2, 0.2, 0.2, 2))
    found.canonical_from_crop[:, 0, 2].sum().backward()
    stages = learned.coarse.encoder.stages
    assert all(p.grad.abs().sum() > 0 for p in stages.parameters() if p.ndim > 1)
    for training in (True, False):
        cascade = build("coarse").train(training)
        found = cascade(view, outline(-0.5, -0.5, 0.5, 0.5, 2))
        assert not found.canonical_from_crop.requires_grad
        assert found.coarse_logits.requires_grad


@pytest.mark.parametrize("name", ["coarse", "stn"])
def test_a_long_case_is_segmented_in_parts(name):
    crop, sizes = build(name), []
    crop.coarse.register_forward_hook(lambda _, args, out: sizes.append(len(args[0])))
    view = torch.randn(CHUNK + 3, 1, SIZE, SIZE)
    found = crop(view, together=True)
    assert sizes == [CHUNK, 3]
    assert found.coarse_logits.shape == (CHUNK + 3, 3, SIZE, SIZE)
    assert found.canonical_from_crop.shape == (CHUNK + 3, 2, 3)
    assert math.isfinite(found.canonical_from_crop.sum().item())
