from dataclasses import replace

import numpy as np
import pytest

from deeprac.cohort.grid import Grid
from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.checks import (
    age_flags,
    away_flags,
    border_flags,
    check_anatomy,
    count_flags,
    jump_flags,
    range_values,
    spacing_flags,
)
from deeprac.surgery.measures import measure
from deeprac.surgery.rows import Row, as_table
from support.bodies import ball

LEFT = Structure(1, Kind.KIDNEY, BodySide.LEFT)
RIGHT = Structure(2, Kind.KIDNEY, BodySide.RIGHT)
TUMOUR = Structure(3, Kind.TUMOUR, BodySide.RIGHT, 1)
SPACING_MM = (3.0, 1.1, 1.1)
SHAPE = (40, 60, 140)


def anatomy(numbers, structures=(LEFT, RIGHT, TUMOUR), spacing_mm=SPACING_MM):
    grid = Grid.along(np.eye(3), numbers.shape[::-1], spacing_mm[::-1], (5, 6, 7))
    return Anatomy(numbers.astype(np.uint8), grid, structures)


def healthy():
    """Kidneys of 90 x 52 x 48 mm, as of a child of ten; the right one has a tumour."""
    right = ball(SHAPE, SPACING_MM, (60, 33, 40), (45, 24, 26))
    left = ball(SHAPE, SPACING_MM, (60, 33, 112), (45, 24, 26))
    tumour = ball(SHAPE, SPACING_MM, (60, 33, 25), 15)
    return np.where(tumour, 3, np.where(right, 2, left))


def codes(flags):
    return [(flag.code, flag.structure) for flag in flags]


def test_a_good_result_has_no_flag():
    good = anatomy(healthy())
    assert check_anatomy(good, measure(good), age_years=10) == ()


def test_kidney_count_and_no_tumour():
    numbers = healthy()
    one = anatomy(numbers, (Structure(1, Kind.KIDNEY, BodySide.UNKNOWN), TUMOUR))
    assert codes(count_flags(one)) == [("kidney_count", "")]
    none = count_flags(anatomy(np.zeros(SHAPE), ()))
    assert codes(none) == [("kidney_count", ""), ("no_tumour", "")]
    assert none[0].verdict.value == "do not use"


@pytest.mark.parametrize(("columns", "far"), [(9, False), (10, True)])
def test_a_tumour_away_from_the_kidneys(columns, far):
    numbers = np.zeros(SHAPE)
    numbers[5:20, 10:30, 10:30] = 2
    numbers[5:20, 10:30, 30 + columns : 50 + columns] = 3
    flags = away_flags(anatomy(numbers, (RIGHT, TUMOUR)))
    assert codes(flags) == ([("tumour_away", "tumour_1")] if far else [])
    if far:
        assert flags[0].value == pytest.approx(11.0)


@pytest.mark.parametrize(("tumours", "many"), [(3, False), (4, True)])
def test_many_tumours(tumours, many):
    numbers = healthy()
    found = [replace(TUMOUR, number=3 + k, instance=1 + k) for k in range(tumours)]
    flags = count_flags(anatomy(numbers, (LEFT, RIGHT, *found)))
    assert codes(flags) == ([("tumours_many", "")] if many else [])


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("end", [0, -1])
def test_the_border_of_the_volume(axis, end):
    numbers = healthy()
    place = [30, 30, 30]
    place[axis] = end
    numbers[tuple(place)] = 3
    (flag,) = border_flags(anatomy(numbers))
    assert codes([flag]) == [("touches_border", "tumour_1")]
    assert flag.value == 1
    # The volume is a lower bound, and never 0.
    assert "at least 14 ml" in flag.message


def test_a_segmentation_that_is_cut_to_its_structures():
    cut = anatomy(healthy()).cropped()
    assert {flag.code for flag in border_flags(cut)} == {"touches_border"}
    assert codes(border_flags(cut, with_ct=False)) == [("border_unknown", "")]
    # One voxel of room, and the border of the file is taken for that of the CT.
    wider = anatomy(np.pad(cut.numbers, ((0, 1), (0, 0), (0, 0))))
    flags = border_flags(wider, with_ct=False)
    assert {flag.code for flag in flags} == {"touches_border"}


def test_a_slice_that_is_missing():
    numbers = healthy()
    assert jump_flags(anatomy(numbers)) == ()
    numbers[20][numbers[20] == 3] = 0
    assert codes(jump_flags(anatomy(numbers))) == [("volume_jump", "tumour_1")]


def test_slices_of_five_millimetres_are_thin_enough():
    assert spacing_flags(anatomy(healthy(), spacing_mm=(5.0, 1, 1))) == ()
    assert spacing_flags(anatomy(healthy(), spacing_mm=(5.0000001, 1, 1))) == ()
    (flag,) = spacing_flags(anatomy(healthy(), spacing_mm=(5.5, 1, 1)))
    assert flag.message == "the slices lie 5.5 mm apart"


@pytest.mark.parametrize(
    ("age_years", "expected"),
    [
        (10, set()),
        # 58 ml beside 13 ml, 90 beside 50 mm: the grown kidney of a newborn.
        (0, {"kidney_volume_large", "kidney_length_long"}),
    ],
)
def test_sizes_for_the_age(age_years, expected):
    found = anatomy(healthy())
    flags = age_flags(found, measure(found), age_years)
    assert {flag.code for flag in flags if flag.structure == "kidney_left"} == expected


def test_a_kidney_with_a_tumour_may_be_small_or_bent():
    found = anatomy(healthy())
    small = [
        Row(name, measure_, value)
        for name in ("kidney_left", "kidney_right")
        for measure_, value in (("volume_ml", 8.0), ("diameter_mm", 40.0))
    ]
    flags = age_flags(found, as_table(small), 10)
    assert codes(flags) == [
        ("kidney_volume_small", "kidney_left"),
        ("kidney_length_short", "kidney_left"),
    ]


def test_values_for_the_training_ranges():
    found = anatomy(healthy())
    image = np.where(found.numbers == 3, 60, 150).astype(np.float32)
    values = range_values(found, image, 4.0)
    assert values["spacing_z_mm"] == 3.0
    assert values["spacing_x_mm"] == 1.1
    assert values["field_of_view_mm"] == pytest.approx(154)
    assert values["kidney_hu"] == 150
    assert values["age_years"] == 4
    assert values["tumour_ml"] == pytest.approx(14.1, rel=0.03)
    assert {"kidney_hu", "age_years"}.isdisjoint(range_values(found))
    assert "tumour_ml" not in range_values(anatomy(healthy(), (LEFT, RIGHT)))
