"""Values derived by hand, and properties; the bootstrap itself is scipy's."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from deeprac.evaluation.statistics import estimates
from deeprac.evaluation.statistics.estimates import (
    mean_interval,
    mean_intervals,
    median_interval,
)

NAN = float("nan")


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


@settings(max_examples=15)
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


def test_many_columns_get_the_numbers_of_single_ones():
    rng = np.random.default_rng(6)
    columns = [rng.uniform(0, 1, n) for n in (7, 3, 7, 1, 0, 7, 2)]
    columns += [[NAN, 0.5, 0.75, 1.0], [0.25] * 7]
    for found, values in zip(mean_intervals(columns), columns, strict=True):
        alone = astuple(mean_interval(values))
        assert astuple(found) == pytest.approx(alone, abs=1e-11, nan_ok=True)
    assert mean_intervals([]) == []


def test_order_of_patients_changes_no_digit():
    values = np.random.default_rng(8).uniform(0, 1, 13)
    assert mean_interval(values[::-1]) == mean_interval(values)
    assert median_interval(values[::-1]) == median_interval(values)


def rounded_mean(values, axis=-1):
    return np.mean(values, axis=axis).round(estimates.DECIMALS)


@pytest.mark.parametrize("shape", [(1, 11), (2, 150)])
def test_numbers_are_scipys(shape):
    columns = np.sort(np.random.default_rng(9).uniform(0, 1, shape))
    expected = stats.bootstrap(
        (columns,),
        rounded_mean,
        axis=-1,
        n_resamples=estimates.RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(estimates.SEED),
    ).confidence_interval
    found = mean_intervals(list(columns))
    assert [one.low for one in found] == pytest.approx(expected.low, abs=1e-11)
    assert [one.high for one in found] == pytest.approx(expected.high, abs=1e-11)


def test_resamples_of_the_same_patients_are_equal():
    """Two of the four draws of two patients have their mean, and count half below it:
    rounding must not put them on one side."""
    one = mean_interval([0.1, 0.3])
    assert (one.value - one.low) == pytest.approx(one.high - one.value, abs=1e-11)


@pytest.mark.parametrize(("n", "least", "most"), [(10, 0.86, 0.93), (40, 0.92, 0.97)])
def test_coverage_of_the_interval(n, least, most):
    # 400 samples of normal values: few patients have too narrow intervals, as is known
    # of the bootstrap and as docs/statistics.md warns.
    samples = np.random.default_rng(10).normal(0, 1, (400, n))
    covered = [e.low <= 0 <= e.high for e in mean_intervals(list(samples))]
    assert least < np.mean(covered) < most
