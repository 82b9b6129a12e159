"""Boxes of kidneys with their tumours lie where they were painted."""

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.mask_geometry.frame_boxes import SHARES, coverage_rows, measure_boxes
from deeprac.windows import PAIR, RECTANGLE, SQUARE

SPACING_MM = (2.0, 2.0, 5.0)
SIDE = 48
TOP = 9
"""Rows of air above the slices of 30 rows in a square of 48."""


def painted(*parts):
    """A mask of 6 slices of 30 x 48 pixels; a part is number, rows and columns."""
    numbers = np.zeros((6, 30, SIDE), np.uint8)
    for number, rows, columns in parts:
        numbers[1:5, slice(*rows), slice(*columns)] = number
    label = sitk.GetImageFromArray(numbers)
    label.SetSpacing(SPACING_MM)
    return label


RIGHT = (1, (10, 18), (5, 11))
LEFT = (1, (9, 16), (34, 40))
TUMOUR = (2, (5, 20), (40, 45))
"""It touches the left kidney."""


def edge(pixel):
    return 2 * pixel / SIDE - 1


def test_boxes_by_hand():
    found = measure_boxes(painted(RIGHT, LEFT, TUMOUR))
    rows = [
        [edge(5), edge(TOP + 5), edge(45), edge(TOP + 20)],
        [edge(34), edge(TOP + 5), edge(45), edge(TOP + 20)],
        [edge(5), edge(TOP + 10), edge(11), edge(TOP + 18)],
    ]
    np.testing.assert_allclose(found.boxes, rows)
    row = found.row
    assert (row["components"], row["kidneys"], row["sides"]) == (2, 2, "told")
    assert (row["slices"], row["labelled_slices"]) == (6, 4)
    assert (row["height_px"], row["width_px"]) == (30, SIDE)
    assert row["width_mm"] == pytest.approx(2 * 40)
    assert row["height_mm"] == pytest.approx(2 * 15)
    assert row["frame_mm"] == 2 * SIDE
    assert row["square_share"] == pytest.approx(40 / SIDE)
    assert row["tumour_ml"] == pytest.approx(4 * 15 * 5 * 0.02)
    assert row["right_y_high"] == edge(TOP + 18)


def test_fused_kidneys_are_one_component_without_sides():
    found = measure_boxes(painted((1, (10, 18), (5, 40))))
    assert (found.row["components"], found.row["kidneys"]) == (1, 1)
    assert found.row["sides"] == "unknown"
    assert np.isnan(found.boxes[1:]).all()
    assert not found.pixels[1:].any()


def test_one_kidney_has_one_box():
    found = measure_boxes(painted(LEFT))
    assert found.row["sides"] == "unknown"
    np.testing.assert_allclose(
        found.boxes[0], [edge(34), edge(TOP + 9), edge(40), edge(TOP + 16)]
    )


def test_a_tumour_between_both_makes_one_component():
    found = measure_boxes(painted(RIGHT, LEFT, (2, (12, 14), (11, 34))))
    assert found.row["components"] == 1


def test_a_sliver_is_no_component():
    mask = painted(RIGHT, LEFT)
    mask[1, 1, 1] = 1
    found = measure_boxes(mask)
    assert found.row["components"] == 2
    assert found.boxes[0, 0] == edge(1)  # but a window has to hold it


def test_each_voxel_belongs_to_the_boxes_of_a_pair():
    found = measure_boxes(painted(RIGHT, LEFT, TUMOUR))
    np.testing.assert_array_equal(found.pixels[0], found.pixels[1:].sum(axis=0))


def test_coverage_by_hand():
    found = measure_boxes(painted(RIGHT, LEFT, TUMOUR))
    rows = {
        (row["kind"], row["width_share"]): row["coverage"]
        for row in coverage_rows(found, (SQUARE, RECTANGLE, PAIR))
    }
    assert len(rows) == 3 * len(SHARES)
    # A square of half the frame is 24 pixels around columns 5 to 45: 13 to 37, of
    # which the left kidney has three columns of 7 rows.
    total = 8 * 6 + 7 * 6 + 15 * 5
    assert rows["stn", 0.5] == pytest.approx(3 * 7 / total)
    # 0.85 is 40.8 pixels; 2:1 then has 20 rows.
    assert rows["stn", 0.85] == rows["stn_rectangle", 0.85] == 1
    assert rows["stn", 0.8] < 1
    assert rows["stn_pair", 0.3] == 1
    # Pairs at 0.2 are 9.6 pixels: 9 x 9 around the middle of the left kidney with its
    # tumour, which are 7 x 5 of the one and 9 x 4 of the other; the right one fits.
    assert rows["stn_pair", 0.2] == pytest.approx((48 + 35 + 36) / total)


def test_coverage_of_pairs_needs_two_kidneys():
    found = measure_boxes(painted(LEFT))
    assert {row["kind"] for row in coverage_rows(found, (SQUARE, PAIR))} == {"stn"}
