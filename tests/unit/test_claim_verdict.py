"""The one rule: reached, missed or not decidable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.evaluation.statistics.verdicts import MIN_PATIENTS
from deeprac.reporting.claims.verdict import (
    Measured,
    Verdict,
    decided,
    lacking,
    together,
)
from deeprac.settings.claims import Bound

REACHED, MISSED, NOT_DECIDABLE = Verdict
ABOVE = Bound("above", 0, "points")
AT_MOST = Bound("at_most", 1, "points")


def measured(value, low=NAN, high=NAN, *, n=16, seeds=(), **rest):
    return Measured(Estimate(value, low, high, n), tuple(seeds), **rest)


def five(value):
    return (value,) * 5


def test_the_number_decides_by_the_rule_point():
    assert decided(measured(1, seeds=five(1)), AT_MOST, "point") == (REACHED, "")
    verdict, why = decided(measured(1.5, seeds=five(1.5)), AT_MOST, "point")
    assert (verdict, why) == (MISSED, "by 0.5 points")


def test_a_number_at_the_bound_is_not_above_it():
    assert decided(measured(0, seeds=five(0)), ABOVE, "point") == (
        MISSED,
        "equal to the bound",
    )
    at_least = Bound("at_least", 0, "points")
    assert decided(measured(0, seeds=five(0)), at_least, "point")[0] == REACHED


@pytest.mark.parametrize(
    ("ends", "seeds", "expected"),
    [
        ((1, 3), five(2), (REACHED, "")),
        ((-3, -1), five(-2), (MISSED, "by 2 points")),
        ((-1, 3), five(2), (NOT_DECIDABLE, "the interval holds the bound")),
        ((0, 3), five(2), (NOT_DECIDABLE, "the interval holds the bound")),
        ((1, 3), (2, 2, 2, 2, -1), (NOT_DECIDABLE, "1 of 5 seeds say otherwise")),
        ((NAN, NAN), five(2), (NOT_DECIDABLE, "no interval")),
    ],
)
def test_the_interval_and_every_seed_decide_by_the_rule_interval(ends, seeds, expected):
    value = -2 if ends[1] < 0 else 2
    assert decided(measured(value, *ends, seeds=seeds), ABOVE, "interval") == expected


def test_few_seeds_and_patients_decide_nothing():
    few = measured(2, 1, 3, seeds=(2, 2, 2))
    assert decided(few, ABOVE, "interval") == (NOT_DECIDABLE, "3 seeds, 5 needed")
    small = measured(2, 1, 3, n=4, seeds=five(2))
    verdict, why = decided(small, ABOVE, "interval")
    assert (verdict, why) == (NOT_DECIDABLE, f"4 patients, {MIN_PATIENTS} needed")


def test_what_is_counted_needs_no_seeds():
    assert decided(measured(0.5, n=0), AT_MOST, "point")[0] == REACHED


def test_one_bad_case_is_enough_to_miss_the_worst():
    """More trainings could only add to it."""
    covered = Bound("at_least", 99.5, "%")
    one = measured(77, seeds=(77,), worst=True)
    assert decided(one, covered, "point", "1 of 1 trainings") == (MISSED, "by 22.5 %")
    good = measured(100, seeds=(100,), worst=True)
    assert decided(good, covered, "point")[0] == NOT_DECIDABLE


def test_failed_trainings_and_missing_numbers_decide_nothing():
    good = measured(2, 1, 3, seeds=five(2))
    failed = "1 of 10 trainings did not learn (a, seed 0, fold 0: tumour)"
    assert decided(good, ABOVE, "interval", failed) == (NOT_DECIDABLE, failed)
    assert decided(lacking("not run"), ABOVE, "point") == (NOT_DECIDABLE, "not run")
    nothing = measured(NAN, seeds=five(NAN))
    assert decided(nothing, ABOVE, "point") == (NOT_DECIDABLE, "no patient has a value")


def test_a_claim_is_missed_by_one_condition_and_reached_by_all():
    assert together([REACHED, REACHED]) == REACHED
    assert together([REACHED, NOT_DECIDABLE]) == NOT_DECIDABLE
    assert together([REACHED, NOT_DECIDABLE, MISSED]) == MISSED


@given(
    value=st.floats(-10, 10),
    half=st.floats(0, 5),
    limit=st.integers(-3, 3),
    side=st.sampled_from(["at_least", "at_most", "above", "below"]),
)
def test_a_verdict_by_the_interval_is_one_by_the_number(value, half, limit, side):
    """The stricter rule never contradicts the other."""
    bound = Bound(side, limit, "points")
    number = measured(value, value - half, value + half, seeds=five(value))
    by_interval = decided(number, bound, "interval")[0]
    assert by_interval in (NOT_DECIDABLE, decided(number, bound, "point")[0])
