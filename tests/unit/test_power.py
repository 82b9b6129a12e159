"""Against G*Power's printed numbers, a simulation, and each other."""

import math

import numpy as np
import pytest
from scipy import stats

from deeprac.evaluation.statistics.power import detectable_difference, patients_needed


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
