import numpy as np
import pytest

from deeprac.surgery.parts import Parts
from deeprac.surgery.tumours import InstanceRule, find_tumours

SPACING_MM = (3.0, 1.0, 1.0)
LEFT, RIGHT = 1, 2


def kidneys():
    numbers = np.zeros((8, 20, 60), np.uint8)
    numbers[2:6, 5:15, 45:55] = LEFT
    numbers[2:6, 5:15, 5:15] = RIGHT
    return numbers


def found(mask, touches=(), rule=None):
    parts = Parts.of(mask)
    tumours = find_tumours(
        parts, touches, kidneys(), SPACING_MM, rule or InstanceRule()
    )
    return parts, tumours


def test_the_largest_is_the_first():
    mask = np.zeros((8, 20, 60), bool)
    mask[2:4, 2:5, 20:25] = True  # 30 voxels
    mask[2:6, 10:15, 30:35] = True  # 100 voxels
    parts, tumours = found(mask)
    assert tumours.count == 2
    assert tumours.of_part[parts.numbers[3, 3, 22]] == 2
    assert tumours.of_part[parts.numbers[3, 12, 32]] == 1


def test_the_kidney_that_it_touches_most_not_the_nearest_part():
    mask = np.zeros((8, 20, 60), bool)
    mask[2:6, 5:15, 16:44] = True
    _, tumours = found(mask, [(LEFT, 1, 30.0), (RIGHT, 1, 25.0), (LEFT, 1, 1.0)])
    assert tumours.kidney_of_part[1] == LEFT
    (flag,) = tumours.flags
    # 25 of 31 mm2.
    assert flag.code == "tumour_side_doubtful"
    assert flag.value == pytest.approx(100 * 25 / 31)


def test_else_the_nearest_kidney():
    mask = np.zeros((8, 20, 60), bool)
    mask[2:6, 5:15, 20:28] = True  # 5 columns from the right one, 17 from the left
    _, tumours = found(mask)
    assert tumours.kidney_of_part[1] == RIGHT
    assert tumours.flags == ()


@pytest.mark.parametrize(("voxels", "counted"), [(21, 0), (22, 1)])
def test_specks_are_below_65_microlitres(voxels, counted):
    # A voxel has 3 mm3.
    mask = np.zeros((8, 20, 60), bool)
    mask[1, 1, :voxels] = True
    _, tumours = found(mask)
    assert tumours.count == counted
    assert [flag.code for flag in tumours.flags] == ["tumour_specks"] * (1 - counted)


def test_a_speck_becomes_the_kidney_that_it_touches():
    mask = np.zeros((8, 20, 60), bool)
    mask[1, 6, 50] = mask[1, 1, 30] = True
    parts, tumours = found(mask, [(LEFT, 2, 1.0)])
    by_place = tumours.kidney_of_part[parts.numbers]
    assert by_place[1, 6, 50] == LEFT
    assert by_place[1, 1, 30] == 0
    (flag,) = tumours.flags
    # Two voxels of 3 mm3.
    assert (flag.value, flag.verdict.value) == (pytest.approx(0.006), "look")
    assert flag.message == (
        "2 parts of tumour, each below 0.065 ml: 0.003 ml that touch a kidney are "
        "counted as kidney, 0.003 ml as nothing"
    )


def test_many_specks_are_a_tumour_that_is_not_measured():
    mask = np.zeros((80, 20, 60), bool)
    mask[::2, ::2, ::4] = mask[::2, ::2, 1::4] = True  # 6000 pairs, 36 ml
    (flag,) = found(mask)[1].flags
    assert (flag.code, flag.verdict.value) == ("tumour_specks", "do not use")


def test_too_many_tumours_are_no_result():
    mask = np.zeros((8, 20, 60), bool)
    mask[0:2, 0:3, ::3] = True
    mask[0:4, 10:15, :10] = True
    # The first is the largest; of all others one touches a kidney.
    _, tumours = found(mask, [(LEFT, 7, 1.0)], rule=InstanceRule(smallest_ml=0, most=5))
    assert tumours.count == 5
    (flag,) = [f for f in tumours.flags if f.code == "tumour_fragments"]
    assert (flag.value, flag.verdict.value) == (16, "do not use")
    # 16 of 18 mm3.
    assert "0.018 ml that touch a kidney are counted as kidney, 0.27 ml" in flag.message
