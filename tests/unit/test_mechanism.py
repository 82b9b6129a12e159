"""Lines of Dice on sizes: exact ones, against scipy, and what cannot be told."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from deeprac.evaluation.statistics.mechanism import FACTORS, factors, slopes

PATIENTS = [f"p{index}" for index in range(40)]


@pytest.fixture
def sizes():
    values = np.random.default_rng(3).normal(size=(len(PATIENTS), len(FACTORS)))
    return pd.DataFrame(values, PATIENTS, list(FACTORS))


def test_an_exact_plane_is_found(sizes):
    dice = 80 + sizes @ [5.0, -2.0, 1.0]
    found = slopes(dice, sizes)
    assert [e.value for e in found.together.values()] == pytest.approx([5, -2, 1])
    assert [e.low for e in found.together.values()] == pytest.approx([5, -2, 1])
    assert found.explained == pytest.approx(1)
    assert found.n == len(PATIENTS)


def test_one_factor_alone_is_scipys_line(sizes):
    noise = np.random.default_rng(4).normal(size=len(PATIENTS))
    dice = 80 + 3 * sizes.true_size + noise
    found = slopes(dice, sizes).alone["true_size"]
    line = stats.linregress(sizes.true_size, dice)
    half = stats.t.ppf(0.975, len(PATIENTS) - 2) * line.stderr
    assert found.value == pytest.approx(line.slope)
    assert (found.low, found.high) == pytest.approx(
        (line.slope - half, line.slope + half)
    )


def test_what_comes_with_a_factor_counts_alone_but_not_together(sizes):
    sizes["label_pixels"] = sizes.apparent_size + 0.3 * sizes.label_pixels
    dice = 80 + 4 * sizes.apparent_size
    found = slopes(dice, sizes)
    assert found.alone["label_pixels"].value > 2
    assert found.together["label_pixels"].value == pytest.approx(0, abs=1e-9)


def test_the_intervals_hold_the_truth_as_often_as_they_say(sizes):
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        dice = 80 + sizes @ [5.0, -2.0, 1.0] + rng.normal(size=len(PATIENTS))
        found = slopes(dice, sizes).together["true_size"]
        held += found.low <= -2 <= found.high
    assert held / 200 == pytest.approx(0.95, abs=0.045)


def test_factors_that_are_one_cannot_be_told_apart(sizes):
    sizes["true_size"] = 2 * sizes.apparent_size
    found = slopes(80 + sizes.apparent_size, sizes)
    assert np.isnan(found.together["true_size"].value)
    assert found.alone["true_size"].value == pytest.approx(0.5)


def test_what_is_not_known_of_anybody_is_left_out(sizes):
    sizes[["true_size", "label_pixels"]] = np.nan
    found = slopes(80 + sizes.apparent_size, sizes)
    assert list(found.alone) == ["apparent_size"]
    assert found.together == {}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_patients_have_no_slope(sizes, count):
    found = slopes(pd.Series(80.0, PATIENTS[:count]), sizes)
    assert found.n == count
    assert np.isnan(found.alone["true_size"].value)


def test_pixels_follow_volume_and_magnification():
    diagnostics = pd.DataFrame(
        {"case": ["a", "b"], "body_scale": [0.8, 0.4], "size_scale": [1.0, 1.0]}
    )
    cases = pd.DataFrame(
        {
            "case": ["a", "b", "b"],
            "patient": ["p", "q", "q"],
            "label": ["kidney", "kidney", "tumour"],
            "reference_volume_ml": [64.0, 8.0, 0.0],
        }
    )
    found = factors(diagnostics, cases)
    difference = found.loc["kidney", "p"] - found.loc["kidney", "q"]
    # Four times the area by the volume, and four times by twice the magnification.
    assert difference.tolist() == pytest.approx([1, 0, 4])
    assert np.isnan(found.loc["tumour", "q"].label_pixels)
