"""Windows hold boxes, in the shape, size and number that their kind says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeprac.fitting import fits
from deeprac.windows import (
    KINDS,
    LARGEST_OF_PAIR,
    PAIR,
    RECTANGLE,
    SQUARE,
    WindowKind,
    holds,
    moved,
    place,
)

NOT_TOLD = np.full((2, 4), np.nan)
WHOLE = np.array([-0.6, -0.2, 0.5, 0.3])
KIDNEYS = np.array([[0.2, -0.2, 0.5, 0.3], [-0.6, -0.1, -0.2, 0.2]])


def sides(placement):
    return placement.windows[..., 2:] - placement.windows[..., :2]


@pytest.mark.parametrize(
    ("kind", "flops", "feature_map"),
    [
        (SQUARE, 0.25, (4, 4)),
        (RECTANGLE, 176 * 352 / 512**2, (11, 11)),
        (WindowKind("stn_rectangle", 192, 384), 0.28125, (6, 6)),
        (PAIR, 2 * 176**2 / 512**2, (11, 11)),
    ],
)
def test_what_a_kind_costs_and_how_often_it_is_halved(kind, flops, feature_map):
    assert kind.flops_share == flops
    assert kind.feature_map == feature_map


def test_kinds_cost_less_than_the_limit_and_have_names_of_their_own():
    assert all(0.2 < kind.flops_share <= 0.30 for kind in KINDS)
    assert len({kind.title for kind in KINDS}) == len(KINDS)
    # Square ones also have one stride for both sides, as a U-Net of today.
    assert fits(SQUARE.width_px, 4)


def test_density_is_that_of_the_issue():
    # A square of 256 pixels at 0.86 of the frame; 352 pixels at the same width.
    assert SQUARE.density(0.86) == pytest.approx(0.58, abs=0.002)
    assert RECTANGLE.density(0.86) == pytest.approx(0.80, abs=0.002)


def test_a_flat_window_is_as_wide_as_its_height_asks():
    box = np.array([-0.5, -0.1, 0.3, 0.5])  # 0.4 wide and 0.3 high, as shares
    assert SQUARE.width_share(box) == pytest.approx(0.4)
    assert RECTANGLE.width_share(box) == pytest.approx(0.6)


def test_input_pixels_follow_the_matrix():
    assert RECTANGLE.input_px(512) == (176, 352)
    assert RECTANGLE.input_px(128) == (44, 88)


def test_a_window_is_centred_with_its_margin():
    placed = place(RECTANGLE, WHOLE, NOT_TOLD, margin=0.1)
    # 0.55 wide, so 0.605; half as high; around (-0.05, 0.05).
    assert placed.width_share == pytest.approx(0.605)
    expected = [-0.05 - 0.605, 0.05 - 0.3025, -0.05 + 0.605, 0.05 + 0.3025]
    np.testing.assert_allclose(placed.windows, [expected])


def test_a_window_stays_inside_the_frame():
    corner = np.array([0.6, 0.0, 1.0, 0.2])
    placed = place(SQUARE, corner, NOT_TOLD, margin=0.5)
    np.testing.assert_allclose(placed.windows, [[0.4, -0.2, 1.0, 0.4]])


def test_a_window_grows_where_the_size_of_all_is_too_small():
    for share, used, grown in ((0.5, 0.55, True), (0.7, 0.7, False)):
        placed = place(SQUARE, WHOLE, NOT_TOLD, margin=0, width_share=share)
        assert placed.width_share == pytest.approx(used)
        assert placed.grown == grown


def test_a_pair_has_a_window_for_each_kidney():
    placed = place(PAIR, WHOLE, KIDNEYS, margin=0)
    assert not placed.fallback
    # The larger one decides: 0.25 high.
    assert placed.width_share == pytest.approx(0.25)
    np.testing.assert_allclose(sides(placed), 0.5)
    assert holds(placed, WHOLE, KIDNEYS)
    assert not holds(placed, WHOLE, KIDNEYS[::-1])


@pytest.mark.parametrize("large", [True, False], ids=["large", "not told"])
def test_a_pair_falls_back_to_one_window(large):
    kidneys = KIDNEYS.copy() if large else NOT_TOLD
    if large:
        kidneys[0] = [-0.6, -0.2, 0.5, 0.3]  # 0.55 of the frame
        assert PAIR.width_share(kidneys).max() > LARGEST_OF_PAIR
    placed = place(PAIR, WHOLE, kidneys, margin=0, width_share=0.3)
    assert placed.fallback
    assert not placed.grown
    assert placed.width_share == pytest.approx(0.55)
    np.testing.assert_array_equal(*placed.windows)
    assert holds(placed, WHOLE, kidneys)


def test_what_fills_the_frame_is_held_without_margin():
    frame = np.array([-1.0, -1, 1, 1])
    for kind in KINDS:
        placed = place(kind, frame, NOT_TOLD, margin=0.2)
        assert holds(placed, frame, NOT_TOLD), kind
    assert place(RECTANGLE, frame, NOT_TOLD, margin=0.2).width_share == 2


def test_a_label_beyond_the_edge_is_not_held():
    placed = place(SQUARE, WHOLE, NOT_TOLD, margin=0)
    assert not holds(placed, WHOLE + np.array([0, 0, 0.001, 0]), NOT_TOLD)


def test_cases_are_placed_alike_together_and_alone():
    whole = np.stack([WHOLE, 0.5 * WHOLE + 0.1])
    kidneys = np.stack([KIDNEYS, NOT_TOLD])
    for kind in KINDS:
        together = place(kind, whole, kidneys, margin=0.1, width_share=0.4)
        for index in range(2):
            alone = place(
                kind, whole[index], kidneys[index], margin=0.1, width_share=0.4
            )
            np.testing.assert_array_equal(together.windows[index], alone.windows)
            assert together.fallback[index] == alone.fallback


edges = st.floats(-1, 0.8)


@given(x=edges, y=edges, width=st.floats(0.05, 0.2), height=st.floats(0.05, 0.2))
def test_the_trial_moves_boxes_by_its_share_of_the_side(x, y, width, height):
    box = np.array([x, y, x + width, y + height])
    wrong = moved(np.tile(box, (50, 1)), 0.05, np.random.default_rng(1))
    side = box[2:] - box[:2]
    centre = (wrong[:, :2] + wrong[:, 2:]) / 2 - (box[:2] + box[2:]) / 2
    grown = (wrong[:, 2:] - wrong[:, :2]) / side - 1
    for error in (centre / side, grown):
        assert np.abs(error).max() <= 0.05 + 1e-9
        assert (error.max(axis=0) > 0.02).all()
        assert (error.min(axis=0) < -0.02).all()
    # What moves by 0.05 and shrinks by 0.05 is still held with a margin of 0.16.
    placed = place(SQUARE, wrong, np.full((50, 2, 4), np.nan), margin=0.16)
    assert holds(placed, np.tile(box, (50, 1)), np.full((50, 2, 4), np.nan)).all()
