import numpy as np
import pytest

from deeprac.cohort.phantom.growth import (
    REFERENCE_BODY_SIZE_MM,
    growth,
    kidney_length_mm,
)


@pytest.mark.parametrize(
    ("age_years", "expected_mm"),
    # 4.98 + 0.155 * months and 6.79 + 0.22 * years, in cm, by hand.
    [(0.0, 49.8), (0.5, 59.1), (2.0, 72.3), (10.0, 89.9), (16.0, 103.1)],
)
def test_kidney_length_follows_rosenbaum_1984(age_years, expected_mm):
    assert kidney_length_mm(age_years) == pytest.approx(expected_mm)


def test_nothing_shrinks_with_age():
    ages = np.linspace(0, 16, 97)
    sizes = [growth(age) for age in ages]
    for name in ("body_width_mm", "body_depth_mm", "kidney_length_mm"):
        assert np.all(np.diff([getattr(size, name) for size in sizes]) >= 0)


def test_reference_child_is_six_years_old():
    # 198 mm wide, 142 mm deep.
    assert pytest.approx(np.sqrt(198 * 142)) == REFERENCE_BODY_SIZE_MM
