import numpy as np
import pytest

from deeprac.cohort.grid import Grid
from deeprac.surgery.anatomy import BodySide
from deeprac.surgery.kidneys import disagreement, find_kidneys
from deeprac.surgery.parts import Parts


def grid(axes=None):
    return Grid.along(
        np.eye(3) if axes is None else axes, (60, 30, 12), (1, 1, 3), (0,) * 3
    )


def found(mask, touches=(), axes=None):
    parts = Parts.of(mask)
    tumours = Parts(np.zeros_like(parts.numbers), np.array([0, 10]))
    kidneys = find_kidneys(parts, tumours, touches, grid(axes))
    return kidneys, kidneys.of_part[parts.numbers]


def two():
    mask = np.zeros((12, 30, 60), bool)
    mask[2:10, 5:15, 5:20] = True
    mask[2:10, 5:15, 40:55] = True
    return mask


def test_left_is_first_and_at_larger_x():
    kidneys, numbers = found(two())
    assert kidneys.sides == (BodySide.LEFT, BodySide.RIGHT)
    assert set(np.unique(numbers[..., 40:])) == {0, 1}
    assert set(np.unique(numbers[..., :20])) == {0, 2}


def test_true_x_counts_where_the_grid_is_tilted():
    """Above each other in the columns, side by side in the patient."""
    mask = np.zeros((40, 30, 60), bool)
    mask[2:14, 5:15, 20:35] = True
    mask[26:38, 5:15, 20:35] = True
    assert found(mask)[0].sides == (BodySide.UNKNOWN,)
    angle = np.radians(40)
    cos, sin = np.cos(angle), np.sin(angle)
    axes = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    kidneys, numbers = found(mask, axes=axes)
    assert kidneys.sides == (BodySide.LEFT, BodySide.RIGHT)
    assert numbers[30, 8, 25] == 1  # higher slices lie further to the left


def test_slivers_go_to_the_nearest_kidney():
    mask = two()
    mask[5, 8, 23] = mask[0, 20, 38] = True
    kidneys, numbers = found(mask)
    assert numbers[5, 8, 23] == 2
    assert numbers[0, 20, 38] == 1
    assert kidneys.flags == ()


@pytest.mark.parametrize("parts", [1, 2])
def test_one_kidney_or_two_above_each_other(parts):
    mask = np.zeros((12, 30, 60), bool)
    mask[1:5, 5:15, 5:20] = True
    mask[7:11, 5:15, 5:20] = parts == 2
    kidneys, numbers = found(mask)
    assert kidneys.sides == (BodySide.UNKNOWN,)
    assert np.array_equal(numbers == 1, mask)
    assert [flag.code for flag in kidneys.flags] == ["side_unknown"]


def test_two_parts_of_one_kidney_are_told():
    mask = two()
    mask[6, :, :20] = False
    kidneys, numbers = found(mask, [(1, 1, 5.0), (3, 1, 5.0)])
    assert set(np.unique(numbers[..., :20])) == {0, 2}
    (flag,) = kidneys.flags
    assert (flag.code, flag.structure, flag.value) == (
        "kidney_parts",
        "kidney_right",
        2,
    )


def test_no_kidney():
    kidneys, _ = found(np.zeros((12, 30, 60), bool))
    assert (kidneys.sides, kidneys.flags) == ((), ())


@pytest.mark.parametrize(
    ("wrong", "verdict"), [(0, None), (5, None), (6, "look"), (51, "do not use")]
)
def test_sides_that_the_model_calls_otherwise(wrong, verdict):
    kidney = np.ones((1, 10, 10), bool)
    left = kidney.copy()
    left.ravel()[:wrong] = False
    flags = disagreement({BodySide.LEFT: left}, {BodySide.LEFT: kidney})
    assert [flag.verdict.value for flag in flags] == ([verdict] if verdict else [])
