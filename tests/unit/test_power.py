"""Against G*Power's printed numbers, a simulation, and each other."""

import math

import numpy as np
import pytest
from scipy import stats

from deeprac.evaluation.statistics import power
from deeprac.evaluation.statistics.two_way import Components, two_way


def patients_needed(difference, sd):
    """Of one training: the paired t test."""
    return power.patients_needed(difference, Components(sd**2, 0, 0), 1)


def detectable_difference(sd, n):
    return power.detectable_difference(Components(sd**2, 0, 0), n, 1)


@pytest.mark.parametrize(
    ("effect", "patients"), [(0.2, 199), (0.4, 52), (0.5, 34), (0.8, 15)]
)
def test_patients_of_g_power(effect, patients):
    # G*Power 3.1: matched pairs, two tails, alpha 0.05, power 0.8.
    assert patients_needed(effect, 1) == patients


def test_the_papers_gain_needs_many_patients():
    # +1.6 points at an SD of the differences of 4, 6 and 10: by the normal distribution
    # 50, 111 and 307 patients; Student's takes two more.
    needed = [patients_needed(1.6, sd) for sd in (4, 6, 10)]
    normal = [math.ceil(7.849 * sd**2 / 1.6**2) for sd in (4, 6, 10)]
    assert normal == [50, 111, 307]
    assert np.subtract(needed, normal).tolist() == [2, 2, 2]


def test_the_paper_saw_what_79_patients_just_detect():
    assert detectable_difference(5, 79) == pytest.approx(1.6, abs=0.02)


@pytest.mark.parametrize("n", [2, 3, 5, 16, 80, 1000])
def test_both_agree(n):
    difference = detectable_difference(3.0, n)
    assert patients_needed(difference * 1.0001, 3.0) == n
    assert patients_needed(difference * 0.98, 3.0) >= n


def test_simulated_power():
    rng = np.random.default_rng(5)
    difference = detectable_difference(1, 20)
    samples = rng.normal(difference, 1, (4000, 20))
    rejected = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    assert rejected.mean() == pytest.approx(0.8, abs=0.02)


@pytest.mark.filterwarnings("error")
def test_degenerate():
    assert math.isnan(detectable_difference(1, 1))
    assert math.isnan(detectable_difference(0, 10))
    assert math.isnan(detectable_difference(math.nan, 10))
    assert math.isnan(patients_needed(1, 0))
    assert math.isnan(patients_needed(math.nan, 1))
    assert math.isinf(patients_needed(0, 1))
    assert math.isinf(patients_needed(1e-6, 1))
    assert patients_needed(1e6, 1) == 2
    assert patients_needed(-0.5, 1) == patients_needed(0.5, 1)


def test_simulated_power_with_seeds():
    parts = Components(2.0**2, 1.5**2, 3.0**2)
    difference = power.detectable_difference(parts, 16, 5)
    rng = np.random.default_rng(6)
    values = rng.normal(0, 2, (4000, 16, 1)) + rng.normal(0, 1.5, (4000, 1, 5))
    found = two_way(difference + values + rng.normal(0, 3, (4000, 16, 5)))
    assert np.mean(found.p() < 0.05) == pytest.approx(0.8, abs=0.05)


def test_patients_do_not_make_up_for_seeds_that_differ():
    # Of 5 seeds with an SD of 3 the mean has a standard error of 1.34 at any n: with 4
    # degrees of freedom 80 % power takes a difference of about 3.9 of these.
    parts = Components(1.0, 9.0, 1.0)
    assert math.isinf(power.patients_needed(4.0, parts, 5))
    assert power.patients_needed(6.0, parts, 5) < 100
    # With as many seeds as there is no spread of, patients are enough.
    needed = power.patients_needed(1.0, Components(9.0, 0.0, 9.0), 5)
    assert 60 < needed < 100


@pytest.mark.parametrize("seeds", [3, 5])
def test_needed_and_detectable_agree_with_seeds(seeds):
    parts = Components(4.0, 0.0, 9.0)
    difference = power.detectable_difference(parts, 30, seeds)
    assert power.patients_needed(difference * 1.0001, parts, seeds) == 30
