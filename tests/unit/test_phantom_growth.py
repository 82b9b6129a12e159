import numpy as np
import pytest

from deeprac.cohort.phantom.growth import REFERENCE_BODY_SIZE_MM, growth
from deeprac.cohort.phantom.torso import OUTLINE_EXPONENT


def test_nothing_shrinks_with_age():
    ages = np.linspace(0, 80, 481)
    sizes = [growth(age) for age in ages]
    for name in ("body_width_mm", "body_depth_mm", "kidney_length_mm"):
        assert np.all(np.diff([getattr(size, name) for size in sizes]) >= 0)


def test_reference_child_is_six_years_old():
    # 198 mm wide, 142 mm deep.
    assert pytest.approx(np.sqrt(198 * 142)) == REFERENCE_BODY_SIZE_MM


def test_adults_have_the_waist_of_a_population():
    adult = growth(60)
    assert adult == growth(30)
    # A superellipse, and the 4 % that the waist adds at the height of the kidneys.
    turn = np.linspace(0, 2 * np.pi, 4001)
    x, y = (
        1.04 * half * np.sign(wave) * np.abs(wave) ** (2 / OUTLINE_EXPONENT)
        for half, wave in (
            (adult.body_width_mm / 2, np.cos(turn)),
            (adult.body_depth_mm / 2, np.sin(turn)),
        )
    )
    waist_mm = np.hypot(np.diff(x), np.diff(y)).sum()
    assert waist_mm == pytest.approx(1000, rel=0.01)
    # On CT 108.5 mm right and 111.3 mm left.
    assert adult.kidney_length_mm == pytest.approx(109.9, rel=0.03)


def test_children_are_as_they_were():
    # Halfway between 10 and 16 years; the spread of all children.
    child = growth(13)
    assert (child.body_width_mm, child.body_depth_mm) == (261, 180)
    assert child.spread == 0.06
