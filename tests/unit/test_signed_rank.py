"""Published examples, tables and exact inversion of scipy's test."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from deeprac.evaluation.statistics.signed_rank import (
    _averages_left_out,
    hodges_lehmann,
    rank_biserial,
    signed_rank_p,
)

# Hamilton depression scale of nine patients before and after a tranquilliser: example
# of R's wilcox.test, after Hollander and Wolfe 1973.
BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])

DISTINCT = st.lists(
    st.integers(-500, 500).filter(bool), min_size=6, max_size=14, unique_by=abs
)


def test_example_of_r():
    # wilcox.test(x, y, paired = TRUE, alternative = "greater"): V = 40, p = 0.01953
    differences = BEFORE - AFTER
    assert signed_rank_p(differences, alternative="greater") == pytest.approx(
        0.01953, abs=5e-6
    )
    assert signed_rank_p(differences) == pytest.approx(0.03906, abs=5e-6)
    # Hollander and Wolfe: estimate 0.46, 96.1 % interval 0.010 to 0.786.
    estimate = hodges_lehmann(differences)
    assert estimate.value == pytest.approx(0.46)
    assert (estimate.low, estimate.high) == pytest.approx((0.010, 0.786))
    # Sum of ranks 40 against 5.
    assert rank_biserial(differences) == pytest.approx((40 - 5) / 45)


@pytest.mark.parametrize(
    ("n", "critical"),
    [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (16, 29), (20, 52), (25, 89)],
)
def test_critical_values_of_the_printed_tables(n, critical):
    # Two-sided 5 %: reject where the smaller rank sum is at most the critical value.
    assert _averages_left_out(n) == critical


def test_walsh_averages_by_hand():
    # 1, 2, 6 and their means 1.5, 3.5, 4: median of 1, 1.5, 2, 3.5, 4, 6.
    estimate = hodges_lehmann([6, 1, 2])
    assert estimate.value == pytest.approx(2.75)
    assert estimate.n == 3
    assert math.isnan(estimate.low)


def test_five_patients_have_no_interval_and_six_the_whole_range():
    assert math.isnan(hodges_lehmann([1, 2, 3, 4, 5]).high)
    six = hodges_lehmann([1, 2, 3, 4, 5, 6])
    assert (six.low, six.high) == (1, 6)


@settings(max_examples=50)
@given(differences=DISTINCT)
def test_interval_holds_exactly_what_the_test_does_not_reject(differences):
    values = np.array(differences, float)
    estimate = hodges_lehmann(values)
    assert estimate.low <= estimate.value <= estimate.high
    for end, inwards in ((estimate.low, 1e-6), (estimate.high, -1e-6)):
        inside = signed_rank_p(values - (end + inwards))
        outside = signed_rank_p(values - (end - inwards))
        assert outside <= 0.05 < inside


@settings(max_examples=30)
@given(differences=DISTINCT)
def test_other_direction(differences):
    values = np.array(differences, float)
    assert rank_biserial(-values) == pytest.approx(-rank_biserial(values))
    assert hodges_lehmann(-values).value == pytest.approx(-hodges_lehmann(values).value)
    assert signed_rank_p(-values) == pytest.approx(signed_rank_p(values))
    assert signed_rank_p(values[::-1]) == signed_rank_p(values)


def test_equal_patients_are_dropped_from_the_test():
    assert signed_rank_p([0, 0, 3, 1, 2, 4]) == stats.wilcoxon([3, 1, 2, 4]).pvalue
    assert signed_rank_p([0, 0, 3, 1, 2, 4]) == pytest.approx(2 / 2**4)


def test_many_patients_use_the_normal_approximation():
    values = np.random.default_rng(1).normal(0.2, 1, 80)
    assert signed_rank_p(values) == pytest.approx(
        stats.wilcoxon(values, method="exact").pvalue, rel=0.05
    )


@pytest.mark.filterwarnings("error")
def test_degenerate_differences():
    assert math.isnan(signed_rank_p([]))
    assert math.isnan(rank_biserial([]))
    assert hodges_lehmann([]).n == 0
    assert signed_rank_p([0.0] * 7) == 1
    assert rank_biserial([0.0] * 7) == 0
    equal = hodges_lehmann([0.0] * 7)
    assert (equal.value, equal.low, equal.high) == (0, 0, 0)
    assert signed_rank_p([0.1]) == 1
    assert signed_rank_p([0.1] * 8) == pytest.approx(2 / 2**8)  # all tie: permutations


def test_interval_covers_the_truth():
    # 300 samples of 12 differences from a symmetric distribution with heavy tails.
    rng = np.random.default_rng(7)
    samples = rng.choice([-1, 1], (300, 12)) * rng.exponential(1, (300, 12))
    estimates = [hodges_lehmann(sample) for sample in samples]
    covered = np.mean([e.low <= 0 <= e.high for e in estimates])
    # Exact level of n = 12: 1 - 2 P(T <= 13) = 0.958; 300 samples: SD 0.012.
    assert covered == pytest.approx(0.958, abs=0.035)
