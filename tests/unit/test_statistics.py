"""Values derived by hand, and properties; the bootstrap itself is scipy's."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeprac.evaluation.statistics.estimates import mean_interval, median_interval
from deeprac.evaluation.statistics.patients import (
    paired,
    paired_difference,
    paired_sd_difference,
    patient_means,
    seed_sd,
)

NAN = float("nan")


def scores(**patients):
    """Rows of two experiments: patient = (experiment, reference)."""
    return pd.DataFrame(
        [
            {"experiment": name, "patient": patient, "dice": value}
            for patient, pair in patients.items()
            for name, value in zip(("stn", "plain"), pair, strict=True)
        ]
    )


def test_interval_of_two_patients():
    # Resampled means of 0 and 1: 0 (1/4), 0.5 (1/2), 1 (1/4). The sample is symmetric,
    # so BCa corrects nothing, and the outer 2.5 % are 0 and 1.
    estimate = mean_interval([0.0, 1.0, NAN])
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (0.5, 0, 1, 2)


def test_interval_of_many_patients_is_the_normal_one():
    # For 400 nearly normal values: mean +- 1.96 SD / 20; resampling adds about 1 %.
    values = np.random.default_rng(3).normal(5, 2, 400)
    half = 1.96 * values.std(ddof=1) / 20
    estimate = mean_interval(values)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.value - estimate.low == pytest.approx(half, rel=0.08)
    assert estimate.high - estimate.value == pytest.approx(half, rel=0.08)


def test_bca_follows_the_skew():
    # One patient far above the others: the interval reaches further up than down.
    estimate = mean_interval([0.0, 0.1, 0.2, 0.1, 0.0, 0.2, 0.1, 2.0])
    assert estimate.high - estimate.value > 1.5 * (estimate.value - estimate.low)


def test_interval_of_a_median():
    # 1 to 7, resampled: P(median <= 1) = P(Binomial(7, 1/7) >= 4) = 0.010 and
    # P(median <= 2) = P(Binomial(7, 2/7) >= 4) = 0.108, so the 2.5 % quantile is 2.
    estimate = median_interval(range(1, 8))
    assert (estimate.value, estimate.low, estimate.high) == (4, 2, 6)


@pytest.mark.parametrize("interval", [mean_interval, median_interval])
def test_degenerate_samples(interval):
    none = interval([NAN])
    assert none.n == 0
    assert math.isnan(none.value)
    one = interval([0.3])
    assert (one.value, one.n) == (0.3, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    equal = interval([0.3] * 5)
    assert equal.value == equal.low == equal.high == pytest.approx(0.3)


@settings(max_examples=15, deadline=None)
@given(
    values=st.lists(st.integers(0, 100), min_size=2, max_size=12),
    shift=st.integers(-50, 50),
)
def test_interval_holds_the_mean_and_moves_with_the_values(values, shift):
    estimate = mean_interval(values)
    assert estimate.low <= estimate.value <= estimate.high
    assert min(values) <= estimate.low
    assert estimate.high <= max(values)
    moved = mean_interval(np.add(values, shift))
    assert moved.low == pytest.approx(estimate.low + shift)
    assert mean_interval(values) == estimate  # seeded


def test_scaled_keeps_n():
    estimate = mean_interval([0.0, 1.0]).scaled(100)
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (50, 0, 100, 2)


def test_cases_are_averaged_before_seeds():
    cases = pd.DataFrame(
        {
            "patient": ["p"] * 4,
            "seed": [0, 0, 1, 1],
            "error": [1.0, 3.0, 6.0, NAN],  # seed 0: 2, seed 1: 6
        }
    )
    assert patient_means(cases, "error").error.tolist() == [4.0]


def test_only_patients_of_both_experiments_are_compared():
    table = scores(a=(0.9, 0.5), b=(0.8, 0.6), c=(0.1, NAN), d=(NAN, 0.2))
    pairs = paired(table, "stn", "plain")
    assert pairs.index.tolist() == ["a", "b"]
    estimate = paired_difference(table, "stn", "plain")
    assert estimate.value == pytest.approx((0.4 + 0.2) / 2)
    assert (estimate.low, estimate.high) == pytest.approx((0.2, 0.4))
    assert estimate.n == 2
    assert paired_difference(table, "plain", "stn").value == -estimate.value


def test_difference_of_spread():
    # SD of 0, 1, 2 is 1 and of 0, 2, 4 it is 2.
    table = scores(a=(0, 0), b=(1, 2), c=(2, 4))
    estimate = paired_sd_difference(table, "stn", "plain")
    assert estimate.value == pytest.approx(-1)
    assert estimate.low <= -1 <= estimate.high
    # All differences equal: the spread is the same in every resample.
    table = scores(a=(1, 0), b=(3, 2), c=(2, 1))
    estimate = paired_sd_difference(table, "stn", "plain")
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)
    # Without any one of these patients both SDs change alike.
    table = scores(a=(0.5, 1), b=(1, 1), c=(1, 0.5), d=(0.5, 0.5))
    estimate = paired_sd_difference(table, "stn", "plain")
    assert estimate.value == 0
    assert estimate.low < 0 < estimate.high
    two = paired_sd_difference(scores(a=(0, 0), b=(1, 2)), "stn", "plain")
    assert two.value == pytest.approx((1 - 2) / math.sqrt(2))
    assert math.isnan(two.low)


def test_spread_over_seeds():
    cases = pd.DataFrame(
        {
            "seed": [0, 0, 0, 1, 1, 1],
            "patient": ["p", "p", "q"] * 2,
            # Seed 0: patients 0.3 and 0.5, mean 0.4; seed 1: 0.5 and 0.7, mean 0.6.
            "dice": [0.2, 0.4, 0.5, 0.4, 0.6, 0.7],
        }
    )
    assert seed_sd(cases) == pytest.approx(0.2 / math.sqrt(2))
    assert math.isnan(seed_sd(cases[cases.seed == 0]))
