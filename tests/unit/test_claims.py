"""Claims against tables made by hand: values, pairs, and what is missing."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.config_files import read_raw, resolve
from deeprac.evaluation.gates import GATE_COLUMNS, LEARNED, NOT_LEARNED
from deeprac.evaluation.statistics.comparisons import planned
from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.files import write_json
from deeprac.layout import Layout
from deeprac.reporting.claims import render
from deeprac.reporting.claims.arms import plays
from deeprac.reporting.claims.collect import judged
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.verdict import Verdict
from deeprac.reporting.summary import Summary
from support.results_tree import REPO, TreeOptions, write_tree
from support.summary_builder import make_cases, make_config, make_runs

NAN = float("nan")
REACHED, MISSED, NOT_DECIDABLE = Verdict
SEEDS = (0, 1, 2, 3, 4)
PATIENTS = 20
METHODS = {"plain": "nnunet", "closed": "moments", "learned": "stn"}
METHODS |= {"cropped": "stn_crop"}
"""Names of experiments say nothing."""

POINTS = {"unit": "points"}
GAIN = {
    "claim": "It gains",
    "quantity": "dice_difference",
    "arms": ["stn"],
    "against": ["nnunet"],
    "labels": ["tumour"],
    "bound": {"above": 0} | POINTS,
    "rule": "interval",
}


def base(experiment_shift=0.0, patients=PATIENTS):
    """Dice of patients, far from equal."""
    return 0.5 + 0.02 * np.arange(patients) % 0.3 + experiment_shift


def evidence(*claims, dice=None, methods=METHODS, seeds=SEEDS, change=None, **tables):
    """What a cohort made of numbers knows.

    Args:
        claims: Entries of the file.
        dice: By experiment, the same for every seed.
        methods: By experiment, with training patients where they are two.
        seeds: Of every experiment.
        change: Changes the rows of cases.csv before they are read.
        tables: runs (changes by experiment), diagnostics, stress, statistics, costs.
    """
    settings = {"statistics": tables.pop("statistics", {})}
    report = {"report": {"claims": list(claims)}}
    config = make_config(methods, **report, **settings)
    dice = {name: base() for name in methods} | (dice or {})
    cases = make_cases(dice, seeds=seeds)
    if change is not None:
        cases = change(cases)
    runs = make_runs(config, seeds=seeds)
    for name, cells in tables.pop("runs", {}).items():
        runs.loc[runs.experiment == name, list(cells)] = list(cells.values())
    summary = Summary.of(config, Layout.of(config), cases, runs)
    summary = replace(summary, partial=tables.pop("partial", ""))
    return Evidence(summary, **tables)


def verdicts(results):
    return [result.verdict for result in results]


def only(found):
    (result,) = judged(found)
    return result


def shifted(cases, experiment, points):
    """Add points of Dice, one number per seed, to an experiment."""
    mine = cases.experiment == experiment
    cases.loc[mine, "dice"] += cases.seed[mine].map(dict(enumerate(points))) / 100
    return cases


def test_a_difference_by_patient_and_seed():
    gains = (3, 4, 5, 6, 7)
    found = evidence(GAIN, change=lambda cases: shifted(cases, "learned", gains))
    result = only(found)
    # No patient differs from another: the mean, and t of the seeds alone.
    half = 2.776 * math.sqrt(2.5 / 5)
    assert result.value == pytest.approx(5)
    assert (result.low, result.high) == pytest.approx((5 - half, 5 + half), abs=1e-3)
    assert (result.n, result.seeds, result.unit) == (PATIENTS, 5, "points")
    assert (result.experiment, result.against) == ("learned", "plain")
    assert (result.verdict, result.bound) == (REACHED, "above 0 points")
    assert result.cohort == "cohort_of_tests"


def test_one_seed_on_the_other_side_decides_nothing():
    gains = (9, 9.1, 9.2, 9.1, -0.1)
    found = evidence(
        GAIN | {"rule": "interval", "bound": {"above": -2} | POINTS},
        GAIN | {"bound": {"above": 0} | POINTS},
        change=lambda cases: shifted(cases, "learned", gains),
    )
    low, high = judged(found)
    assert low.low == high.low
    assert verdicts([low, high]) == [REACHED, NOT_DECIDABLE]
    assert high.why in ("the interval holds the bound", "1 of 5 seeds say otherwise")


def test_three_seeds_give_a_number_and_no_verdict():
    result = only(evidence(GAIN, seeds=(0, 1, 2), dice={"learned": base(0.1)}))
    assert (result.verdict, result.why) == (NOT_DECIDABLE, "3 seeds, 5 needed")
    assert result.value == pytest.approx(10)


def test_a_seed_that_one_arm_lacks_counts_in_neither():
    def without(cases):
        lost = (cases.experiment == "plain") & (cases.seed == 4)
        return cases[~lost]

    result = only(evidence(GAIN, dice={"learned": base(0.1)}, change=without))
    assert (result.seeds, result.why) == (4, "4 seeds, 5 needed")


def test_one_patient():
    dice = {name: base(patients=1) for name in METHODS}
    result = only(evidence(GAIN, dice=dice))
    assert result.verdict == NOT_DECIDABLE
    assert result.why.startswith("1 patient")


def test_an_arm_that_was_not_run():
    absent = GAIN | {"arms": ["stn_crop_half", "oracle"]}
    beside = GAIN | {"against": ["nnunet_augment"]}
    first, second = judged(evidence(absent, beside))
    assert verdicts([first, second]) == [NOT_DECIDABLE] * 2
    assert first.why == (
        "not run: no selected experiment has the method stn_crop_half or oracle"
    )
    assert second.why == (
        "not run: no selected experiment has the method nnunet_augment beside learned"
    )
    assert math.isnan(second.value)


def test_every_arm_that_was_run_is_judged():
    results = judged(evidence(GAIN | {"arms": ["stn", "oracle", "moments"]}))
    assert [result.experiment for result in results] == ["learned", "closed"]


def test_an_arm_by_its_properties():
    by_role = GAIN | {"arms": [{"normaliser": "stn"}], "against": [{"augment": False}]}
    found = evidence(by_role)
    assert only(found).experiment == "learned"  # with a crop it is another arm
    config = found.config
    wide = {"augment": True, "augment_scale": [0.7, 2.5]}
    rows = make_config({"wide": "nnunet_augment_wide", "own": "nnunet_augment"})
    assert plays(rows, wide, rows.experiments["wide"])
    assert not plays(rows, {"augment": True}, rows.experiments["wide"])
    deformed = make_config({"svf": "nnunet_augment_svf"})
    strong = {"augment": "svf", "augment_svf": {"displacement": 0.08}}
    assert plays(deformed, {"augment": "svf"}, deformed.experiments["svf"])
    assert not plays(deformed, strong, deformed.experiments["svf"])
    assert plays(
        config, {"crop": "stn", "normaliser": "stn"}, config.experiments["cropped"]
    )


def test_two_experiments_that_could_be_meant_are_none():
    methods = {"a": "nnunet", "b": "nnunet", "learned": "stn"}
    result = only(evidence(GAIN, methods=methods))
    assert result.why == "ambiguous: a and b; name a method"


def test_training_patients_are_those_of_the_most_or_as_stated():
    methods = {"plain": "nnunet", "plain_8": ("nnunet", 8), "all": "stn"}
    methods |= {"few": ("stn", 8)}
    few = GAIN | {"training_patients": [8, 20]}
    numbers = {name: {"training_patients": 30} for name in ("plain", "all")}
    first, second = judged(evidence(GAIN, few, methods=methods, runs=numbers))
    assert (first.experiment, first.against) == ("all", "plain")
    assert (second.experiment, second.against) == ("few", "plain_8")
    none = GAIN | {"training_patients": [1, 2]}
    why = only(evidence(none, methods=methods, runs=numbers)).why
    assert why.endswith("has the method stn with 1 to 2 training patients")


def test_different_budgets_are_refused():
    result = only(evidence(GAIN, runs={"plain": {"epochs": 4}}))
    assert result.verdict == NOT_DECIDABLE
    assert result.why == (
        "refused: trained for different numbers of steps: learned 6 steps, "
        "plain 12 steps"
    )


BUDGETS = {
    "plain": ("nnunet", None, 30),
    "learned": ("stn", None, 30),
    "short": ("stn", None, 10),
}


def test_of_several_budgets_the_longest_is_judged_and_no_other():
    results = judged(evidence(GAIN, methods=BUDGETS))
    assert [(r.experiment, r.against) for r in results] == [("learned", "plain")]


def test_the_longest_of_each_arm_are_refused_where_they_differ():
    """Not called absent."""
    methods = {"plain": ("nnunet", None, 30), "learned": ("stn", None, 20)}
    result = only(evidence(GAIN, methods=methods | {"short": ("stn", None, 10)}))
    assert (result.experiment, result.against) == ("learned", "plain")
    assert result.why.startswith("refused: trained for different numbers of steps")


def test_a_method_meets_each_other_at_the_most_steps_that_both_have():
    methods = BUDGETS | {"longest": ("stn", None, 90)}
    results = judged(evidence(GAIN, methods=methods))
    assert [(r.experiment, r.against) for r in results] == [("learned", "plain")]
    alone = COVERAGE | {"arms": ["stn"]}
    assert only(evidence(alone, methods=methods)).experiment == "longest"


def test_what_more_steps_still_change_is_not_decidable():
    """But where the claim names the steps, it speaks of these alone."""
    methods = BUDGETS | {"longest": ("stn", None, 90)}
    dice = {"longest": base(0.2)}
    result = only(evidence(GAIN, methods=methods, dice=dice))
    assert result.verdict == NOT_DECIDABLE
    assert result.why.startswith("not converged: learned, +")
    config = evidence(methods=methods).config
    steps = config.steps_of(config.experiments["learned"])
    result = only(evidence(GAIN | {"steps": [steps] * 2}, methods=methods, dice=dice))
    assert not result.why.startswith("not converged")


def test_a_verdict_says_whose_convergence_nothing_tells():
    """A longer training that is no better tells of its method, and of no other."""
    changes = {"dice": {"learned": base(0.1), "longest": base(0.1)}}
    result = only(evidence(GAIN, **changes))
    assert (result.verdict, result.note) == (
        REACHED,
        "convergence not tested: learned, plain",
    )
    methods = METHODS | {"learned": ("stn", None, 30), "plain": ("nnunet", None, 30)}
    methods["longest"] = ("stn", None, 90)
    result = only(evidence(GAIN, methods=methods, **changes))
    assert (result.verdict, result.note) == (REACHED, "convergence not tested: plain")


def test_a_claim_may_compare_a_shorter_training_with_a_longer_one():
    iterations = evidence(methods=BUDGETS).config.training.iterations_per_epoch
    steps = [10 * iterations, 30 * iterations]
    dice = {"short": base(0.1)}
    claim = GAIN | {"steps": steps}
    result = only(evidence(claim, methods=BUDGETS, dice=dice))
    assert (result.experiment, result.against) == ("short", "plain")
    assert result.value == pytest.approx(10)
    claim = GAIN | {"steps": [10 * iterations, 20 * iterations]}
    result = only(evidence(claim, methods=BUDGETS))
    assert result.verdict == NOT_DECIDABLE
    assert f"for {10 * iterations} and {20 * iterations} steps" in result.why


def test_a_claim_about_volumes_is_not_judged_by_slices():
    result = only(evidence(GAIN | {"dimensions": 3}))
    assert result.verdict == NOT_DECIDABLE
    assert result.why.endswith("has the method stn with 3 dimensions")
    assert only(evidence(GAIN | {"dimensions": 2})).why != result.why


def test_trainings_that_did_not_learn_decide_nothing():
    found = evidence(GAIN, GAIN | {"labels": ["kidney"]}, dice={"learned": base(0.1)})
    rows = [
        (name, seed, 0, label, 0.9, "slices", LEARNED)
        for name in ("plain", "learned")
        for seed in SEEDS
        for label in ("kidney", "tumour")
    ]
    rows[3] = ("plain", 1, 0, "tumour", 0.0, "slices", NOT_LEARNED)
    gates = pd.DataFrame(rows, columns=list(GATE_COLUMNS))
    found.summary.__dict__["gates"] = gates
    tumour, kidney = judged(found)
    assert tumour.verdict == NOT_DECIDABLE
    assert tumour.why == (
        "1 of 10 trainings did not learn (plain, seed 1, fold 0: tumour)"
    )
    assert kidney.verdict == REACHED


def test_partial_results_decide_nothing():
    result = only(evidence(GAIN, partial="1 of 8 runs is missing."))
    assert result.why == "partial results: 1 of 8 runs is missing."


@pytest.mark.parametrize(
    ("convention", "expected"), [("nnunet", 10.0), ("kits23", 8.0)]
)
def test_claims_and_comparisons_agree_on_empty_labels(convention, expected):
    """Two of ten patients without a tumour, which neither finds: left out, or equal."""
    dice = {"plain": base(patients=10), "learned": base(0.1, patients=10)}
    dice = {name: np.append(values[:8], [NAN, NAN]) for name, values in dice.items()}
    settings = {"empty_labels": convention}
    settings["comparisons"] = []
    methods = {"plain": "nnunet", "learned": "stn"}
    found = evidence(GAIN, dice=dice, methods=methods, statistics=settings)
    result = only(found)
    assert result.value == pytest.approx(expected)
    assert result.n == (8 if convention == "nnunet" else 10)
    comparison = {"method": "stn", "reference": "nnunet", "test": "superiority"}
    config = make_config(methods, statistics=settings | {"comparisons": [comparison]})
    table = planned(config, found.summary.cases, found.runs)
    row = table[table.label == "tumour"].iloc[0]
    assert 100 * row.two_way_low == pytest.approx(result.low)
    assert row.n == result.n


def test_spread_within_a_training():
    """SDs of single trainings are compared, not that of the patients' means."""
    claim = GAIN | {"quantity": "dice_sd_difference", "rule": "point"}
    claim |= {"arms": ["stn_crop"], "against": ["stn"]}
    claim |= {"bound": {"at_most": 1} | POINTS}

    def swapped(cases):
        """The crop's patients change places with the seed: their means are equal."""
        mine = (cases.experiment == "cropped").to_numpy()
        number = cases.patient.str[-3:].astype(int)
        up = (number + cases.seed) % 2 == 0
        cases.loc[mine, "dice"] = np.where(up, 0.9, 0.5)[mine]
        return cases

    found = evidence(claim, dice={"learned": np.full(PATIENTS, 0.7)}, change=swapped)
    result = only(found)
    expected = 20 * math.sqrt(PATIENTS / (PATIENTS - 1))  # half of them 20 above
    assert result.value == pytest.approx(expected)
    assert result.verdict == MISSED
    assert result.note.startswith("interval over seeds")


def diagnostics(patients=PATIENTS, **rows):
    """Rows of every patient and seed: experiment = columns with one number, or many."""
    names = [f"patient{number:03d}" for number in range(patients)]
    identity = {"patient": names, "case": names, "fold": 0}
    empty = {"scale_error": NAN, "angle_error_deg": NAN, "centre_error": NAN}
    tables = [
        pd.DataFrame(
            {"experiment": name, "seed": seed}
            | identity
            | empty
            | {"coverage": 1.0, "missed": 0}
            | columns
        )
        for name, columns in rows.items()
        for seed in SEEDS
    ]
    return pd.concat(tables, ignore_index=True)


def error(name, limit, unit, against=()):
    claim = {"claim": "Found", "quantity": name, "arms": ["stn"]}
    return claim | {"against": list(against), "bound": {"at_most": limit, "unit": unit}}


def test_errors_are_medians_of_sizes():
    scales = np.full(PATIENTS, 0.02)
    scales[:3] = 0.9  # outliers
    signs = np.where(np.arange(PATIENTS) % 2, 4.0, -4.0)
    table = diagnostics(learned={"scale_error": scales, "angle_error_deg": signs})
    claims = error("scale_error", 3, "%"), error("angle_error", 3, "degrees")
    scale, angle = judged(evidence(*claims, diagnostics=table))
    assert (scale.value, scale.verdict) == (pytest.approx(2), REACHED)
    assert (angle.value, angle.why) == (4, "by 1 degrees")
    assert scale.note == "interval over patients"


def test_a_training_that_did_not_learn_tells_nothing_of_its_transform():
    table = diagnostics(learned={"scale_error": 0.02, "coverage": 0.9, "missed": 1})
    covers = COVERAGE | {"arms": ["stn"], "bound": {"at_least": 95, "unit": "%"}}
    found = evidence(error("scale_error", 3, "%"), covers, diagnostics=table)
    row = ("learned", 1, 0, "tumour", 0.0, "slices", NOT_LEARNED)
    found.summary.__dict__["gates"] = pd.DataFrame([row], columns=list(GATE_COLUMNS))
    scale, coverage = judged(found)
    assert scale.verdict == NOT_DECIDABLE
    assert scale.why.startswith("1 of 1 trainings did not learn (learned, seed 1")
    assert coverage.verdict == MISSED  # one case beyond the bound is enough


def test_of_rotations_in_space_the_worst_axis_counts():
    angles = {"angle_error_deg": 1.0, "tilt_x_deg": 2.0, "tilt_y_deg": -4.0}
    table = diagnostics(learned=angles)
    angle = only(evidence(error("angle_error", 3, "degrees"), diagnostics=table))
    assert (angle.value, angle.why) == (4, "by 1 degrees")


def test_errors_against_another_arm_are_paired():
    closer = {"scale_error": np.linspace(0.01, 0.03, PATIENTS)}
    farther = {"scale_error": np.linspace(0.02, 0.04, PATIENTS)}
    table = diagnostics(learned=closer, closed=farther)
    claim = error("scale_error", 0, "%", ["moments"]) | {"rule": "interval"}
    result = only(evidence(claim, diagnostics=table))
    assert (result.value, result.high) == pytest.approx((-1, -1))
    assert result.verdict == REACHED


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (None, "summary/diagnostics.csv is missing"),
        (diagnostics(closed={}), "summary/diagnostics.csv has no row of learned"),
        (diagnostics(learned={}), "no patient has a true transform"),
    ],
)
def test_errors_that_nobody_measured(table, why):
    result = only(evidence(error("scale_error", 3, "%"), diagnostics=table))
    assert (result.verdict, result.why) == (NOT_DECIDABLE, why)


COVERAGE = {"claim": "Covers", "quantity": "coverage", "arms": ["stn_crop"]}
COVERAGE |= {"bound": {"at_least": 99.5, "unit": "%"}}
MISSES = {"claim": "Covers", "quantity": "missed", "arms": ["stn_crop"]}
MISSES |= {"bound": {"at_most": 0, "unit": "cases"}}


def test_the_worst_case_of_a_crop_decides():
    covered = np.ones(PATIENTS)
    table = diagnostics(cropped={"coverage": covered})
    assert verdicts(judged(evidence(COVERAGE, MISSES, diagnostics=table))) == (
        [REACHED] * 2
    )
    one = (table.seed == 3) & (table.case == "patient007")
    table.loc[one, ["coverage", "missed"]] = 0.4, 1
    coverage, missed = judged(evidence(COVERAGE, MISSES, diagnostics=table))
    assert (coverage.value, coverage.note) == (40, "patient007, seed 3")
    assert (missed.value, missed.note) == (1, "of 100 cases")
    assert verdicts([coverage, missed]) == [MISSED] * 2


def stress_rows(*conditions, experiment="learned"):
    """Dice of every patient and seed under each condition: kind, value, Dice."""
    names = [f"patient{number:03d}" for number in range(PATIENTS)]
    return pd.DataFrame(
        [
            {"experiment": experiment, "label": label, "patient": name, "case": name}
            | {"seed": seed, "fold": 0, "kind": kind, "value": value}
            | {"dice": dice, "visible": 1.0}
            for kind, value, dice in conditions
            for label in ("kidney", "tumour")
            for name in names
            for seed in SEEDS
        ]
    )


STRESS = {"claim": "Loses little", "quantity": "stress_change", "arms": ["stn"]}
STRESS |= {"labels": ["tumour"], "bound": {"at_least": -3} | POINTS}
STRESS |= {"conditions": {"rotation": [-30, 30], "scale": [0.6, 1.6]}}
UPRIGHT = ("none", 0.0, 0.9)


def test_the_worst_condition_within_the_range_is_judged():
    conditions = [
        UPRIGHT,
        ("rotation", -30.0, 0.88),
        ("rotation", 45.0, 0.1),  # beyond 30 degrees
        ("rotation", 30.0, 0.89),
        ("scale", 0.6, 0.875),
        ("scale", 1.6, 0.9),
        ("scale", 2.0, 0.2),  # beyond 1.6
        ("shift", 0.2, 0.3),  # not part of the claim
    ]
    result = only(evidence(STRESS, stress=stress_rows(*conditions)))
    assert (result.value, result.verdict) == (pytest.approx(-2.5), REACHED)
    assert result.note.startswith("scale 0.6, 100.0% visible")
    conditions[4] = ("scale", 0.6, 0.8)
    result = only(evidence(STRESS, stress=stress_rows(*conditions)))
    assert (result.verdict, result.why) == (MISSED, "by 7 points")


def test_unchanged_images_stand_for_the_neutral_end_of_a_range():
    claim = STRESS | {"conditions": {"rotation": [0, 30]}}
    table = stress_rows(UPRIGHT, ("rotation", 30.0, 0.89))
    result = only(evidence(claim, stress=table))
    assert result.value == pytest.approx(-1)
    assert result.note.startswith("rotation 30")


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (None, "stress.csv is missing: name it in stress.experiments"),
        (stress_rows(UPRIGHT, experiment="plain"), "has no row of learned"),
        (
            stress_rows(UPRIGHT, *(("rotation", turn, 0.8) for turn in (-30, 0, 30))),
            "lacks scale 0.6, scale 1.6 of learned",
        ),
        (stress_rows(("rotation", 0.0, 0.8)), "lacks rotation -30, rotation 30, scale"),
    ],
)
def test_stress_that_was_not_measured(table, why):
    result = only(evidence(STRESS, stress=table))
    assert result.verdict == NOT_DECIDABLE
    assert why in result.why


def ratio(quantity, against=("nnunet",)):
    claim = {"claim": "Cheap", "quantity": quantity, "arms": ["stn"]}
    return claim | {"against": list(against), "bound": {"at_most": 1.05, "unit": "x"}}


def test_ratios_of_runs():
    runs = {"plain": {"step_flops": 100.0}, "learned": {"step_flops": 104.0}}
    result = only(evidence(ratio("flops"), runs=runs))
    assert (result.value, result.verdict) == (pytest.approx(1.04), REACHED)
    assert result.seeds == 0


def test_times_of_a_shared_machine_decide_nothing():
    shared = {"learned": {"shared_machine": True}}
    result = only(evidence(ratio("training_time"), runs=shared))
    assert result.why == "times: another run shared the machine"
    other = {"learned": {"device_name": "another CPU"}}
    result = only(evidence(ratio("training_time"), runs=other))
    assert result.why == "different devices: a CPU, another CPU"


def test_times_are_of_runs_that_both_arms_have_timed():
    """Not of one run each, however far apart: runs differ."""
    claim = ratio("training_time") | {"bound": {"at_most": 1.5, "unit": "x"}}
    found = evidence(claim, claim | {"rule": "interval"})
    runs = found.summary.runs  # ten of an arm: five seeds, two folds
    own, other = (runs.experiment == name for name in ("learned", "plain"))
    runs.loc[other, "training_seconds"] = [100.0] * 5 + [900.0] * 5
    runs.loc[own, "training_seconds"] = [50.0, 100.0, 100.0, 100.0, 200.0] + [NAN] * 5
    point, interval = judged(found)
    # t of five logarithms, SD log 2 times the root of a half
    reach = 2 ** (2.776 * math.sqrt(1 / 2) / math.sqrt(5))
    numbers = point.value, point.low, point.high
    assert numbers == pytest.approx((1, 1 / reach, reach), rel=1e-3)
    assert (point.n, point.note) == (5, "n: runs of each")
    assert (point.verdict, interval.why) == (REACHED, "the interval holds the bound")
    runs.loc[own, "training_seconds"] = [50.0, 100.0] + [NAN] * 8
    for result in judged(found):
        assert result.why == "2 timed runs of each, 5 needed"
        assert result.verdict == NOT_DECIDABLE


def test_times_of_trainings_that_did_not_learn_decide_nothing():
    found = evidence(ratio("training_time"))
    row = ("plain", 1, 0, "tumour", 0.0, "slices", NOT_LEARNED)
    found.summary.__dict__["gates"] = pd.DataFrame([row], columns=list(GATE_COLUMNS))
    assert only(found).why.startswith("1 of 1 trainings did not learn (plain, seed 1")


def test_memory_needs_a_gpu_and_bytes_one_precision():
    assert only(evidence(ratio("gpu_memory"))).why == "no run on a GPU"
    mixed = {"learned": {"step_precision": "mixed"}}
    result = only(evidence(ratio("saved_bytes"), runs=mixed))
    assert result.why == "saved bytes were counted in different precisions"
    assert only(evidence(ratio("saved_bytes"))).note == "in float32"


PROTOCOL = load_config([REPO / "config/config.yaml"])


def costs(protocol=PROTOCOL, **ratios):
    """Records as of `deeprac cost`: experiment = FLOPs over plain."""
    return [
        {"experiment": name, "matrix_size": 512, "batch_size": 12}
        | {"step_flops_ratio": ratios.get(name, 1.0), "step_saved_bytes_ratio": 1.0}
        for name in protocol.run.experiments
    ]


def test_cost_at_the_sizes_of_the_protocol():
    claim = ratio("protocol_flops", ())
    counted = costs(coarse_stn=1.04, fine_stn=1.07)
    results = judged(evidence(claim, protocol=PROTOCOL, costs=counted))
    assert [(one.experiment, one.verdict) for one in results] == [
        ("coarse_stn", REACHED),
        ("fine_stn", MISSED),
    ]
    assert results[1].note == "512 pixels, batch 12"
    mixed = ratio("protocol_saved_bytes_mixed", ())
    assert (
        "does not count it"
        in judged(evidence(mixed, protocol=PROTOCOL, costs=counted))[0].why
    )
    assert "snakemake claims" in only(evidence(claim)).why


def test_a_claim_that_is_undecided_says_why():
    later = {"claim": "In 3D too", "undecided": "not run: slices only"}
    result = only(evidence(later))
    assert (result.verdict, result.why) == (NOT_DECIDABLE, "not run: slices only")


def test_rendering_and_the_tally():
    other = GAIN | {"labels": ["kidney"]}
    later = {"claim": "In 3D too", "undecided": "not run"}
    found = evidence(GAIN, other, later, dice={"learned": base(0.1)})
    results = judged(found)
    assert render.tally(results) == ("2 claims: 1 reached, 0 missed, 1 not decidable.")
    text = render.terminal(results)
    assert "It gains: reached" in text
    assert "10 points [10, 10]" in text
    table = render.markdown(results, title="Claims.")
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 5
    records = render.to_records(results)
    assert records[2]["value"] is None
    assert json.loads(json.dumps(records, allow_nan=False))[0]["verdict"] == "reached"
    first = render.answers(results)[0]
    assert (first.claim, len(first.results)) == ("It gains", 2)


def test_the_interval_is_the_common_one():
    rng = np.random.default_rng(4)

    def noisy(cases):
        cases["dice"] = cases.dice + rng.normal(0, 0.03, len(cases))
        return cases

    found = evidence(GAIN, change=noisy)
    rows = found.dice["tumour"].pivot_table("dice", ["experiment", "patient"], "seed")
    expected = two_way_interval(100 * (rows.loc["learned"] - rows.loc["plain"]))
    result = only(found)
    assert (result.value, result.low, result.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    experiments = ("coarse_nnunet", "coarse_stn", "fine_stn_crop")
    path = write_tree(
        tmp_path_factory.mktemp("tree"), TreeOptions(experiments=experiments)
    )
    for name in experiments:
        for fold in ("0", "1"):
            run = ["--config", str(path), "--experiment", name, "--fold", fold]
            assert main(["evaluate", *run]) == 0
    assert main(["summarise", "--config", str(path)]) == 0
    return path


def test_verb_prints_and_writes(tree, capsys):
    assert main(["claims", "--config", str(tree)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Claims. Cohort tree.")
    layout = Layout.of(load_config([tree]))
    table = pd.read_csv(layout.tables / "claims.csv")
    assert set(table.verdict) == {"not decidable"}
    assert "**Claims. Cohort tree" in (layout.tables / "claims.md").read_text()
    assert main(["claims", "--config", str(tree), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(table)


def test_verb_judges_a_file_and_reads_the_counted_protocol(tree, tmp_path, capsys):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([ratio("protocol_flops", ())]))
    layout = Layout.of(load_config([tree]))
    resolved = resolve(read_raw([REPO / "config/config.yaml"]))
    write_json(layout.summary_protocol, {"config": resolved, "costs": costs()})
    written = (layout.tables / "claims.md").read_bytes()
    run = ["claims", "--config", str(tree), "--claims", str(path)]
    assert main(run) == 0
    assert "1 claim: 1 reached" in capsys.readouterr().out
    assert (layout.tables / "claims.md").read_bytes() == written
    write_json(layout.summary_protocol, {"costs": []})
    assert main(run) == 1
    assert "must hold a configuration and its costs" in capsys.readouterr().err


def test_verb_refuses_a_foreign_file(tree, tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("- {claim: a, quantity: luck}\n")
    assert main(["claims", "--config", str(tree), "--claims", str(path)]) == 1
    assert "quantity is 'luck': it must be one of dice_difference" in (
        capsys.readouterr().err
    )
