import numpy as np
import pytest

from deeprac.surgery.contact import contact_areas_cm2, contact_note
from support.bodies import beside

PAIR = frozenset({1, 2})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius_mm", [15, 35])
@pytest.mark.parametrize(
    "spacing_mm", [(1, 0.7, 0.7), (2, 0.75, 0.75), (3, 0.8, 0.8), (5, 0.8, 0.8)]
)
def test_hemispheres_within_five_percent(spacing_mm, radius_mm, seed):
    offset = np.random.default_rng(seed).uniform(0, 1, 3)
    found = contact_areas_cm2(beside(radius_mm, spacing_mm, offset), spacing_mm)
    assert found[PAIR] == pytest.approx(2 * np.pi * radius_mm**2 / 100, rel=0.05)


@pytest.mark.parametrize("radius_mm", [6, 8, 9.9])
@pytest.mark.parametrize("spacing_mm", [(1, 0.7, 0.7), (3, 0.8, 0.8), (5, 0.8, 0.8)])
def test_of_small_tumours_it_is_too_small_and_the_note_says_so(spacing_mm, radius_mm):
    numbers = beside(radius_mm, spacing_mm, (0.3, 0.4, 0.2))
    found = contact_areas_cm2(numbers, spacing_mm)[PAIR]
    assert 0.8 < found / (2 * np.pi * radius_mm**2 / 100) < 1.02
    assert "underestimated" in contact_note(4 / 3 * np.pi * radius_mm**3 / 1000)


def test_a_plane_by_hand():
    numbers = np.zeros((12, 40, 30), np.uint8)
    numbers[2:10, 4:34, 3:10] = 1
    numbers[2:10, 4:34, 10:20] = 2
    found = contact_areas_cm2(numbers, (3.0, 0.7, 1.1))
    # 8 slices of 3 mm by 30 pixels of 0.7 mm; smoothing rounds the corners.
    assert found[PAIR] == pytest.approx(8 * 3 * 30 * 0.7 / 100, rel=0.06)


def test_what_does_not_touch_is_left_out():
    numbers = np.zeros((6, 9, 20), np.uint8)
    numbers[1:5, 1:8, 1:6] = 1
    numbers[1:5, 1:8, 9:15] = 2
    numbers[1:5, 1:8, 15:19] = 7
    assert set(contact_areas_cm2(numbers, (3, 1, 1))) == {frozenset({2, 7})}
    assert contact_areas_cm2(np.zeros((3, 4, 5), np.uint8), (3, 1, 1)) == {}
