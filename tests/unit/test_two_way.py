import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from deeprac.evaluation.statistics.two_way import (
    Components,
    between_groups,
    two_way,
    two_way_difference,
    two_way_interval,
)


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


def test_the_test_agrees_with_the_interval():
    """By hand as above: t = 3 / sqrt(5); a limit at an end of the interval has 0.05."""
    found = two_way([[0, 2], [4, 6]])
    expected = 2 * stats.t.sf(3 / math.sqrt(5), 400 / 272)
    assert float(found.p()) == pytest.approx(expected)
    assert float(found.p(found.interval.low)) == pytest.approx(0.05)
    assert float(found.p(3)) == 1


def test_samples_at_once_are_those_one_by_one():
    values = np.random.default_rng(2).normal(0, 1, (7, 6, 4))
    together = two_way(values)
    for index, alone in enumerate(map(two_way, values)):
        assert together.mean[index] == pytest.approx(alone.mean)
        assert together.standard_error[index] == pytest.approx(alone.standard_error)
        assert together.degrees[index] == pytest.approx(alone.degrees)


def test_components_by_hand():
    # Mean squares 16, 4 and 0, as above: patients 16 / 2, seeds 4 / 2.
    found = two_way([[0, 2], [4, 6]])
    parts = found.components
    assert (parts.patients, parts.seeds, parts.rest) == (8, 2, 0)
    # As many of both again have the same precision; of one seed there is one variance.
    error, degrees = parts.precision(2, 2)
    assert (error, degrees) == (found.standard_error, found.degrees)
    alone = two_way([[1.0], [3.0], [5.0]]).components
    assert alone == Components(4, 0, 0)
    error, degrees = alone.precision(3, 1)
    assert (float(error), float(degrees)) == pytest.approx((math.sqrt(4 / 3), 2))


def test_no_gain_of_any_patient_in_any_seed_and_the_same_gain_of_all():
    assert float(two_way(np.zeros((4, 3))).p()) == 1
    assert float(two_way(np.full((4, 3), 0.25)).p()) == 0
    assert math.isnan(two_way([[0.1], [0.2]]).p())


def cases(experiment, dice):
    """Rows of (patient, seed): value."""
    return pd.DataFrame(
        [
            {"experiment": experiment, "patient": patient, "seed": seed}
            | {"fold": 0, "dice": value}
            for (patient, seed), value in dice.items()
        ]
    )


def test_groups_of_patients_are_compared_as_by_welch_where_seeds_agree():
    one, other = np.array([1.0, 2, 4, 8]), np.array([0.0, 1, 1])
    found = between_groups(*(np.repeat(x[:, None], 3, 1) for x in (one, other)))
    welch = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    assert found.value == pytest.approx(one.mean() - other.mean())
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
    assert found.n == 7
    equal = between_groups(np.ones((2, 2)), np.zeros((3, 2)))
    assert (equal.low, equal.value, equal.high) == (1, 1, 1)


def test_a_group_of_one_patient_has_no_interval_beside_another():
    found = between_groups(np.array([[1.0, 2]]), np.array([[0.0, 1], [2, 3]]))
    assert found.value == 0
    assert np.isnan([found.low, found.high]).all()


def test_differences_are_paired_and_incomplete_patients_left_out():
    ours = {("a", 0): 0.9, ("a", 1): 0.8, ("b", 0): 0.5, ("b", 1): float("nan")}
    theirs = {("a", 1): 0.6, ("a", 0): 0.8, ("b", 0): 0.5, ("b", 1): 0.5}
    ours |= {("c", 0): 0.5, ("c", 1): 0.7}
    theirs |= {("c", 0): 0.4, ("c", 1): 0.4, ("c", 2): 0.1}
    table = pd.concat([cases("ours", ours), cases("theirs", theirs)])
    found = two_way_difference(table, "ours", "theirs")
    # Of seed 2 ours lacks the training, and b a value.
    expected = two_way_interval([[0.1, 0.2], [0.1, 0.3]])
    assert found.n == 2
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
