"""Verdicts of cohorts made by hand; each number against scipy or the two-way test."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from deeprac.evaluation.metrics.conventions import with_convention
from deeprac.evaluation.statistics.comparisons import (
    PLANNED_COLUMNS,
    holm,
    planned,
    training_steps,
)
from deeprac.evaluation.statistics.estimates import mean_interval
from deeprac.evaluation.statistics.pairs import pairwise
from deeprac.evaluation.statistics.patients import patient_dice
from deeprac.evaluation.statistics.power import patients_needed
from deeprac.evaluation.statistics.two_way import two_way
from support.summary_builder import make_cases, make_config, make_runs

NAN = float("nan")
PLAIN = np.linspace(0.5, 0.8, 16)
WOBBLE = np.array([3, -2, 1, -1, 2, -3, 4, -4, 5, -5, 0.5, -0.5, 6, -6, 7, -7]) / 1000
FIVE = (0, 1, 2, 3, 4)
EXPERIMENTS = {"plain": "nnunet_augment", "learned": "stn", "cropped": "stn_crop"}
SUPERIOR = ("stn", "nnunet_augment", "superiority")
NOT_INFERIOR = ("stn_crop", "stn", "non_inferiority")


def compared(dice, *comparisons, experiments=EXPERIMENTS, **options):
    """Planned comparisons; of each seed the patients' values are the same."""
    used = {name: method for name, method in experiments.items() if name in dice}
    statistics = options.pop("statistics", {})
    changed = options.pop("changed", lambda cases: cases)
    config = make_config(used, comparisons=comparisons, statistics=statistics)
    seeds = options.setdefault("seeds", FIVE)
    cases = changed(make_cases(dice, **options))
    runs = make_runs(config, seeds=seeds)
    return planned(config, with_convention(cases, config.statistics.empty_labels), runs)


def shifted(change):
    """Adds to the Dice of the learned method in each seed."""

    def add(cases):
        learned = cases.experiment == "learned"
        by_seed = cases.seed.map(dict(enumerate(change)))
        return cases.assign(dice=cases.dice + by_seed.where(learned, 0.0))

    return add


def test_numbers_of_one_comparison():
    seeds = np.array([0.01, -0.01, 0.02, -0.02, 0.0])
    table = compared(
        {"plain": PLAIN, "learned": PLAIN + 0.03 + WOBBLE},
        SUPERIOR,
        changed=shifted(seeds),
    )
    assert tuple(table.columns) == PLANNED_COLUMNS
    assert table.label.tolist() == ["kidney", "tumour"]
    row = table.iloc[0]
    assert (row.experiment, row.reference, row.matrix) == ("learned", "plain", "coarse")
    assert (row.n, row.n_undefined, row.n_equal) == (16, 0, 0)
    assert (row.n_seeds, row.n_seeds_left_out, row.seeds_above) == (5, 0, 5)
    both = two_way(0.03 + WOBBLE[:, None] + seeds)
    assert row.difference == pytest.approx(0.03)
    assert row.two_way_low == pytest.approx(both.interval.low)
    assert row.two_way_p == pytest.approx(float(both.p()))
    assert row.two_way_p_holm == pytest.approx(2 * row.two_way_p)  # and of the tumour
    assert row.sd_seeds == pytest.approx(np.std(seeds, ddof=1))
    assert row.seed_sd == pytest.approx(np.std(seeds, ddof=1))
    assert row.sd_rest == pytest.approx(0, abs=1e-9)
    assert row.two_way_needed == patients_needed(0.03, both.components, 5)
    assert row.verdict == "superior"
    assert row.reason.endswith("; 5 of 5 seeds above zero")
    assert pd.isna(row.margin)


def test_what_patients_alone_say_stays_beside_it():
    table = compared({"plain": PLAIN, "learned": PLAIN + 0.03 + WOBBLE}, SUPERIOR)
    row, differences = table.iloc[0], 0.03 + WOBBLE
    interval = mean_interval(differences)
    ends = interval.low, interval.high
    assert (row.low, row.high) == pytest.approx(ends, abs=1e-4)  # ties of resamples
    assert row.wilcoxon_p == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert row.rank_biserial == 1
    # P(false) is the one-sided p of Student's test.
    alone = stats.ttest_1samp(differences, 0, alternative="greater")
    assert row.p_false == pytest.approx(alone.pvalue)


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
    both = two_way(np.tile(((cropped - PLAIN).round(12))[:, None], 5))
    assert table.two_way_p[0] == pytest.approx(float(both.p(-0.02)))
    assert pd.isna(table.p_false[0])


def test_one_seed_on_the_other_side_forbids_a_verdict():
    # The mean gain of 2.4 points is far from chance; one seed of six loses a little.
    change = np.array([0.03, 0.029, 0.031, 0.028, 0.027, -0.001])
    table = compared(
        {"plain": PLAIN, "learned": PLAIN + WOBBLE / 10},
        SUPERIOR,
        changed=shifted(change),
        seeds=range(6),
    )
    assert table.two_way_p_holm[0] < 0.05
    assert (table.seeds_above[0], table.verdict[0]) == (5, "inconclusive")
    assert table.reason[0].endswith("but only 5 of 6 seeds above zero")


def test_seeds_decide_where_patients_alone_would_not():
    # Every patient gains 4 points over the seeds, but the trainings differ by more.
    change = np.array([0.0, 0.1, 0.02, 0.0, 0.08])
    table = compared(
        {"plain": PLAIN, "learned": PLAIN + WOBBLE}, SUPERIOR, changed=shifted(change)
    )
    assert table.wilcoxon_p[0] < 0.001
    assert table.low[0] > 0.03
    assert table.two_way_low[0] < 0
    assert table.verdict[0] == "inconclusive"


@pytest.mark.parametrize(
    ("seeds", "patients", "reason"),
    [
        (3, 16, "3 seeds, 5 needed"),
        (1, 16, "1 seed, 5 needed; interval and test are of this training alone"),
        (5, 15, "15 patients, 16 needed"),
        (5, 1, "1 patient, 16 needed"),
    ],
)
def test_too_few_seeds_or_patients_have_numbers_without_a_verdict(
    seeds, patients, reason
):
    dice = {"plain": PLAIN[:patients], "learned": PLAIN[:patients] + 0.03}
    row = compared(dice, SUPERIOR, seeds=range(seeds)).iloc[0]
    assert (row.verdict, row.reason) == ("not decidable", reason)
    assert row.difference == pytest.approx(0.03)
    assert pd.isna(row.two_way_low) == (1 in (seeds, patients))
    assert pd.isna(row.low) == (patients == 1)


def test_a_training_that_did_not_learn_decides_nothing():
    used = {name: EXPERIMENTS[name] for name in ("plain", "learned")}
    config = make_config(used, comparisons=[SUPERIOR])
    dice = {"plain": PLAIN, "learned": PLAIN + 0.03}
    cases, runs = make_cases(dice, seeds=FIVE), make_runs(config, seeds=FIVE)
    failed = pd.DataFrame(
        {"experiment": ["plain", "other"], "seed": 0, "fold": 1, "label": "tumour"}
    )
    table = planned(config, cases, runs, failed)
    assert table.verdict.tolist() == ["superior", "not decidable"]
    why = "1 of 20 trainings did not learn: plain seed 0 fold 1"
    assert table.reason[1] == why
    assert table.difference[1] == pytest.approx(0.03)
    assert planned(config, cases, runs, failed[:0]).verdict[1] == "superior"


def test_a_method_that_more_steps_still_change_decides_nothing():
    used = {name: EXPERIMENTS[name] for name in ("plain", "learned")}
    config = make_config(used, comparisons=[SUPERIOR])
    dice = {"plain": PLAIN, "learned": PLAIN + 0.03}
    cases, runs = make_cases(dice, seeds=FIVE), make_runs(config, seeds=FIVE)
    still = {"experiment": ["plain"], "label": "tumour", "reason": "+2 points"}
    table = planned(config, cases, runs, None, pd.DataFrame(still))
    assert table.verdict.tolist() == ["superior", "not decidable"]
    assert table.reason[1] == "not converged: plain, +2 points"
    assert table.difference[1] == pytest.approx(0.03)


def test_a_seed_that_one_arm_lacks_is_left_out_and_counted():
    def lose(cases):
        return cases[(cases.experiment != "plain") | (cases.seed != 4)]

    dice = {"plain": PLAIN, "learned": PLAIN + 0.03}
    row = compared(dice, SUPERIOR, changed=lose).iloc[0]
    assert (row.n, row.n_seeds, row.n_seeds_left_out) == (16, 4, 1)
    assert row.reason == "4 seeds, 5 needed"


def test_all_seeds_failed():
    dice = {"plain": np.zeros(16), "learned": np.zeros(16)}
    row = compared(dice, SUPERIOR).iloc[0]
    assert (row.difference, row.two_way_p, row.verdict) == (0, 1, "inconclusive")


def test_different_numbers_of_steps_are_refused():
    used = {name: EXPERIMENTS[name] for name in ("plain", "learned")}
    config = make_config(used, comparisons=[SUPERIOR])
    dice = {"plain": PLAIN, "learned": PLAIN + 0.03}
    runs = make_runs(config, seeds=FIVE)
    runs.loc[runs.experiment == "plain", "epochs"] = 4
    assert training_steps(runs) == {"learned": "6 steps", "plain": "12 steps"}
    table = planned(config, make_cases(dice, seeds=FIVE), runs)
    assert table.verdict.tolist() == ["refused"]
    assert table.reason[0] == (
        "trained for different numbers of steps: learned 6 steps, plain 12 steps"
    )
    assert pd.isna(table.difference[0])


def test_a_few_failures_forbid_non_inferiority():
    # 30 patients gain a little; two failures lower the mean beyond the margin.
    plain = np.tile(PLAIN, 2)
    cropped = plain + 0.01 + np.tile(WOBBLE, 2)
    cropped[:2] -= 0.5
    table = compared({"learned": plain, "cropped": cropped}, NOT_INFERIOR)
    assert (table.wilcoxon_p < 0.01).all()
    assert set(table.verdict) == {"inconclusive"}


def test_patients_needed_for_non_inferiority():
    # A true loss of 1 point is 1 point above the margin; one of 3 is beyond it.
    dice = {"learned": PLAIN, "cropped": PLAIN - 0.01 + 10 * WOBBLE}
    row = compared(dice, NOT_INFERIOR).iloc[0]
    parts = two_way(np.tile((-0.01 + 10 * WOBBLE)[:, None], 5)).components
    assert row.two_way_needed == patients_needed(0.01, parts, 5)
    dice["cropped"] = dice["cropped"] - 0.02
    assert np.isinf(compared(dice, NOT_INFERIOR).two_way_needed).all()


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
    assert table.verdict.tolist() == ["refused"]
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
@pytest.mark.parametrize("seeds", [(0,), FIVE])
@pytest.mark.parametrize(
    ("learned", "plain", "n", "verdict"),
    [
        ([NAN], [0.5], 0, "not run"),
        ([0.6], [0.5], 1, "not decidable"),
        ([0.6, 0.7], [0.5, 0.5], 2, "not decidable"),
        ([0.5] * 16, [0.5] * 16, 16, "inconclusive"),
        ([0.6] * 16, [0.5] * 16, 16, "superior"),
    ],
)
def test_degenerate_cohorts(learned, plain, n, verdict, seeds):
    dice = {"plain": plain, "learned": learned}
    table = compared(dice, SUPERIOR, seeds=seeds)
    assert table.n.tolist() == [n, n]
    assert (table.n + table.n_undefined).tolist() == [len(plain)] * 2
    alone = len(seeds) == 1 and n > 0
    assert set(table.verdict) == {"not decidable" if alone else verdict}
    both = compared({"learned": plain, "cropped": learned}, NOT_INFERIOR, seeds=seeds)
    assert both.n.tolist() == [n, n]
    assert both.verdict[0] in {"not run", "not decidable", "non-inferior"}


def test_undefined_patients_are_counted():
    learned = [0.9, NAN, 0.8]
    table = compared({"plain": [0.5, 0.5, NAN], "learned": learned}, SUPERIOR)
    assert (table.n[0], table.n_undefined[0]) == (1, 2)


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
    cases, runs = make_cases(dice, seeds=(0, 1)), make_runs(config, seeds=(0, 1))
    table = planned(config, cases, runs)
    for rows in (cases, cases.sample(frac=1, random_state=3)):
        again = planned(config, rows, runs.sample(frac=1, random_state=4))
        pd.testing.assert_frame_equal(again, table, check_exact=True)


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
    assert table.n.tolist() == [16] * 3
    assert table.difference[0] == pytest.approx(np.mean(0.1 + WOBBLE))
    assert table.hodges_lehmann[0] == pytest.approx(0.1, abs=0.002)
    assert table.p_holm.tolist() == pytest.approx(holm(table.p).tolist())
    assert table.direction.tolist()[:2] == [1, 0]
    turned = pairwise(scores, ["b", "a", "c"])
    assert turned.direction[0] == -1
    assert pairwise(scores, ["a"]).empty


def test_no_direction_where_mean_and_ranks_disagree():
    # Fifteen small gains and one failure that outweighs them.
    gains = np.append(np.linspace(0.01, 0.02, 15), -0.5)
    scores = patient_dice(make_cases({"a": PLAIN, "b": PLAIN + gains}))
    table = pairwise(scores[scores.label == "tumour"], ["a", "b"])
    assert table.p_holm[0] < 0.05
    assert table.difference[0] < 0
    assert table.direction[0] == 0
