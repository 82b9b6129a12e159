"""Verdicts of cohorts made by hand; each number against scipy or statsmodels."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from deeprac.evaluation.metrics.conventions import with_convention
from deeprac.evaluation.statistics.comparisons import (
    PLANNED_COLUMNS,
    holm,
    planned,
)
from deeprac.evaluation.statistics.estimates import mean_interval
from deeprac.evaluation.statistics.pairs import pairwise
from deeprac.evaluation.statistics.patients import patient_dice
from deeprac.evaluation.statistics.power import patients_needed
from support.summary_builder import make_cases, make_config

NAN = float("nan")
PLAIN = np.linspace(0.5, 0.8, 12)
WOBBLE = np.array([3, -2, 1, -1, 2, -3, 4, -4, 5, -5, 0.5, -0.5]) / 1000
EXPERIMENTS = {"plain": "nnunet_augment", "learned": "stn", "cropped": "stn_crop"}
SUPERIOR = ("stn", "nnunet_augment", "superiority")
NOT_INFERIOR = ("stn_crop", "stn", "non_inferiority")


def compared(dice, *comparisons, experiments=EXPERIMENTS, **options):
    used = {name: method for name, method in experiments.items() if name in dice}
    statistics = options.pop("statistics", {})
    config = make_config(used, comparisons=comparisons, statistics=statistics)
    cases = make_cases(dice, **options)
    return planned(config, with_convention(cases, config.statistics.empty_labels))


def test_numbers_of_one_comparison():
    learned = PLAIN + 0.03 + WOBBLE
    table = compared({"plain": PLAIN, "learned": learned}, SUPERIOR)
    assert tuple(table.columns) == PLANNED_COLUMNS
    assert table.label.tolist() == ["kidney", "tumour"]
    row = table.iloc[0]
    assert (row.experiment, row.reference, row.matrix) == ("learned", "plain", "coarse")
    assert (row.n, row.n_undefined, row.n_equal) == (12, 0, 0)
    differences = 0.03 + WOBBLE
    assert row.difference == pytest.approx(differences.mean())
    interval = mean_interval(differences)
    assert (row.low, row.high) == pytest.approx((interval.low, interval.high))
    assert row.p == pytest.approx(stats.wilcoxon(differences).pvalue) == 2 / 2**12
    assert row.p_holm == pytest.approx(2 * row.p)  # the same test for the tumour
    assert row.sd_difference == pytest.approx(differences.std(ddof=1))
    assert row.rank_biserial == 1
    assert row.verdict == "superior"
    assert pd.isna(row.margin)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [(0.03, "superior"), (0, "inconclusive"), (-0.03, "inferior")],
)
def test_verdicts_of_superiority(change, verdict):
    table = compared({"plain": PLAIN, "learned": PLAIN + change + WOBBLE}, SUPERIOR)
    assert table.verdict.tolist() == [verdict] * 2


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (0.01, "non-inferior"),
        (-0.01, "non-inferior"),
        (-0.02, "inconclusive"),
        (-0.05, "inferior"),
    ],
)
def test_verdicts_of_non_inferiority(change, verdict):
    cropped = PLAIN + change + WOBBLE
    table = compared({"learned": PLAIN, "cropped": cropped}, NOT_INFERIOR)
    assert table.verdict.tolist() == [verdict] * 2
    shifted = (cropped - PLAIN + 0.02).round(12)  # or rounding would break ties
    expected = stats.wilcoxon(shifted, alternative="greater").pvalue
    assert table.p[0] == pytest.approx(expected)
    assert table.p_holm[0] == pytest.approx(min(1, 4 * expected))  # 2 tests, doubled


def test_a_few_failures_forbid_non_inferiority():
    # The ranks see 22 small gains; two failures lower the mean beyond the margin.
    plain = np.tile(PLAIN, 2)
    cropped = plain + 0.01 + np.tile(WOBBLE, 2)
    cropped[:2] -= 0.45
    table = compared({"learned": plain, "cropped": cropped}, NOT_INFERIOR)
    assert (table.p_holm < 0.01).all()
    assert set(table.verdict) == {"inconclusive"}
    assert "lower end" in table.reason[0]


def test_patients_needed_for_non_inferiority():
    # A true loss of 1 point is 1 point above the margin; one of 3 is beyond it.
    dice = {"learned": PLAIN, "cropped": PLAIN - 0.01 + 10 * WOBBLE}
    row = compared(dice, NOT_INFERIOR).iloc[0]
    assert row.patients_needed == patients_needed(0.01, row.sd_difference)
    dice["cropped"] -= 0.02
    assert np.isinf(compared(dice, NOT_INFERIOR).patients_needed).all()


def test_the_margin_decides():
    dice = {"learned": PLAIN, "cropped": PLAIN - 0.03 + WOBBLE}
    wide = compared(dice, NOT_INFERIOR, statistics={"margin": 0.05})
    assert wide.verdict[0] == "non-inferior"
    assert compared(dice, NOT_INFERIOR).verdict[0] == "inferior"


def test_holm_by_hand():
    # Smallest times 3, next times 2, last times 1, never falling; NaN is no test.
    assert holm([0.01, NAN, 0.04, 0.03]) == pytest.approx(
        [0.03, NAN, 0.06, 0.06], nan_ok=True
    )
    assert np.isnan(holm([NAN])).all()


def test_comparisons_are_made_per_number_of_training_patients():
    experiments = {
        "plain": "nnunet_augment",
        "learned": "stn",
        "plain_8": ("nnunet_augment", 8),
        "learned_8": ("stn", 8),
        "learned_16": ("stn", 16),
    }
    dice = dict.fromkeys(experiments, PLAIN)
    table = compared(dice, SUPERIOR, experiments=experiments)
    pairs = list(zip(table.experiment, table.reference, strict=True))
    assert pairs == [("learned", "plain")] * 2 + [("learned_8", "plain_8")] * 2
    assert table.training_patients.tolist() == [pd.NA, pd.NA, 8, 8]


def test_not_run_says_why():
    table = compared({"plain": PLAIN, "learned": PLAIN}, SUPERIOR, NOT_INFERIOR)
    row = table.iloc[-1]
    assert len(table) == 3
    assert (row.method, row.reference_method) == ("stn_crop", "stn")
    assert row.verdict == "not run"
    assert row.reason == "no selected experiment has the method stn_crop"
    apart = {"plain": ("nnunet_augment", 8), "learned": "stn"}
    table = compared({"plain": PLAIN, "learned": PLAIN}, SUPERIOR, experiments=apart)
    assert table.reason.tolist() == [
        "no matrix and number of training patients is selected for both"
    ]


def test_runs_of_two_budgets_are_not_compared():
    """Neither across the two, nor where each method has only one of them."""
    apart = {"plain": ("nnunet_augment", None, 6), "learned": ("stn", None, 20)}
    dice = {"plain": PLAIN, "learned": PLAIN, "longer": PLAIN}
    table = compared(dice, SUPERIOR, experiments=apart)
    assert table.verdict.tolist() == ["not run"]
    assert table.reason.tolist() == [
        "their numbers of epochs differ: runs of two budgets are not compared"
    ]
    longer = apart | {"longer": ("nnunet_augment", None, 20)}
    table = compared(dice, SUPERIOR, experiments=longer)
    assert set(zip(table.experiment, table.reference, strict=True)) == {
        ("learned", "longer")
    }


def test_no_comparison_is_planned():
    table = compared({"plain": PLAIN})
    assert table.empty
    assert tuple(table.columns) == PLANNED_COLUMNS


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("learned", "plain", "n", "verdict"),
    [
        ([NAN], [0.5], 0, "not run"),
        ([0.6], [0.5], 1, "inconclusive"),
        ([0.6, 0.7], [0.5, 0.5], 2, "inconclusive"),
        ([0.5] * 8, [0.5] * 8, 8, "inconclusive"),
        ([0.6] * 8, [0.5] * 8, 8, "superior"),
    ],
)
def test_degenerate_cohorts(learned, plain, n, verdict):
    table = compared({"plain": plain, "learned": learned}, SUPERIOR)
    assert table.n.tolist() == [n, n]
    assert (table.n + table.n_undefined).tolist() == [len(plain)] * 2
    assert table.verdict.tolist() == [verdict] * 2
    both = compared({"learned": plain, "cropped": learned}, NOT_INFERIOR)
    assert both.n.tolist() == [n, n]
    assert both.verdict[0] in {"not run", "inconclusive", "non-inferior"}


def test_undefined_patients_are_counted():
    learned = [0.9, NAN, 0.8]
    table = compared({"plain": [0.5, 0.5, NAN], "learned": learned}, SUPERIOR)
    assert (table.n[0], table.n_undefined[0]) == (1, 2)


def test_spread_over_seeds():
    config = make_config(
        {name: EXPERIMENTS[name] for name in ("plain", "learned")},
        comparisons=[SUPERIOR],
    )
    cases = make_cases({"plain": PLAIN, "learned": PLAIN}, seeds=(0, 1))
    learned = cases.experiment == "learned"
    cases.loc[learned & (cases.seed == 0), "dice"] += 0.1
    cases.loc[learned & (cases.seed == 1), "dice"] -= 0.04
    table = planned(config, cases)
    assert table.difference.tolist() == pytest.approx([0.03, 0.03])
    assert table.seed_sd.tolist() == pytest.approx([0.14 / np.sqrt(2)] * 2)
    assert planned(config, cases[cases.seed == 0]).seed_sd.isna().all()


def test_the_convention_of_empty_labels_decides():
    dice = {"plain": [0.5, NAN], "learned": [0.9, NAN]}
    left_out = compared(dice, SUPERIOR)
    assert (left_out.n[0], left_out.difference[0]) == (1, pytest.approx(0.4))
    counted = compared(dice, SUPERIOR, statistics={"empty_labels": "kits23"})
    assert (counted.n[0], counted.difference[0]) == (2, pytest.approx(0.2))
    assert counted.n_equal[0] == 1


def test_order_of_rows_and_runs_change_nothing():
    rng = np.random.default_rng(11)
    dice = {"plain": rng.uniform(0, 1, 9), "learned": rng.uniform(0, 1, 9)}
    config = make_config(
        {name: EXPERIMENTS[name] for name in dice}, comparisons=[SUPERIOR]
    )
    cases = make_cases(dice, seeds=(0, 1))
    table = planned(config, cases)
    for rows in (cases, cases.sample(frac=1, random_state=3)):
        pd.testing.assert_frame_equal(planned(config, rows), table, check_exact=True)


def test_all_pairs():
    rng = np.random.default_rng(12)
    dice = {
        "a": PLAIN,
        "b": PLAIN + 0.1 + WOBBLE,
        "c": rng.permutation(PLAIN),
    }
    scores = patient_dice(make_cases(dice, labels=("tumour",)))
    table = pairwise(scores, ["a", "b", "c"])
    pairs = list(zip(table.reference, table.experiment, strict=True))
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table.n.tolist() == [12] * 3
    assert table.difference[0] == pytest.approx(np.mean(0.1 + WOBBLE))
    assert table.hodges_lehmann[0] == pytest.approx(0.1, abs=0.002)
    assert table.p_holm.tolist() == pytest.approx(holm(table.p).tolist())
    assert table.direction.tolist()[:2] == [1, 0]
    turned = pairwise(scores, ["b", "a", "c"])
    assert turned.direction[0] == -1
    assert pairwise(scores, ["a"]).empty


def test_no_direction_where_mean_and_ranks_disagree():
    # Eleven small gains and one failure that outweighs them.
    gains = np.append(np.linspace(0.01, 0.02, 11), -0.5)
    scores = patient_dice(make_cases({"a": PLAIN, "b": PLAIN + gains}))
    table = pairwise(scores[scores.label == "tumour"], ["a", "b"])
    assert table.p_holm[0] < 0.05
    assert table.difference[0] < 0
    assert table.direction[0] == 0
