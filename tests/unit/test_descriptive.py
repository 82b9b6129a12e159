"""Descriptions of cohorts small enough to count by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from deeprac.evaluation.metrics.conventions import with_convention
from deeprac.evaluation.statistics.descriptive import DESCRIBED_COLUMNS, describe
from support.summary_builder import make_cases

NAN = float("nan")


def described(cases, *experiments):
    table = describe(cases, experiments or ["a"], failure_dice=0.5)
    return table.set_index(["experiment", "label", "metric"]).sort_index()


def test_numbers_by_hand():
    values = [0.2, 0.4, 0.6, 0.8]
    table = described(make_cases({"a": values}))
    row = table.loc["a", "kidney", "dice"]
    assert (row.n, row.n_undefined) == (4, 0)
    assert row["mean"] == pytest.approx(0.5)
    assert row.training_sd == pytest.approx(np.std(values, ddof=1))
    assert row["median"] == pytest.approx(0.5)
    assert (row.quartile_1, row.quartile_3) == pytest.approx((0.35, 0.65))
    assert row.worst_5_percent == pytest.approx(0.23)  # 0.2 + 0.15 * 0.2
    assert (row.failed, row.n_values, row.failed_rate) == (2, 4, 0.5)
    assert row.low < 0.5 < row.high
    # Folds hold patients 0, 2 and 1, 3: means 0.4 and 0.6.
    assert (row.n_folds, row.fold_sd) == (2, pytest.approx(0.2 / math.sqrt(2)))
    assert row.n_seeds == 1
    assert pd.isna(row.seed_sd)
    assert pd.isna(row.two_way_low)
    # Of distances the highest are the worst.
    assert table.loc["a", "kidney", "hd95_mm"].worst_5_percent == pytest.approx(0.77)
    assert pd.isna(table.loc["a", "kidney", "volume_error_ml"].worst_5_percent)
    assert pd.isna(table.loc["a", "kidney", "recall"].failed)


def test_patients_are_the_unit():
    # Patient 0: cases of seed 0 are 0.2 and 0.6, that of seed 1 is 0.4.
    cases = make_cases({"a": [0.2, 1.0]}, seeds=(0, 1))
    cases.loc[(cases.seed == 1) & (cases.patient == "patient000"), "dice"] = 0.4
    second = cases[(cases.seed == 0) & (cases.patient == "patient000")]
    cases = pd.concat([cases, second.assign(case="case9", dice=0.6)])
    row = described(cases).loc["a", "tumour", "dice"]
    assert row.n == 2
    assert row["mean"] == pytest.approx((0.4 + 1.0) / 2)
    # Means of the seeds: 0.7 and 0.7.
    assert (row.n_seeds, row.seed_sd) == (2, pytest.approx(0))


def test_seeds_are_data():
    # One seed of three finds nothing in either patient.
    cases = make_cases({"a": [0.8, 0.9]}, seeds=(0, 1, 2))
    cases.loc[cases.seed == 0, "dice"] = [0.0] * 6
    row = described(cases).loc["a", "tumour", "dice"]
    assert (row.n, row["mean"]) == (2, pytest.approx(0.85 * 2 / 3))
    # Within the trainings 0, 0.1 and 0.1 over root 2; the means of the seeds 0, 0.85
    # twice.
    assert row.training_sd == pytest.approx(0.2 / 3 / math.sqrt(2))
    assert row.seed_sd == pytest.approx(0.85 / math.sqrt(3))
    assert (row.failed, row.n_values) == (2, 6)
    assert row.two_way_low < 0
    assert row.two_way_high > 1
    assert row.low > 0.5


def test_undefined_patients_are_stated():
    row = described(make_cases({"a": [0.5, NAN, 0.7]})).loc["a", "tumour", "dice"]
    assert (row.n, row.n_undefined) == (2, 1)
    assert row["mean"] == pytest.approx(0.6)
    assert (row.n_empty_reference, row.false_positive_ml) == (1, 0)
    assert (row.failed, row.n_values) == (0, 2)


def test_a_value_from_some_seeds_only_is_stated():
    cases = make_cases({"a": [0.5, 0.6]}, seeds=(0, 1))
    nothing = (cases.seed == 1) & (cases.patient == "patient001")
    cases.loc[nothing, "hd95_mm"] = NAN
    table = described(cases)
    row = table.loc["a", "tumour", "hd95_mm"]
    assert (row.n, row.n_undefined, row.n_partial) == (2, 0, 1)
    assert table.loc["a", "tumour", "dice"].n_partial == 0


def test_both_conventions():
    cases = make_cases({"a": [0.5, NAN]})
    row = described(with_convention(cases, "kits23")).loc["a", "tumour", "dice"]
    assert (row.n, row["mean"], row.n_undefined) == (2, pytest.approx(0.75), 0)
    row = described(with_convention(cases, "nnunet")).loc["a", "tumour", "dice"]
    assert (row.n, row["mean"], row.n_undefined) == (1, pytest.approx(0.5), 1)


def test_false_positives_where_the_reference_is_empty():
    cases = make_cases({"a": [0.4, 0.6]})
    mine = (cases.label == "tumour") & (cases.patient == "patient001")
    cases.loc[mine, ["reference_volume_ml", "dice"]] = 0.0
    row = described(cases).loc["a", "tumour", "dice"]
    assert (row.n_empty_reference, row.false_positive_ml) == (1, pytest.approx(30))
    assert (row.failed, row["mean"]) == (2, pytest.approx(0.2))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("convention", ["nnunet", "kits23"])
def test_a_label_that_the_cohort_lacks(convention):
    cases = make_cases({"a": [0.5, 0.6]})
    tumour = cases.label == "tumour"
    cases.loc[tumour, ["volume_ml", "reference_volume_ml"]] = 0.0
    metrics = [name for name in cases if name.startswith(("dice", "nsd", "hd95"))]
    cases.loc[tumour, metrics] = NAN
    table = described(with_convention(cases, convention)).xs(("a", "tumour"))
    assert table.n["dice"] == (2 if convention == "kits23" else 0)
    assert table.n["hd95_mm"] == 0
    assert table.n_undefined["hd95_mm"] == 2
    assert (table.n_empty_reference == 2).all()
    if convention == "nnunet":
        names = ["mean", "training_sd", "low", "two_way_low", "median", "failed_rate"]
        undefined = table.loc["dice", names]
        assert undefined.isna().all()
        assert pd.isna(table.failed["dice"])


def test_metrics_that_a_label_never_has_are_no_rows():
    table = described(make_cases({"a": [0.5, 0.6]}))
    assert ("a", "kidney", "nsd_kits") not in table.index
    assert ("a", "kidney", "false_lesions") not in table.index
    assert ("a", "tumour", "false_lesions") in table.index


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[0.7], [0.7, 0.7], [0.7] * 5, [0.2, 0.9]])
def test_few_and_equal_patients(values):
    row = described(make_cases({"a": values})).loc["a", "kidney", "dice"]
    assert row.n == len(values)
    assert row["mean"] == pytest.approx(np.mean(values))
    if len(values) == 1:
        assert pd.isna(row.training_sd)
        assert pd.isna(row.low)
    elif len(set(values)) == 1:
        assert (row.low, row.high, row.training_sd) == pytest.approx((0.7, 0.7, 0))


def test_order_of_rows_and_runs_change_nothing():
    rng = np.random.default_rng(13)
    dice = {name: rng.uniform(0, 1, 7) for name in "ab"}
    cases = make_cases(dice, seeds=(0, 1, 2), folds=3)
    cases["dice"] = rng.uniform(0, 1, len(cases))
    table = describe(cases, ["b", "a"], failure_dice=0.5)
    assert tuple(table.columns) == DESCRIBED_COLUMNS
    assert list(dict.fromkeys(table.experiment)) == ["b", "a"]
    assert list(dict.fromkeys(table.label)) == ["kidney", "tumour", "kidney_and_tumour"]
    shuffled = cases.sample(frac=1, random_state=5)
    again = describe(shuffled, ["b", "a"], failure_dice=0.5)
    pd.testing.assert_frame_equal(again, table, check_exact=True)
