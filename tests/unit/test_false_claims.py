"""Probability of a false claim: the paper's numbers, scipy's test, and the edges."""

import math

import numpy as np
import pytest
from scipy import stats

from deeprac.evaluation.statistics.false_claims import (
    false_claim_probability,
    sd_of_difference,
)


@pytest.mark.parametrize(
    ("n", "r", "expected"), [(80, 0.8, 0.18), (16, 0.8, 0.34), (80, 0.95, 0.03)]
)
def test_the_papers_tumours(n, r, expected):
    # 87.12 (23.39) against 85.52 (24.65); by hand at n 80 and r 0.8: the SD is 15.24,
    # the standard error 1.70, t 0.94 with 79 degrees of freedom.
    sd = sd_of_difference(23.39, 24.65, r)
    assert false_claim_probability(87.12 - 85.52, sd, n) == pytest.approx(
        expected, abs=0.005
    )


def test_it_is_the_one_sided_p_of_students_test():
    values = np.random.default_rng(7).normal(0.3, 1, 12)
    expected = stats.ttest_1samp(values, 0, alternative="greater").pvalue
    found = false_claim_probability(values.mean(), values.std(ddof=1), 12)
    assert found == pytest.approx(expected)


def test_the_sd_of_a_difference_is_that_of_the_differences():
    one, other = np.random.default_rng(8).normal(0, 1, (2, 50))
    other = one + 2 * other
    r = np.corrcoef(one, other)[0, 1]
    found = sd_of_difference(one.std(ddof=1), other.std(ddof=1), r)
    assert found == pytest.approx((one - other).std(ddof=1))


@pytest.mark.filterwarnings("error")
def test_edges():
    assert false_claim_probability(0, 1, 10) == 0.5
    assert false_claim_probability(-0.5, 1, 10) > 0.5
    assert math.isnan(false_claim_probability(0.5, 1, 1))
    assert math.isnan(false_claim_probability(0.5, 0, 10))
    assert math.isnan(false_claim_probability(math.nan, math.nan, 0))
