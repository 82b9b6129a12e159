"""Contours become pixels: known by hand, and against the areas of ellipses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeprac.cohort.dicom.contours import AT_CENTRE, ON_CONTOUR, centred, filled

SHAPE = (9, 12)  # j, i


def box(i, j):
    return np.array([(i[0], j[0]), (i[1], j[0]), (i[1], j[1]), (i[0], j[1])], float)


def pixels(*boxes, shape=SHAPE):
    """Pixels from first to last, both ends included."""
    mask = np.zeros(shape, bool)
    for i, j in boxes:
        mask[j[0] : j[1] + 1, i[0] : i[1] + 1] = True
    return mask


def mask_of(*contours, shape=SHAPE):
    return filled(contours, shape)[0]


def test_centres_on_a_contour_belong_to_it():
    np.testing.assert_array_equal(
        mask_of(box((2, 6), (3, 5))), pixels(((2, 6), (3, 5)))
    )


@pytest.mark.parametrize("off", [-0.9, 0.9])
def test_a_contour_a_thousandth_off_a_centre_is_on_it(off):
    shift = off * ON_CONTOUR
    mask = mask_of(box((2 + shift, 6 + shift), (3 - shift, 5)))
    np.testing.assert_array_equal(mask, pixels(((2, 6), (3, 5))))


def test_a_contour_further_off_a_centre_is_beside_it():
    mask = mask_of(box((2.01, 6.01), (2.99, 4.99)))
    np.testing.assert_array_equal(mask, pixels(((3, 6), (3, 4))))


def test_a_hole_takes_its_strict_interior_away():
    # Organ in a hole in an organ: rows 0 to 8, 2 to 6 and 4.
    contours = [box((0, 11), (0, 8)), box((2, 9), (2, 6)), box((4, 7), (4, 4))]
    wanted = pixels(((0, 11), (0, 8)))
    wanted[3:6, 3:9] = False
    wanted[4, 4:8] = True
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        mask, shared = filled([contours[n] for n in order], SHAPE)
        np.testing.assert_array_equal(mask, wanted)
        assert shared == 0


def test_contours_without_area_have_the_pixels_on_their_line():
    lines = [[(1, 1)], [(3, 2), (3, 6)], [(5, 1), (8, 4), (10, 4), (8, 4)]]
    wanted = np.zeros(SHAPE, bool)
    wanted[1, 1] = wanted[2:7, 3] = True
    wanted[range(1, 5), range(5, 9)] = wanted[4, 8:11] = True
    mask = mask_of(*(np.array(line, float) for line in lines))
    np.testing.assert_array_equal(mask, wanted)


def test_a_line_between_centres_has_no_pixels():
    assert not mask_of(np.array([[1.5, 1], [1.5, 6], [1.5, 3]])).any()
    # From (0, 0) to (4, 2) only every other column is whole in both.
    mask = mask_of(np.array([[0.0, 0], [4, 2]]))
    assert np.argwhere(mask).tolist() == [[0, 0], [1, 2], [2, 4]]


def test_what_reaches_beyond_the_slice_is_cut():
    mask = mask_of(box((-3, 2), (-2, 1)), box((10, 20), (7, 30)))
    np.testing.assert_array_equal(mask, pixels(((0, 2), (0, 1)), ((10, 11), (7, 8))))


def test_contours_that_overlap_without_nesting_are_counted():
    # Inside: columns 2 to 5 and 4 to 8, rows 3 to 5: 2 x 3 pixels are in both.
    mask, shared = filled(
        [box((1.5, 5.5), (2.5, 5.5)), box((3.5, 8.5), (2.5, 5.5))], SHAPE
    )
    assert shared == 6
    np.testing.assert_array_equal(mask, pixels(((2, 3), (3, 5)), ((6, 8), (3, 5))))


def test_holes_islands_and_neighbours_do_not_cross():
    apart = [box((0.5, 3.5), (0.5, 3.5)), box((3.5, 8.5), (0.5, 3.5))]
    same = [box((1, 8), (1, 7)), box((1, 8), (1, 7))[::-1]]
    touching = [box((1, 4), (1, 4)), box((4, 8), (1, 4))]
    for contours in (apart, same, touching):
        assert filled(contours, SHAPE)[1] == 0


@given(
    st.floats(35, 40), st.floats(40, 45), st.floats(20, 31), st.floats(20, 31)
)  # fmt: skip
def test_an_ellipse_has_the_pixels_whose_centres_lie_in_it(i, j, a, b):
    # Through no centres: the border rule must not let it grow.
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    points = np.column_stack([i + a * np.cos(angles), j + b * np.sin(angles)])
    mask = mask_of(points, shape=(90, 80))
    rows, columns = np.indices(mask.shape)
    radius = np.hypot((columns - i) / a, (rows - j) / b)
    clear = np.abs(radius - 1) > 1e-3  # the polygon lies inside by less
    np.testing.assert_array_equal(mask[clear], (radius < 1)[clear])
    assert mask.sum() == pytest.approx((radius < 1).sum(), rel=0.01)


@pytest.mark.parametrize(("off", "there"), [(0.9, True), (1.1, False)])
def test_all_points_must_be_near_centres(off, there):
    points = box((2, 6), (3, 5))
    points[2, 1] += off * AT_CENTRE
    found = centred(points)
    if there:
        np.testing.assert_array_equal(found, box((2, 6), (3, 5)))
    else:
        assert found is None
