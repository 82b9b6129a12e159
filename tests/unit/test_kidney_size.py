import pytest

from deeprac.kidney_size import kidney_length_mm, kidney_volume_ml


@pytest.mark.parametrize(
    ("age_years", "expected_mm"),
    # 4.98 + 0.155 * months and 6.79 + 0.22 * years, in cm, by hand.
    [(0.0, 49.8), (0.5, 59.1), (2.0, 72.3), (10.0, 89.9), (16.0, 103.1)],
)
def test_kidney_length_follows_rosenbaum_1984(age_years, expected_mm):
    assert kidney_length_mm(age_years) == pytest.approx(expected_mm)


def test_adults_have_the_length_of_eighteen_years():
    # 6.79 + 0.22 * 18 cm; the published line ends before.
    assert kidney_length_mm(18) == pytest.approx(107.5)
    assert kidney_length_mm(63) == kidney_length_mm(18)


def test_volume_of_an_ellipsoid_by_hand():
    # 5 months: 49.8 + 7.75 = 57.55 mm, 0.45 of it across: 25.9 mm; pi/6 * a * b * b.
    assert kidney_volume_ml(5 / 12) == pytest.approx(20.2, abs=0.1)
