"""Results of which some runs are missing: marked, counted, compared on what is common.

The tree has four patients in two folds: cases 0 and 2 in the first, 1 and 3 in the
second.
"""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.config_files import read_raw, resolve
from deeprac.errors import MetricsError, ReleaseError
from deeprac.evaluation.statistics.patients import CommonScores, on_common_runs
from deeprac.files import read_json, write_json
from deeprac.layout import Layout
from deeprac.lease import held
from deeprac.partial import (
    missing_runs,
    narrowed,
    present_runs,
    read_missing,
    sentence,
)
from deeprac.records.progress import Epoch, append_progress, note_failure
from deeprac.records.run_key import RunKey, selected_runs
from deeprac.release.make import make_release
from deeprac.reporting.claims.collect import cohort_claims
from deeprac.reporting.claims.verdict import Verdict
from deeprac.reporting.figures.drawing import captioned, noted
from deeprac.reporting.summary import read_summary
from deeprac.reporting.tables import all_tables
from support.results_tree import TreeOptions, write_tree
from support.summary_builder import make_cases

pytestmark = pytest.mark.usefixtures("few_resamples", "coarse_pictures")

EXPERIMENTS = ("coarse_nnunet", "coarse_stn", "fine_stn_crop")
STN_1 = RunKey("tree", "coarse_stn", 0, 1)
PLANNED = [
    {"method": method, "reference": "nnunet", "test": "superiority"}
    for method in ("stn", "stn_crop")
]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    settings = {
        "report": {"allow_missing": True},
        "statistics": {"comparisons": PLANNED},
    }
    config = write_tree(folder, TreeOptions(experiments=EXPERIMENTS, settings=settings))
    for experiment in EXPERIMENTS:
        for fold in ("0", "1"):
            run = ["--experiment", experiment, "--fold", fold]
            assert main(["evaluate", "--config", str(config), *run]) == 0
    return folder


@pytest.fixture
def tree(evaluated, tmp_path):
    """Path of the configuration and layout of finished results."""
    shutil.copytree(evaluated, tmp_path, dirs_exist_ok=True)
    return changed(tmp_path / "config.json", results=str(tmp_path))


def changed(path, **keys):
    path.write_text(json.dumps(read_json(path) | keys))
    return path, Layout.of(load_config([path]))


def lose(layout, run):
    shutil.rmtree(run.folder(layout))


def summarised(path):
    assert main(["summarise", "--config", str(path)]) == 0
    config = load_config([path])
    return read_summary(config, Layout.of(config))


def test_nothing_is_missing_of_finished_results(tree):
    path, layout = tree
    config = load_config([path])
    assert missing_runs(config, layout) == {}
    summary = summarised(path)
    assert summary.partial == ""
    assert read_missing(config, layout).empty
    assert not any(
        "Partial" in n for t in all_tables(summary).values() for n in t.notes
    )


def test_without_the_key_a_missing_run_is_an_error(tree, capsys):
    path, layout = tree
    lose(layout, STN_1)
    changed(path, report={"allow_missing": False})
    assert missing_runs(load_config([path]), layout) == {}
    assert main(["summarise", "--config", str(path)]) == 1
    assert "fold_1/metrics.csv" in capsys.readouterr().err
    assert not layout.summary_cases.exists()


def test_a_partial_summary_is_refused_without_the_key(tree):
    path, layout = tree
    lose(layout, STN_1)
    summarised(path)
    changed(path, report={"allow_missing": False})
    with pytest.raises(MetricsError, match=r"missing: coarse_stn \(seed 0, fold 1\)"):
        read_summary(load_config([path]), layout)


def test_how_each_missing_run_stands(tree):
    path, layout = tree
    config = load_config([path])
    waiting, failed, interrupted, predicted, cut, running = selected_runs(config)
    for run in (waiting, failed, interrupted, running):
        lose(layout, run)
    note_failure(
        layout.checkpoints(*failed.parts), f"{layout.root / 'x y.pth'} is\ndamaged"
    )
    append_progress(
        layout.checkpoints(*interrupted.parts), Epoch(3, 10, 1e9, 2, 1, 1, {})
    )
    (predicted.folder(layout) / "metrics.csv").unlink()
    log = layout.log("predict", *predicted.parts)
    log.parent.mkdir(parents=True)
    log.write_text("case 1\ndeeprac predict: error: the GPU's memory is too small\n")
    metrics = cut.folder(layout) / "metrics.csv"
    rows = pd.read_csv(metrics)
    rows[rows.case == rows.case[0]].to_csv(metrics, index=False)
    with held(layout.checkpoints(*running.parts).with_suffix(".lease"), "a run"):
        found = missing_runs(config, layout)
    assert list(found.values()) == [
        "not run",
        "failed: (a path on the machine) y.pth is damaged",
        "not run: interrupted",
        "failed: the GPU's memory is too small",
        "not run: trained, but not all its cases are evaluated",
        "not run: running",
    ]
    assert list(found) == list(selected_runs(config))
    with pytest.raises(MetricsError, match=r"finished, and none is\. Leave the key"):
        narrowed(config, found)


def test_a_job_that_failed_before_its_training(tree):
    path, layout = tree
    lose(layout, STN_1)
    log = layout.log("train", *STN_1.parts)
    log.parent.mkdir(parents=True)
    log.write_text("deeprac train: error: training.device is 'cuda'. Use a GPU.\n")
    found = missing_runs(load_config([path]), layout)
    assert found == {STN_1: "failed: training.device is 'cuda'. Use a GPU."}


def test_no_folds_yet_means_that_nothing_is_there(tree):
    path, layout = tree
    layout.splits.unlink()
    config = load_config([path])
    assert present_runs(config, missing_runs(config, layout)) == []


def test_counts_and_marks_of_the_tables(tree):
    path, layout = tree
    lose(layout, STN_1)
    summary = summarised(path)
    rows = summary.rows.set_index("experiment")
    assert rows.n_patients.to_dict() == {
        "coarse_nnunet": 4, "coarse_stn": 2, "fine_stn_crop": 4,
    }  # fmt: skip
    assert rows.folds_run["coarse_stn"] == 1
    tables = all_tables(summary)
    mark = "1 of 6 runs is missing"
    assert all(mark in table.notes[0] for table in tables.values())
    for name in ("table1", "all", "ladder", "cost"):
        part = tables[name].parts[-1]
        assert (part.heading, part.texts()[0][-1]) == ("Missing runs", "not run")
        last = tables[name].all_rows.iloc[-1]
        assert (last.experiment, last.fold, last.state) == ("coarse_stn", 1, "not run")
        assert last.n_patients == 0
    assert all(part.heading != "Missing runs" for part in tables["table2"].parts)
    # What is there is written as without missing runs: counts stay whole.
    assert main(["tables", "--config", str(path)]) == 0
    text = (layout.tables / "all.csv").read_text().splitlines()
    column = text[0].split(",").index("n_cases")
    assert [line.split(",")[column] for line in text[1:4]] == ["4", "2", "4"]
    assert "Missing runs" in (layout.tables / "all.md").read_text()


def test_comparisons_rest_on_common_patients(tree):
    path, layout = tree
    whole = summarised(path)
    dice = whole.scores[whole.scores.label == "kidney"]
    lose(layout, STN_1)
    lose(layout, RunKey("tree", "fine_stn_crop", 0, 0))
    lose(layout, RunKey("tree", "fine_stn_crop", 0, 1))
    summary = summarised(path)
    table = all_tables(summary)["comparisons"].rows.set_index(["method", "label"])
    stn = table.loc["stn", "kidney"]
    wide = dice.pivot(index="patient", columns="experiment", values="dice")
    first_fold = wide.loc[["patient000", "patient002"]]
    expected = (first_fold.coarse_stn - first_fold.coarse_nnunet).mean()
    assert (stn.n, stn.n_undefined) == (2, 2)
    assert stn.difference == pytest.approx(expected)
    absent = table.loc["stn_crop"].iloc[0]
    assert (absent.verdict, absent.reason) == ("not run", "its runs are missing")
    ranking = all_tables(summary)["ranking"].rows
    assert set(ranking.n) == {2}
    assert set(ranking.experiment) == {"coarse_nnunet", "coarse_stn"}
    assert summary.config.run.experiments == ("coarse_nnunet", "coarse_stn")


def test_runs_that_never_meet(tree):
    path, layout = tree
    lose(layout, RunKey("tree", "coarse_nnunet", 0, 0))
    lose(layout, STN_1)
    tables = all_tables(summarised(path))
    stn = tables["comparisons"].rows.set_index("method").loc["stn"]
    assert set(stn.n) == {0}
    assert set(stn.verdict) == {"not run"}
    assert set(tables["ranking"].rows.n) == {0}


def test_common_runs_are_by_seed_and_fold():
    cases = make_cases({"a": [0.5] * 4, "b": [0.25] * 4}, seeds=(0, 1))
    second = cases.seed == 1
    cases.loc[second & (cases.experiment == "a"), "dice"] = 1.0
    lost = second & (cases.experiment == "b") & (cases.fold == 1)
    scores = CommonScores(cases[~lost])
    alone = scores.of("a")
    both = scores.of("a", "b")
    # Patients 1 and 3 lie in the second fold: there a has one seed in common with b.
    for table, expected in ((alone, [0.75] * 4), (both, [0.75, 0.5, 0.75, 0.5])):
        own = table[(table.experiment == "a") & (table.label == "tumour")]
        assert own.sort_values("patient").dice.tolist() == expected


def test_nothing_is_masked_where_all_runs_are_there():
    cases = make_cases({"a": [0.5, np.nan], "b": [0.25, 0.75]})
    pd.testing.assert_frame_equal(on_common_runs(cases, "dice"), cases)


def test_many_missing_runs_are_named_in_part(tree):
    path, _ = tree
    config = load_config([path])
    text = sentence(config, dict.fromkeys(selected_runs(config), "not run"))
    assert "6 of 6 runs are missing" in text
    assert text.endswith("; and 1 more in summary/missing.csv.")


def test_times_beside_a_run_that_was_not_evaluated_do_not_count(tree):
    path, layout = tree
    (STN_1.folder(layout) / "metrics.csv").unlink()
    record = read_json(STN_1.folder(layout) / "run.json")
    other = RunKey("tree", "coarse_nnunet", 0, 0).folder(layout) / "run.json"
    beside = read_json(other) | {"segments": record["segments"]}
    other.write_text(json.dumps(beside))
    runs = summarised(path).runs.set_index(["experiment", "fold"])
    assert bool(runs.shared_machine["coarse_nnunet", 0])
    assert np.isnan(runs.training_seconds["coarse_nnunet", 0])


def test_partial_results_decide_no_claim_and_are_no_release(tree):
    path, layout = tree
    lose(layout, STN_1)
    summarised(path)
    results = cohort_claims(read_summary(load_config([path]), layout))
    assert {result.verdict for result in results} == {Verdict.NOT_DECIDABLE}
    assert any(result.why.startswith("partial results") for result in results)
    shutil.copy(path, layout.config)
    with pytest.raises(ReleaseError, match=r"complete results, and report\.allow_"):
        make_release(layout.root, path.parent / "releases", name="part")


def test_a_figure_says_what_is_missing():
    from matplotlib.figure import Figure  # noqa: PLC0415 (slow)

    figure = Figure()
    drawing = captioned("training_curves", figure, pd.DataFrame(), runs="2")
    words = figure.get_supxlabel()
    assert noted(drawing, "") is drawing
    assert figure.get_supxlabel() == words
    noted(drawing, "Partial results: one run is missing.")
    assert figure.get_supxlabel().splitlines()[-1].startswith("Partial results")


@pytest.mark.slow
def test_figures_and_page_where_an_experiment_lacks_a_seed(tmp_path):
    settings = {"report": {"allow_missing": True}}
    options = TreeOptions(EXPERIMENTS, seeds=(0, 1), settings=settings)
    path = write_tree(tmp_path, options)
    config = load_config([path])
    layout = Layout.of(config)
    write_json(layout.config, resolve(read_raw([path])))
    plain, stn = (
        RunKey("tree", "coarse_nnunet", 0, 0),
        RunKey("tree", "coarse_stn", 0, 0),
    )
    for run in selected_runs(config):
        names = ("experiment", "seed", "fold")
        named = [f"--{name}={getattr(run, name)}" for name in names]
        for verb in ("evaluate", "diagnose"):
            assert main([verb, "--config", str(path), *named]) == 0
    # The first seed of the one has no fold, of the other the second alone.
    for run in (plain, replace(plain, fold=1), stn):
        lose(layout, run)
    summarise = ["summarise", "--config", str(path)]
    for what in ("metrics", "diagnostics"):
        assert main([*summarise, "--what", what]) == 0
    assert main(["figures", "--config", str(path)]) == 0
    overlays = pd.read_csv(layout.figures / "overlays_coarse.csv")
    assert overlays.groupby("experiment").fold.unique().map(list).to_dict() == {
        "coarse_stn": [1]
    }
    assert main(["report", "--config", str(path)]) == 0
    page = layout.report.read_text()
    assert "Missing runs" in page
    assert '<p class="notice">Partial results (report.allow_missing): 3 of 12' in page


def test_a_run_without_its_test_cases_is_not_whole(tree):
    path, layout = tree
    splits = [split | {"test": ["test_1"]} for split in read_json(layout.splits)]
    write_json(layout.splits, splits)
    states = missing_runs(load_config([path]), layout)
    assert set(states.values()) == {
        "not run: trained, but not all its cases are evaluated"
    }
