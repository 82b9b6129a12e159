"""From cases to patients, by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from deeprac.evaluation.statistics.patients import (
    complete,
    differences,
    in_order,
    paired,
    patient_means,
    seed_differences,
    seed_sd,
    seed_table,
    training_sd,
)
from support.summary_builder import make_cases

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
    found = differences(table, "stn", "plain")
    assert found == pytest.approx([0.4, 0.2])
    assert differences(table, "plain", "stn") == pytest.approx(-found)


# Seed 0: patients 0.3 and 0.5, mean 0.4; seed 1: 0.5 and 0.9, mean 0.7.
TWO_SEEDS = pd.DataFrame(
    {
        "seed": [0, 0, 0, 1, 1, 1],
        "patient": ["p", "p", "q"] * 2,
        "dice": [0.2, 0.4, 0.5, 0.4, 0.6, 0.9],
    }
)


def test_spread_over_seeds_and_within_a_training():
    table = seed_table(TWO_SEEDS)
    assert table.to_numpy() == pytest.approx(np.array([[0.3, 0.5], [0.5, 0.9]]))
    assert seed_sd(table) == pytest.approx(0.3 / math.sqrt(2))
    # SDs of 0.2 and 0.4 over root 2; that of the means 0.4 and 0.7 is as large here.
    assert training_sd(table) == pytest.approx(0.3 / math.sqrt(2))
    alone = seed_table(TWO_SEEDS[TWO_SEEDS.seed == 0])
    assert math.isnan(seed_sd(alone))
    assert training_sd(alone) == pytest.approx(0.2 / math.sqrt(2))


def test_the_sd_within_a_training_is_not_that_of_the_means():
    # Each training spreads by 0.8; the means over both do not spread at all.
    table = pd.DataFrame({0: [0.1, 0.9], 1: [0.9, 0.1]})
    assert training_sd(table) == pytest.approx(0.8 / math.sqrt(2))
    assert table.mean(axis=1).std() == 0


def test_folds_that_predicted_the_same_patient_are_averaged_before_seeds():
    cases = pd.DataFrame(
        {"patient": "p", "seed": [0, 0, 1], "fold": [0, 1, 0], "dice": [0.2, 0.4, 0.9]}
    )
    assert seed_table(cases).loc["p"].tolist() == pytest.approx([0.3, 0.9])
    assert patient_means(cases, "dice").dice.tolist() == pytest.approx([0.6])


@pytest.mark.parametrize(
    ("gaps", "patients", "seeds"),
    [
        ([], 4, 3),
        ([(0, 2)], 3, 3),  # 9 values; without the seed 8
        ([(0, 2), (1, 2)], 4, 2),  # 8 values; with the seed 6
        ([(0, 0), (0, 1), (0, 2)], 3, 3),
    ],
)
def test_the_largest_complete_part(gaps, patients, seeds):
    table = pd.DataFrame(np.ones((4, 3)))
    for row, column in gaps:
        table.loc[row, column] = NAN
    found = complete(table)
    assert found.shape == (patients, seeds)
    assert found.columns.is_monotonic_increasing
    assert found.notna().all(axis=None)


def test_a_seed_that_one_side_lacks_is_left_out():
    cases = make_cases({"stn": [0.6, 0.8], "plain": [0.5, 0.5]}, seeds=(0, 1))
    cases = cases[cases.label == "tumour"]
    found = seed_differences(cases, "stn", "plain")
    assert found.shape == (2, 2)
    lost = (cases.experiment == "stn") & (cases.seed == 1)
    found = seed_differences(cases[~lost], "stn", "plain")
    assert found.columns.tolist() == [0]
    assert found[0].tolist() == pytest.approx([0.1, 0.3])
    nothing = seed_differences(cases[cases.experiment == "stn"], "stn", "plain")
    assert nothing.shape[0] == 0


def test_cases_have_one_order():
    keys = ["experiment", "label", "patient", "case", "seed", "fold"]
    rows = [("a", "k", "p", "c1", 0, 0), ("a", "k", "p", "c0", 1, 0)]
    cases = pd.DataFrame([*rows, ("a", "k", "p", "c0", 0, 0)], columns=keys)
    pd.testing.assert_frame_equal(in_order(cases[::-1]), in_order(cases))
    assert in_order(cases).seed.tolist() == [0, 1, 0]
