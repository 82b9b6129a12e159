import numpy as np
import pandas as pd
import pytest

from deeprac.evaluation.statistics.estimates import mean_interval
from deeprac.evaluation.statistics.method_means import (
    OVER_BOTH,
    OVER_PATIENTS,
    interval_name,
    method_mean,
    method_means,
    seed_means,
)
from deeprac.evaluation.statistics.two_way import two_way_interval

NAN = float("nan")
KEYS = ["experiment", "label"]


def cases(table, experiment="e"):
    """Rows of the Dice of patients (rows) by seeds (columns)."""
    return pd.DataFrame(
        [
            {"experiment": experiment, "label": "kidney"}
            | {"patient": f"p{patient}", "seed": seed, "dice": dice}
            for (patient, seed), dice in np.ndenumerate(np.array(table, float))
        ]
    )


def test_mean_over_patients_and_seeds():
    table = [[0.5, 0.7], [0.6, 0.9], [0.4, 0.5]]
    (row,) = method_means(cases(table), KEYS).to_dict("records")
    assert row["dice_percent"] == pytest.approx(60)
    assert (row["n_patients"], row["n_seeds"]) == (3, 2)
    both = two_way_interval(table).scaled(100)
    assert (row["low_percent"], row["high_percent"]) == pytest.approx(
        (both.low, both.high)
    )


def test_each_training_has_its_mean():
    found = seed_means(cases([[0.5, 0.7], [0.6, NAN]]), KEYS)
    assert found.seed.tolist() == [0, 1]
    assert found.dice_percent.tolist() == pytest.approx([55, 70])


def test_cases_of_a_patient_are_one():
    table = cases([[0.2], [0.8]])
    twice = pd.concat([table, table[table.patient == "p0"].assign(dice=0.4)])
    assert method_mean(twice).value == pytest.approx((0.3 + 0.8) / 2)
    assert seed_means(twice, KEYS).dice_percent.tolist() == pytest.approx([55])


def test_one_seed_has_the_interval_of_its_patients():
    values = [0.5, 0.6, 0.8, 0.7]
    assert method_mean(cases([[v] for v in values])) == mean_interval(values)


def test_a_patient_whom_a_seed_gives_no_dice_is_left_out():
    assert method_mean(cases([[0.5, NAN], [0.6, 0.8], [0.4, 0.6]])).n == 2


def test_without_any_dice():
    found = method_mean(cases([[NAN, NAN], [NAN, NAN]]))
    assert found.n == 0
    assert np.isnan([found.value, found.low, found.high]).all()


def test_captions_name_what_intervals_are_over():
    one, two = cases([[0.5], [0.6]], "one"), cases([[0.5, 0.6]], "two")
    assert interval_name(one) == OVER_PATIENTS
    assert interval_name(two) == OVER_BOTH
    assert interval_name(pd.concat([one, two])) == (
        f"{OVER_BOTH}; where there is one seed, {OVER_PATIENTS}"
    )
