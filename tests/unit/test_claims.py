"""Claims against tables made by hand: reached, missed by a known amount, or missing."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.commands import cost
from deeprac.config import load_config
from deeprac.evaluation.statistics.estimates import Estimate
from deeprac.files import write_csv
from deeprac.layout import Layout
from deeprac.reporting.claims.claim import (
    Bound,
    Quantity,
    Status,
    Threshold,
)
from deeprac.reporting.claims.crop import crop
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.few_patients import few_patients
from deeprac.reporting.claims.overhead import counted_experiments, overhead
from deeprac.reporting.claims.recovery import recovery
from deeprac.reporting.claims.render import markdown, tally, terminal, to_records
from deeprac.reporting.claims.stress import stress
from deeprac.reporting.roles import PLAIN, STN, Cast, augmentation, largest_cast
from support.results_tree import REPO, TreeOptions, write_tree

NAN = float("nan")
PATIENTS = ("p", "q", "r", "s")
METHODS = {
    "plain": "nnunet",
    "augmented": "nnunet_augment",
    "wide": "nnunet_augment_wide",
    "closed": "moments",
    "learned": "stn",
    "cropped": "stn_crop",
}
"""Names say nothing: experiments are found by what their methods do."""


@pytest.fixture
def config(tmp_path):
    return _config(tmp_path)


def _config(folder, names=tuple(METHODS), patients=10):
    rows = [
        {"experiment": name, "matrix": "coarse", "method": METHODS[name]}
        | {"training_patients": patients}
        for name in names
    ]
    path = folder / "config.json"
    methods = str(REPO / "config" / "methods.yaml")
    path.write_text(json.dumps({"methods": methods, "experiments": rows}))
    return load_config([path])


def _cases(**dice):
    """Kidney and tumour Dice of four patients per experiment, one seed."""
    return pd.DataFrame(
        [
            {"experiment": name, "label": label, "patient": patient, "case": patient}
            | {"seed": 0, "fold": 0, "dice": value}
            for name, values in dice.items()
            for label in ("kidney", "tumour")
            for patient, value in zip(PATIENTS, values, strict=True)
        ]
    )


def _runs(config, **changes):
    rows = []
    for name in config.experiments:
        row = {"experiment": name, "training_patients": 10, "epochs": 3}
        row |= {"iterations_per_epoch": 5, "batch_size": 2, "device_name": "a CPU"}
        row |= {"training_seconds": 110.0 if name == "learned" else 100.0}
        row |= {"gpu_peak_reserved_gib": NAN}
        rows.append(row | changes.get(name, {}))
    return pd.DataFrame(rows)


def _diagnostics(**rows):
    """Rows of four patients: experiment = columns with one number each or four."""
    tables = [
        pd.DataFrame(
            {"experiment": name, "patient": PATIENTS, "case": PATIENTS, "seed": 0}
            | {"scale_error": NAN, "angle_error_deg": NAN, "centre_error": NAN}
            | {"coverage": 1.0, "missed": 0}
            | columns
        )
        for name, columns in rows.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _stress(**experiments):
    """Dice of four patients under every condition: kind, value, Dice."""
    return pd.DataFrame(
        [
            {"experiment": name, "label": label, "patient": patient, "case": patient}
            | {"seed": 0, "kind": kind, "value": value, "dice": dice, "visible": 1.0}
            for name, conditions in experiments.items()
            for kind, value, dice in conditions
            for label in ("kidney", "tumour")
            for patient in PATIENTS
        ]
    )


def _evidence(config, **tables):
    empty = {"cases": _cases(), "runs": _runs(config)}
    empty |= {"diagnostics": None, "stress": None}
    return Evidence(cast=Cast(config, "coarse"), **(empty | tables))


def _by_name(results, experiment=None):
    return {
        result.quantity: result
        for result in results
        if experiment in (None, result.experiment)
    }


def _assert_short(result, by):
    assert result.status is Status.SHORT
    assert result.short_by == pytest.approx(by)


def test_median_errors_against_targets_and_moments(config):
    learned = {
        "scale_error": [0.01, 0.02, 0.03, 0.9],  # median 2.5 %: one outlier counts once
        "angle_error_deg": [-4.0, 4.0, -5.0, 5.0],  # sizes: median 4.5 degrees
        "centre_error": 0.015,
    }
    closed = {"scale_error": 0.03, "angle_error_deg": 6.0, "centre_error": 0.012}
    diagnostics = _diagnostics(learned=learned, closed=closed)
    found = _by_name(recovery(_evidence(config, diagnostics=diagnostics)))
    scale = found["median scale error"]
    assert (scale.value, scale.unit, scale.n) == (pytest.approx(2.5), "%", 4)
    assert (scale.status, scale.threshold) == (Status.PASS, "at most 3 %")
    assert scale.low <= scale.value <= scale.high
    assert found["median scale error, against moments"].status is Status.PASS
    _assert_short(found["median rotation error"], 1.5)
    assert found["median rotation error, against moments"].status is Status.PASS
    assert found["median centre error"].status is Status.PASS
    beside = found["median centre error, against moments"]
    _assert_short(beside, 0.3)
    assert beside.threshold == "at most 1.2 % of width (median of closed)"


def test_recovery_without_table_rows_or_experiments(config, tmp_path):
    def note(evidence):
        results = recovery(evidence)
        assert len(results) == 6
        assert {result.status for result in results} == {Status.NOT_MEASURED}
        return results[0].note

    assert note(_evidence(config)) == "summary/diagnostics.csv is missing"
    other = _diagnostics(closed={})
    lost = note(_evidence(config, diagnostics=other))
    assert lost == "summary/diagnostics.csv has no row of learned"
    without = _config(tmp_path, ("plain", "closed"))
    assert "matrix coarse with normaliser stn, crop none" in note(_evidence(without))
    # Rows without a reference: no number.
    assert "n = 0" in note(_evidence(config, diagnostics=_diagnostics(learned={})))


def test_recovery_without_moments(tmp_path):
    config = _config(tmp_path, ("plain", "learned"))
    errors = {"scale_error": 0.01, "angle_error_deg": 1.0, "centre_error": 0.01}
    diagnostics = _diagnostics(learned=errors)
    found = _by_name(recovery(_evidence(config, diagnostics=diagnostics)))
    assert found["median scale error"].status is Status.PASS
    beside = found["median scale error, against moments"]
    assert beside.status is Status.NOT_MEASURED
    assert beside.threshold == "at most the median of moments"
    assert "normaliser moments" in beside.note


def test_crop_coverage_and_missed_cases(config):
    cases = _cases(learned=[0.9, 0.8, 0.7, 0.6], cropped=[0.9, 0.8, 0.7, 0.6])
    covered = {"coverage": [1.0, 0.995, 0.996, NAN]}
    diagnostics = _diagnostics(cropped=covered)
    found = _by_name(crop(_evidence(config, cases=cases, diagnostics=diagnostics)))
    smallest = found["smallest coverage of a case"]
    assert (smallest.value, smallest.status) == (pytest.approx(99.5), Status.PASS)
    assert (smallest.n, smallest.note) == (3, "q, seed 0; 0 of 3 below")
    assert found["missed cases, all seeds"].status is Status.PASS
    covered = {"coverage": [1.0, 0.4, 0.99, 1.0], "missed": [0, 1, 0, 0]}
    diagnostics = _diagnostics(cropped=covered)
    found = _by_name(crop(_evidence(config, cases=cases, diagnostics=diagnostics)))
    _assert_short(found["smallest coverage of a case"], 59.5)
    assert found["smallest coverage of a case"].note == "q, seed 0; 2 of 4 below"
    _assert_short(found["missed cases, all seeds"], 1)


@pytest.mark.parametrize("step", [0.105, 0.15])
def test_spread_of_dice_with_and_without_crop(config, step):
    # Four patients in steps of s have an SD of s * sqrt(5 / 3). Without crop s is 10
    # points; with it the SD grows by 0.65 points (reached) or by 6.5 (5.5 too much).
    cropped = [0.9 - step * i for i in range(4)]
    cases = _cases(learned=[0.9, 0.8, 0.7, 0.6], cropped=cropped)
    found = _by_name(crop(_evidence(config, cases=cases)))
    tumour = found["SD of tumour Dice minus without crop"]
    expected = 100 * (step - 0.1) * math.sqrt(5 / 3)
    assert tumour.value == pytest.approx(expected)
    assert tumour.n == 4
    if step < 0.11:
        assert tumour.status is Status.PASS
    else:
        _assert_short(tumour, expected - 1)
    assert found["SD of kidney Dice minus without crop"].status is Status.REPORTED
    lost = found["smallest coverage of a case"]
    assert (lost.status, lost.note) == (
        Status.NOT_MEASURED,
        "summary/diagnostics.csv is missing",
    )


def test_crop_without_experiments(config, tmp_path):
    (only,) = crop(_evidence(_config(tmp_path, ("plain", "learned"))))
    assert (only.status, only.note) == (
        Status.NOT_MEASURED,
        "no selected experiment at matrix coarse with a learned crop",
    )
    alone = _config(tmp_path, ("cropped",))
    results = crop(_evidence(alone, cases=_cases(cropped=[0.9, 0.8, 0.7, 0.6])))
    assert "normaliser stn, crop none" in results[-1].note


def _few(config, **changes):
    dice = {
        "plain": [0.5, 0.5, 0.5, 0.5],
        "augmented": [0.5, 0.8, 0.5, 0.8],
        "wide": [0.7, 0.7, 0.7, 0.7],
        "learned": [0.6, 0.7, 0.6, 0.7],
    }
    cases = _cases(**{n: v for n, v in dice.items() if n in config.experiments})
    runs = _runs(config, **changes)
    return _by_name(few_patients(_evidence(config, cases=cases, runs=runs)))


def test_few_patients_need_an_interval_above_zero(config):
    found = _few(config)
    # Differences to plain: 10, 20, 10, 20 points.
    plain = found["tumour Dice, 10 patients: minus plain nnU-Net"]
    assert (plain.value, plain.status) == (pytest.approx(15), Status.PASS)
    assert plain.low > 0
    assert plain.note == "training time x 1.10"
    assert plain.threshold == "interval above 0 points"
    # To augmentation: 10, -10, 10, -10: the interval holds 0.
    equal = found["kidney Dice, 10 patients: minus nnU-Net + augmentation"]
    assert equal.value == pytest.approx(0)
    _assert_short(equal, -equal.low)
    assert equal.short_by > 0
    # To wide augmentation: -10, 0, -10, 0.
    below = found["kidney Dice, 10 patients: minus nnU-Net + wide augmentation"]
    assert below.value == pytest.approx(-5)
    assert below.status is Status.SHORT
    assert len(found) == 6


def test_no_difference_at_all_is_no_gain(config):
    cases = _cases(**{key: [0.5, 0.6, 0.7, 0.8] for key in ("plain", "learned")})
    found = _by_name(few_patients(_evidence(config, cases=cases)))
    equal = found["tumour Dice, 10 patients: minus plain nnU-Net"]
    _assert_short(equal, 0)


def test_unequal_iterations_are_not_compared(config):
    found = _few(config, plain={"epochs": 4})
    plain = found["tumour Dice, 10 patients: minus plain nnU-Net"]
    assert (plain.status, plain.note) == (
        Status.NOT_MEASURED,
        "unequal epochs: 3, plain 4",
    )


def test_times_on_a_shared_machine_are_not_compared(config):
    # Without a time on either side there is no ratio; the Dice stays what it is.
    found = _few(config, plain={"training_seconds": NAN})
    plain = found["tumour Dice, 10 patients: minus plain nnU-Net"]
    assert (plain.value, plain.status) == (pytest.approx(15), Status.PASS)
    assert plain.note == "training times do not compare: shared machine"
    wide = found["tumour Dice, 10 patients: minus nnU-Net + wide augmentation"]
    assert wide.note == "training time x 1.10"


def test_the_number_of_timed_runs_stands_beside_their_ratio(config):
    runs = _runs(config)
    second = runs.assign(training_seconds=NAN)[runs.experiment == "learned"]
    cases = _cases(learned=[0.6, 0.7, 0.6, 0.7], plain=[0.5] * 4)
    runs = pd.concat([runs, second])
    found = _by_name(few_patients(_evidence(config, cases=cases, runs=runs)))
    plain = found["tumour Dice, 10 patients: minus plain nnU-Net"]
    assert plain.note == "training time x 1.10 (1 and 1 timed runs)"


def test_missing_augmentation_is_named(tmp_path):
    found = _few(_config(tmp_path, ("plain", "learned", "augmented")))
    lost = found["tumour Dice, 10 patients: minus nnU-Net + wide augmentation"]
    assert lost.status is Status.NOT_MEASURED
    assert "augmentation wide" in lost.note
    assert "training_patients 10" in lost.note


def test_many_patients_are_reported_and_few_are_missed(config):
    many = {name: {"training_patients": 40} for name in METHODS}
    found = _few(config, **many)
    assert found["tumour Dice, 40 patients: minus plain nnU-Net"].status is (
        Status.REPORTED
    )
    lost = found["Dice, 8 to 20 training patients"]
    assert lost.status is Status.NOT_MEASURED
    assert lost.note.endswith("and 8 to 20 training patients")


UPRIGHT = ("none", 0.0, 0.9)


def test_the_worst_condition_within_the_range_is_judged(config):
    learned = [
        UPRIGHT,
        ("rotation", -30.0, 0.88),
        ("rotation", 45.0, 0.1),  # beyond 30 degrees
        ("scale", 0.6, 0.875),
        ("scale", 2.0, 0.2),  # beyond 1.6
        ("shift", 0.2, 0.3),  # not part of the claim
    ]
    plain = [UPRIGHT, ("rotation", 30.0, 0.5), ("scale", 1.6, 0.4)]
    table = _stress(learned=learned, plain=plain)
    results = stress(_evidence(config, stress=table))
    assert [result.experiment for result in results] == ["learned"] * 2 + ["plain"] * 2
    name = "tumour Dice in the worst condition minus upright"
    mine = _by_name(results, "learned")[name]
    assert (mine.value, mine.status) == (pytest.approx(-2.5), Status.PASS)
    assert mine.note == (
        "scale 0.6, 100.0% visible; tested: rotation -30 to -30 degrees, "
        "scale 0.6 to 0.6 times"
    )
    other = _by_name(results, "plain")[name]
    assert (other.value, other.status) == (pytest.approx(-50), Status.REPORTED)
    learned[3] = ("scale", 0.6, 0.8)
    table = _stress(learned=learned)
    _assert_short(stress(_evidence(config, stress=table))[0], 7)


def test_stress_that_was_not_measured(config, tmp_path):
    def note(evidence):
        result = stress(evidence)[0]
        assert result.status is Status.NOT_MEASURED
        return result.note

    assert note(_evidence(config)) == "summary/stress.csv is missing"
    plain = _stress(plain=[UPRIGHT, ("rotation", 15.0, 0.8), ("scale", 0.8, 0.8)])
    assert note(_evidence(config, stress=plain)) == (
        "summary/stress.csv has no row of learned: add it to stress.experiments"
    )
    turned = _stress(learned=[UPRIGHT, ("rotation", 15.0, 0.8), ("scale", 2.0, 0.8)])
    assert "lacks scale of learned" in note(_evidence(config, stress=turned))
    without = _config(tmp_path, ("plain",))
    assert "normaliser stn" in note(_evidence(without, stress=plain))


@pytest.fixture
def protocol(monkeypatch):
    monkeypatch.chdir(REPO)
    return load_config([REPO / "config" / "config.yaml"])


def _costs(protocol, **ratios):
    """Records as of `deeprac cost`: experiment = FLOPs and saved bytes over plain."""
    records = []
    for experiment in counted_experiments(protocol):
        flops, saved = ratios.get(experiment.name, (1.0, 1.0))
        size = protocol.matrices[experiment.matrix]
        records.append(
            {"experiment": experiment.name, "matrix": experiment.matrix}
            | {"matrix_size": size.size, "batch_size": size.batch_size}
            | {"step_flops_ratio": flops, "step_saved_bytes_ratio": saved}
        )
    return records


def test_overhead_at_the_papers_sizes(config, protocol):
    costs = _costs(
        protocol,
        coarse_stn=(1.04, 1.10),
        fine_stn=(1.07, 1.02),
        fine_stn_crop_half=(0.28, 0.35),
    )
    results = overhead(_evidence(config), protocol, costs)
    outcome = [(f.experiment, f.status.value, f.short_by) for f in results]
    assert outcome == [
        ("coarse_stn", "pass", pytest.approx(NAN, nan_ok=True)),
        ("coarse_stn", "pass", pytest.approx(NAN, nan_ok=True)),
        ("fine_stn", "falls short", pytest.approx(0.02)),
        ("fine_stn", "pass", pytest.approx(NAN, nan_ok=True)),
        ("fine_stn_crop_half", "pass", pytest.approx(NAN, nan_ok=True)),
        ("fine_stn_crop_half", "falls short", pytest.approx(0.03)),
    ]
    assert results[2].note == "matrix fine: 512, batch 12; counted"
    assert results[5].quantity.startswith("saved bytes in float32, ")


def _memory(evidence, protocol, **cost):
    """Rows about memory of the STN at the coarse matrix; the rest is counted as 1."""
    costs = [record | cost for record in _costs(protocol, coarse_stn=(1.0, 1.08))]
    rows = [
        r for r in overhead(evidence, protocol, costs) if r.experiment == "coarse_stn"
    ]
    return rows[1:]


def test_counted_memory_names_its_precision(config, protocol):
    mixed = {"step_saved_bytes_mixed_ratio": 1.14}
    single, half = _memory(_evidence(config), protocol, **mixed)
    assert single.quantity == "saved bytes in float32, pose-size"
    assert (single.value, single.status) == (1.08, Status.PASS)
    assert half.quantity == "saved bytes in mixed precision, pose-size"
    _assert_short(half, 0.04)
    assert half.note == "matrix coarse: 128, batch 32; counted"


def test_measured_memory_of_the_gpu_comes_before_what_is_counted(tmp_path, protocol):
    config = _config(tmp_path, patients=None)

    def memory(config=config, **changes):
        plain = {"gpu_peak_reserved_gib": 2.0, "device_name": "a GPU"}
        learned = plain | {"gpu_peak_reserved_gib": 2.1} | changes
        runs = _runs(config, plain=plain, learned=learned)
        return _memory(_evidence(config, runs=runs), protocol)

    (measured,) = memory()
    assert measured.quantity == "reserved GPU memory, pose-size"
    assert (measured.value, measured.status) == (pytest.approx(1.05), Status.PASS)
    assert measured.note == "matrix coarse: 128, batch 32; measured, n = 1 run"
    # Neither of another GPU, nor of a CPU, nor at another size or of another network.
    larger = replace(config.matrices["coarse"], batch_size=8)
    network = replace(config.network, max_features=64)
    for (counted,) in (
        memory(device_name="another GPU"),
        memory(gpu_peak_reserved_gib=NAN),
        memory(replace(config, matrices=config.matrices | {"coarse": larger})),
        memory(replace(config, network=network)),
    ):
        assert counted.quantity == "saved bytes in float32, pose-size"


def test_overhead_without_protocol_or_experiments(config, protocol):
    for result in overhead(_evidence(config), None, []):
        assert result.status is Status.NOT_MEASURED
        assert "--protocol" in result.note
    few = replace(
        protocol, run=replace(protocol.run, experiments=("coarse_stn", "fine_nnunet"))
    )
    results = overhead(_evidence(config), few, [])
    assert {result.status for result in results} == {Status.NOT_MEASURED}
    assert "matrix coarse with normaliser none" in results[0].note
    assert "the protocol has no experiment with" in results[-1].note


def test_roles_follow_properties(config):
    methods = config.methods
    words = {name: augmentation(methods[METHODS[name]]) for name in METHODS}
    assert words["plain"] == "no"
    assert words["augmented"] == "yes"
    assert words["wide"] == "wide"
    cast = largest_cast(config)
    assert (cast.matrix, cast.main(STN), cast.main(PLAIN)) == (
        "coarse",
        "learned",
        "plain",
    )
    assert cast.same_patients(STN, None) is None
    assert cast.same_patients(STN, 10) == "learned"


def test_bounds():
    what = Quantity("claim", "name", "points")

    def judged(measured, threshold, note=""):
        return replace(what, threshold=threshold).judged(measured, note)

    value = Estimate(1.0, 0.0, 2.0, 5)
    assert judged(value, Threshold(Bound.AT_MOST, 1)).status is Status.PASS
    assert judged(value, Threshold(Bound.AT_LEAST, 1)).status is Status.PASS
    # An interval that touches 0 does not exclude it.
    above = Threshold(Bound.CLEARLY_ABOVE, 0)
    assert judged(value, above).status is Status.SHORT
    assert judged(replace(value, low=0.01), above).status is Status.PASS
    one = judged(Estimate(1.0, NAN, NAN, 1), above, "a note")
    assert (one.status, one.note) == (
        Status.NOT_MEASURED,
        "too few patients, n = 1; a note",
    )


def test_rendering(config):
    diagnostics = _diagnostics(
        learned={"scale_error": 0.05, "angle_error_deg": 1.0, "centre_error": 0.01}
    )
    results = recovery(_evidence(config, diagnostics=diagnostics))
    text = terminal(results)
    assert "5 % [5, 5]" in text
    assert "falls short by 2 %" in text
    assert text.splitlines()[-1] == (
        "6 thresholds: 2 reached, 1 missed, 3 not measured."
    )
    table = markdown(results, title="Claims.")
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 8
    records = to_records(results)
    assert records[1]["value"] is None
    assert json.loads(json.dumps(records, allow_nan=False))[0]["status"] == (
        "falls short"
    )
    assert tally([]) == "0 thresholds: 0 reached, 0 missed, 0 not measured."


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


def test_verb_prints_and_writes(tree, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # no config/config.yaml: no protocol
    assert main(["claims", "--config", str(tree)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Claims. Cohort tree, matrix coarse.")
    assert "summary/diagnostics.csv is missing" in shown
    layout = Layout.of(load_config([tree]))
    table = pd.read_csv(layout.tables / "claims.csv")
    assert set(table.status[table.threshold.notna()]) == {"not measured"}
    assert "**Claims. Cohort tree" in (layout.tables / "claims.md").read_text()
    assert main(["claims", "--config", str(tree), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(table)


def test_verb_judges_another_matrix_and_the_protocol(
    tree, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(REPO)
    monkeypatch.setattr(cost, "count_steps", lambda config, _: _costs(config))
    layout = Layout.of(load_config([tree]))
    crops = _diagnostics(fine_stn_crop={"coverage": [1.0, 1.0, 1.0, 0.99]})
    write_csv(layout.summary_diagnostics, crops.assign(fold=0))
    try:
        run = ["claims", "--config", str(tree), "--matrix", "fine"]
        assert main([*run, "--protocol", "config/config.yaml"]) == 0
    finally:
        layout.summary_diagnostics.unlink()
    shown = capsys.readouterr().out
    assert "falls short by 0.50 %" in shown
    assert "FLOPs, pose-size" in shown


def test_verb_refuses_a_matrix_without_experiments(tree, capsys):
    assert main(["claims", "--config", str(tree), "--matrix", "huge"]) == 1
    assert "--matrix huge has no selected experiment. Name one of coarse, fine." in (
        capsys.readouterr().err
    )
