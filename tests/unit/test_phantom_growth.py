import numpy as np
import pytest

from deeprac.cohort.phantom.growth import REFERENCE_BODY_SIZE_MM, growth


def test_nothing_shrinks_with_age():
    ages = np.linspace(0, 16, 97)
    sizes = [growth(age) for age in ages]
    for name in ("body_width_mm", "body_depth_mm", "kidney_length_mm"):
        assert np.all(np.diff([getattr(size, name) for size in sizes]) >= 0)


def test_reference_child_is_six_years_old():
    # 198 mm wide, 142 mm deep.
    assert pytest.approx(np.sqrt(198 * 142)) == REFERENCE_BODY_SIZE_MM
