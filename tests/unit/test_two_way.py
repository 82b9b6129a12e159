import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from deeprac.evaluation.statistics.two_way import two_way_difference, two_way_interval


def test_by_hand():
    """Patients differ by 4, seeds by 2, and nothing is left."""
    found = two_way_interval([[0, 2], [4, 6]])
    # Mean squares: patients 2 * 8 = 16, seeds 2 * 2 = 4, rest 0. Variance 20 / 4;
    # degrees of freedom 400 / (256 + 16).
    half = stats.t.ppf(0.975, 400 / 272) * math.sqrt(5)
    assert found.value == 3
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half))
    assert found.n == 2


def test_seeds_that_agree_leave_the_patients_interval():
    """With equal seeds it is Student's interval over the patients."""
    values = np.array([0.1, 0.4, 0.2, 0.9, 0.5])
    found = two_way_interval(np.repeat(values[:, None], 3, axis=1))
    alone = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_a_seed_that_failed_widens_it_beyond_the_patients_alone():
    rng = np.random.default_rng(0)
    values = rng.normal(0.1, 0.02, (16, 3)) + np.array([0.0, 0.0, 0.8])
    found = two_way_interval(values)
    alone = stats.ttest_1samp(values.mean(1), 0).confidence_interval()
    assert found.low < 0 < alone.low


@pytest.mark.parametrize("values", [[[0.1, 0.3]], [[0.1], [0.3]]])
def test_one_patient_or_one_seed_has_no_interval(values):
    found = two_way_interval(values)
    assert found.value == pytest.approx(0.2)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_equal_values_have_an_interval_of_no_width():
    found = two_way_interval(np.full((4, 3), 0.25))
    assert (found.low, found.value, found.high) == (0.25, 0.25, 0.25)


@given(arrays(float, (5, 3), elements=st.floats(-1, 1)))
def test_the_interval_holds_the_mean_and_follows_shifts(values):
    found, moved = two_way_interval(values), two_way_interval(values + 2)
    assert found.low <= found.value <= found.high
    ends = np.array([found.low, found.high])
    np.testing.assert_allclose([moved.low, moved.high], ends + 2, atol=1e-6)


def test_coverage_by_simulation():
    """16 patients and 5 seeds without a true difference: 95 % of intervals hold 0."""
    rng = np.random.default_rng(1)
    shape = (1000, 16, 5)
    values = rng.normal(0, 3, shape) + rng.normal(0, 2, (1000, 1, 5))
    held = [found.low <= 0 <= found.high for found in map(two_way_interval, values)]
    assert 0.93 <= np.mean(held) <= 0.98


def cases(experiment, dice):
    """Rows of (patient, seed): value."""
    return pd.DataFrame(
        [
            {"experiment": experiment, "patient": patient, "seed": seed, "dice": value}
            for (patient, seed), value in dice.items()
        ]
    )


def test_differences_are_paired_and_incomplete_patients_left_out():
    ours = {("a", 0): 0.9, ("a", 1): 0.8, ("b", 0): 0.5, ("b", 1): float("nan")}
    theirs = {("a", 1): 0.6, ("a", 0): 0.8, ("b", 0): 0.5, ("b", 1): 0.5}
    ours |= {("c", 0): 0.5, ("c", 1): 0.7}
    theirs |= {("c", 0): 0.4, ("c", 1): 0.4, ("c", 2): 0.1}
    table = pd.concat([cases("ours", ours), cases("theirs", theirs)])
    found = two_way_difference(table, "ours", "theirs")
    expected = two_way_interval([[0.1, 0.2], [0.1, 0.3]])
    assert found.n == 2
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
