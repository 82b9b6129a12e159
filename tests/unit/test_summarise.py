import json
import shutil

import pandas as pd
import pytest
from results_tree import TreeOptions, write_tree

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import MetricsError
from deeprac.evaluation.metrics.table import METRIC_COLUMNS
from deeprac.evaluation.summarise import RUN_COLUMNS, collect_cases, collect_runs
from deeprac.evaluation.tidy import read_tidy
from deeprac.files import write_csv
from deeprac.layout import Layout

EXPERIMENTS = ("coarse_nnunet", "coarse_stn")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    config = write_tree(folder, TreeOptions(experiments=EXPERIMENTS))
    for experiment in EXPERIMENTS:
        for fold in ("0", "1"):
            run = ["--experiment", experiment, "--fold", fold]
            assert main(["evaluate", "--config", str(config), *run]) == 0
    return folder


@pytest.fixture
def tree(evaluated, tmp_path):
    shutil.copytree(evaluated, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "config.json").read_text())
    content["results"] = str(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(content))
    config = load_config([tmp_path / "config.json"])
    return config, Layout.of(config)


def _metrics_path(layout):
    return layout.run("coarse_stn", 0, 1) / "metrics.csv"


def _edit_metrics(layout, change):
    path = _metrics_path(layout)
    write_csv(path, change(read_tidy(path, METRIC_COLUMNS, remedy="-")))


def _edit_run(layout, change):
    path = layout.run("coarse_stn", 0, 1) / "run.json"
    run = json.loads(path.read_text())
    change(run)
    path.write_text(json.dumps(run))


def test_all_rows_of_all_runs(tree):
    config, layout = tree
    cases, runs = collect_cases(config, layout), collect_runs(config, layout)
    assert tuple(cases.columns) == METRIC_COLUMNS
    assert tuple(runs.columns) == RUN_COLUMNS
    assert len(cases) == 2 * 4 * 3  # experiments x cases x labels
    assert list(runs.experiment) == ["coarse_nnunet"] * 2 + ["coarse_stn"] * 2
    assert list(runs.fold) == [0, 1, 0, 1]
    assert list(runs.training_seconds[:2]) == [100, 110]
    assert list(runs.segments) == [1] * 4
    assert list(runs.device.unique()) == ["cpu"]


def test_verb_writes_both_tables(tree, tmp_path):
    _, layout = tree
    assert main(["summarise", "--config", str(tmp_path / "config.json")]) == 0
    assert len(pd.read_csv(layout.summary_cases)) == 24
    assert len(pd.read_csv(layout.summary_runs)) == 4


def test_missing_metrics(tree):
    config, layout = tree
    _metrics_path(layout).unlink()
    with pytest.raises(
        MetricsError, match=r"fold_1/metrics\.csv\. Run `deeprac evaluate.*coarse_stn"
    ):
        collect_cases(config, layout)


def test_lost_case_is_named(tree):
    config, layout = tree
    _edit_metrics(layout, lambda table: table[table.case != "case003"])
    with pytest.raises(MetricsError, match="missing: case003; run `deeprac predict`"):
        collect_cases(config, layout)


def test_row_listed_twice(tree):
    config, layout = tree
    _edit_metrics(layout, lambda table: pd.concat([table, table.iloc[:1]]))
    with pytest.raises(MetricsError, match="lists the kidney of case case001 twice"):
        collect_cases(config, layout)


def test_label_missing(tree):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.iloc[1:])
    with pytest.raises(
        MetricsError, match=r"for each of kidney, .*; case case001 has tumour, kid"
    ):
        collect_cases(config, layout)


def test_metrics_of_another_run(tree):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.assign(experiment="fine_stn"))
    with pytest.raises(MetricsError, match=r"experiment 'coarse_stn' .* 'fine_stn'"):
        collect_cases(config, layout)


def test_dice_out_of_range(tree):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.assign(dice=93.1))
    with pytest.raises(MetricsError, match=r"dice lies in 0\.\.1; .* has 93\.1"):
        collect_cases(config, layout)


def test_dice_lost_although_the_label_is_there(tree):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.assign(dice=float("nan")))
    with pytest.raises(MetricsError, match=r"Dice is empty exactly when .*kidney of"):
        collect_cases(config, layout)


def test_reference_changed_between_runs(tree):
    config, layout = tree
    _edit_metrics(
        layout,
        lambda table: table.assign(reference_volume_ml=table.reference_volume_ml + 1),
    )
    with pytest.raises(
        MetricsError, match=r"reference_volume_ml of case case001 \(kidney\) differs"
    ):
        collect_cases(config, layout)


def test_folds_changed_after_prediction(tree):
    config, layout = tree
    splits = json.loads(layout.splits.read_text())
    splits[1]["val"].remove("case003")
    layout.splits.write_text(json.dumps(splits))
    with pytest.raises(MetricsError, match="not held out: case003"):
        collect_cases(config, layout)


def test_missing_run_record(tree):
    config, layout = tree
    (layout.run("coarse_stn", 0, 1) / "run.json").unlink()
    with pytest.raises(MetricsError, match=r"own record is missing.*deeprac train"):
        collect_runs(config, layout)


def test_run_of_a_foreign_schema(tree):
    config, layout = tree
    _edit_run(layout, lambda run: run.update(schema=99))
    with pytest.raises(MetricsError, match="schema 99; this version reads 1"):
        collect_runs(config, layout)


def test_run_without_cost(tree):
    config, layout = tree
    _edit_run(layout, lambda run: run["cost"].pop("step_flops"))
    with pytest.raises(MetricsError, match="lacks the entry 'step_flops'"):
        collect_runs(config, layout)


def test_folds_trained_with_different_budgets(tree):
    config, layout = tree
    _edit_run(layout, lambda run: run["settings"].update(epochs=7))
    with pytest.raises(MetricsError, match="coarse_stn differ in epochs: 3, 7"):
        collect_runs(config, layout)
