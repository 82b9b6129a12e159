"""A case in the shape of another: size, pose, levels, and what tumours leave out."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from deeprac.geometry.levels import kidney_slices, shares_along, slices_at
from deeprac.geometry.planar import similarity
from deeprac.geometry.velocity import exponential, folded_share, random_velocities
from deeprac.preprocessing import deformed as deform
from deeprac.preprocessing.deformed import (
    LEVELS,
    PosedCase,
    deformed,
    fit_fields,
    slice_spacing_mm,
)
from support.toy_cohort import small_networks

AIR = -1000.0
STILL = torch.zeros(LEVELS, 2, 16, 16)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def case(*, shape=(9, 40, 52), kidneys=(2, 7), right=14, pose=None, spacing_z=4.0):
    """Two kidneys in slices of some shape; the right one (of the image) is moved."""
    y, x = np.mgrid[: shape[1], : shape[2]]
    labels = np.zeros(shape, np.uint8)
    for column, row in ((right, 22), (36, 18)):
        inside = ((x - column) / 4) ** 2 + ((y - row) / 5) ** 2 < 1
        labels[kidneys[0] : kidneys[1], inside] = 1
    body = ((x - 26) / 22) ** 2 + ((y - 20) / 15) ** 2 < 1
    image = np.where(labels > 0, 180.0, np.where(body, 40.0, AIR)).astype(np.float32)
    image += np.arange(shape[0], dtype=np.float32)[:, None, None]
    pose = similarity(0.0, 0.0, [0.0, 0.0]) if pose is None else pose
    normal = np.clip(image, -60, 300) / 100
    return PosedCase(image, normal, labels, (spacing_z, 0.8, 0.7), pose)


def test_a_case_in_its_own_shape_is_the_case():
    """Slice by slice, also beyond the kidneys; poses cancel."""
    own = case(pose=similarity(0.2, 0.3, [0.1, -0.05]))
    image, labels = deformed(own, own, STILL, air=AIR)
    np.testing.assert_allclose(image, own.image, atol=0.05)
    assert np.array_equal(labels, own.labels)
    assert slice_spacing_mm(own, own) == 4.0


def test_convention_a_case_goes_to_the_others_position_and_grid():
    """The other lies 6 pixels to the right and 4 down, on a smaller grid of its own.

    Its square has 44 pixels, each as large as one of the 52, so that all is to be
    scaled by 52 / 44 of its frame.
    """
    own = case()
    there = similarity(math.log(52 / 44), 0.0, [6 * 2 / 44, 4 * 2 / 44])
    other = case(shape=(5, 36, 44), kidneys=(1, 5), pose=there)
    image, labels = deformed(own, other, STILL, air=AIR)
    assert image.shape == labels.shape == (9, 36, 44)
    # Centres of the grids: row 20 of 40 comes to 18 + 4, column 26 of 52 to 22 + 6.
    np.testing.assert_array_equal(labels[:, 2:, 2:], own.labels[:, :34, :42])
    np.testing.assert_allclose(image[:, 2:, 2:], own.image[:, :34, :42], atol=0.1)


def test_a_coarser_grid_takes_the_mean_of_what_it_covers():
    own = case(shape=(9, 52, 52))
    image, labels = deformed(own, case(shape=(5, 26, 26)), STILL, air=AIR)
    fours = (9, 26, 2, 26, 2)
    expected = own.image.reshape(fours).mean((2, 4))
    np.testing.assert_allclose(image, expected, atol=0.1)
    share = (own.labels > 0).reshape(fours).mean((2, 4))
    clear = share != 0.5
    assert np.array_equal(labels[clear] > 0, share[clear] > 0.5)


def test_slices_are_as_far_apart_as_the_others_kidneys_are_long():
    # 5 slices of 4 mm are to be as long as 3 slices of 6 mm.
    other = case(kidneys=(4, 7), spacing_z=6.0)
    assert slice_spacing_mm(case(), other) == pytest.approx(18 / 5)


def test_a_tumour_beyond_the_kidneys_changes_no_level_and_no_length():
    own = case(kidneys=(2, 7))
    labels = own.labels.copy()
    labels[0:9, 18:24, 12:18] = 2  # all slices, and a part of a kidney
    with_tumour = replace(own, labels=labels)
    assert kidney_slices(labels) == kidney_slices(own.labels) == (2, 5)
    assert slice_spacing_mm(with_tumour, own) == own.spacing_mm[0]
    assert kidney_slices(np.where(labels == 2, 2, 0)) == (0, 9)  # nothing is left


def test_levels_are_shares_of_the_way_along_the_kidneys():
    labels = case(kidneys=(2, 7)).labels
    np.testing.assert_array_equal(
        slices_at(labels, (np.arange(LEVELS) + 0.5) / LEVELS), [2, 3, 4, 5, 6]
    )
    shares = shares_along(labels)
    np.testing.assert_allclose(shares[2:7], [0.1, 0.3, 0.5, 0.7, 0.9])
    assert shares[0] < 0
    assert shares[8] > 1


def test_a_field_moves_its_own_level_most():
    """A shift at the highest level, fading to none at the one below."""
    velocity = STILL.clone()
    velocity[-1, 0] = 2 * 3 / 52  # three pixels
    own = case()
    image, labels = deformed(own, own, velocity, air=AIR)
    assert np.array_equal(labels[:6], own.labels[:6])
    # Where pixels come from is to the right: what is seen moves left.
    np.testing.assert_array_equal(labels[6, :, :-3], own.labels[6, :, 3:])
    np.testing.assert_allclose(image[8, :, :-3], own.image[8, :, 3:], atol=0.1)


def test_kidneys_meet_the_others():
    own, other = case(), case(right=18, shape=(12, 40, 52), kidneys=(1, 10))
    fit = fit_fields(own, other, air=-0.6)
    assert fit.kidney_dice_before < 0.8
    assert fit.kidney_dice_after > fit.kidney_dice_before + 0.1
    assert fit.weakened == 0
    assert 0 < fit.inverse_error_px < 0.1
    still = fit_fields(own, other, air=-0.6, iterations=0)
    assert still.kidney_dice_after == pytest.approx(still.kidney_dice_before)
    assert not still.velocity.any()
    assert still.inverse_error_px < 1e-4


def test_fields_that_fold_are_halved_and_counted(monkeypatch):
    """What is fitted hardly ever folds: two levels get a field that does."""
    torch.manual_seed(0)
    strong = random_velocities(LEVELS, displacement=1.0, smoothness=0.05)
    strong[2:] = 0.0
    monkeypatch.setattr(deform, "fit_velocity", lambda *_, **__: strong)
    fit = fit_fields(case(), case(right=18), air=-0.6)
    assert fit.weakened == 2
    assert not folded_share(exponential(fit.velocity, deform.SIZE)).any()
    assert 0 < fit.velocity.abs().max() < strong.abs().max()


def test_a_kidney_with_a_tumour_is_not_matched():
    """The moved one has a tumour in one of them; where both have, nothing is left."""
    own, other = case(), case(right=18)
    own.labels[4:6, 12:20, 10:18] = 2
    fit = fit_fields(own, other, air=-0.6, iterations=0)
    assert fit.kidney_dice_before > 0.95  # of the other kidney alone
    other.labels[4:6, 12:20, 33:40] = 2
    assert math.isnan(fit_fields(own, other, air=-0.6, iterations=0).kidney_dice_after)


@pytest.mark.parametrize("turned", [False, True])
def test_a_kidney_that_the_other_has_not_is_not_pressed_away(turned):
    both, single = case(right=18), case()
    single.labels[:, :, :26] = 0
    own, other = (single, both) if turned else (both, single)
    fit = fit_fields(own, other, air=-0.6)
    assert fit.kidney_dice_before > 0.95  # of the kidney that both have
    assert fit.kidney_dice_after > 0.95
