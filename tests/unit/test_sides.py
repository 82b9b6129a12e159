import numpy as np
import pytest

from deeprac.surgery.sides import Doubt, left_and_right


def profiles(*spans, length=100):
    """One row per part: (first, last, voxels per x)."""
    rows = np.zeros((len(spans), length), int)
    for row, (first, last, voxels) in zip(rows, spans, strict=True):
        row[first : last + 1] = voxels
    return rows


def groups(spans, links=(), with_tumours=None):
    found = left_and_right(profiles(*spans), links, with_tumours)
    if isinstance(found, Doubt):
        return found
    return tuple(sorted(group) for group in found)


def test_larger_x_is_left():
    assert groups([(10, 29, 5), (60, 79, 5)]) == ([1], [0])


def test_not_the_middle_of_the_image_counts():
    assert groups([(60, 69, 5), (80, 95, 5)]) == ([1], [0])


@pytest.mark.parametrize("spans", [[], [(10, 80, 5)]])
def test_one_part_or_none_has_no_side(spans):
    assert groups(spans) is Doubt.ONE


def test_parts_above_each_other_have_no_side():
    # 10 of 20 mm shared is half, and allowed; 11 are not.
    assert groups([(10, 29, 5), (20, 60, 5)]) == ([1], [0])
    assert groups([(10, 29, 5), (19, 60, 5)]) is Doubt.ABOVE


def test_a_few_voxels_astray_make_no_overlap():
    astray = profiles((10, 29, 50), (60, 79, 50))
    astray[0, 60:75] = 1
    assert left_and_right(astray, []) == (frozenset({1}), frozenset({0}))


def test_a_kidney_that_its_tumour_splits():
    assert groups([(10, 29, 5), (60, 79, 9), (12, 31, 5)], [(0, 2)]) == ([1], [0, 2])


def test_a_tumour_that_touches_both_kidneys_does_not_make_them_one():
    linked = [(0, 1), (1, 2), (0, 2)]
    # From 31 to 72 lie 40 mm, more than between parts of one kidney.
    assert groups([(10, 29, 5), (72, 91, 9), (12, 31, 5)], linked) == ([1], [0, 2])
    assert groups([(10, 29, 5), (71, 90, 9), (12, 31, 5)], linked) is Doubt.JOINED


def test_a_part_that_no_tumour_joins():
    assert groups([(10, 29, 5), (60, 79, 9), (12, 31, 5)]) == ([1], [0, 2])


def test_a_tumour_joins_what_lies_far_apart():
    """Otsu alone would give the middle part to the left kidney."""
    spans = [(0, 9, 9), (50, 54, 1), (70, 79, 9)]
    assert groups(spans) == ([1, 2], [0])
    assert groups(spans, [(0, 1)]) == ([2], [0, 1])


def test_a_link_that_cannot_be_is_not_followed():
    """The lower right pole and the left kidney touch one tumour, the upper does not."""
    spans = [(10, 29, 5), (12, 31, 3), (72, 91, 9)]
    assert groups(spans, [(1, 2)]) == ([2], [0, 1])


@pytest.mark.parametrize("x", [10, 85])
def test_a_small_part_is_no_kidney(x):
    """20 voxels are a fifth of 100, and enough; 19 are not."""
    assert isinstance(groups([(40, 59, 5), (x, x + 3, 5)]), tuple)
    assert groups([(40, 58, 5), (59, 59, 6), (x, x, 19)], [(0, 1)]) is Doubt.SMALL


def test_what_a_large_tumour_leaves_of_a_kidney():
    spans = [(10, 29, 5), (80, 81, 5)]
    assert groups(spans) is Doubt.SMALL
    assert groups(spans, with_tumours=[100, 20]) == ([1], [0])
    # Its own tumour does not make the other kidney smaller.
    assert groups([(10, 29, 5), (80, 84, 5)], with_tumours=[900, 25]) == ([1], [0])
