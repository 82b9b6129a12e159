import json
import shutil

import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import MetricsError
from deeprac.evaluation.metrics.conventions import with_convention
from deeprac.evaluation.summarise import collect_cases, collect_runs
from deeprac.files import write_csv
from deeprac.layout import Layout
from deeprac.records.catalogue import METRICS
from deeprac.records.metrics import METRIC_COLUMNS, read_metrics
from deeprac.records.runs import RUN_COLUMNS
from deeprac.records.tidy import read_tidy
from deeprac.reporting.aggregate import experiment_rows
from deeprac.reporting.summary import read_summary
from support.results_tree import TreeOptions, write_tree

NAN = float("nan")
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


def test_seconds_of_inference_are_medians_over_the_cases(tree):
    config, layout = tree
    path = layout.run("coarse_stn", 0, 1) / "inference.csv"
    path.write_text("case,slices,seconds,gpu_peak_gib\na,3,4,\nb,3,9,\nc,3,5,\n")
    (layout.run("coarse_stn", 0, 0) / "inference.csv").unlink()
    runs = collect_runs(config, layout)
    # Two cases a fold: 1 and 2 s in the first, 2 and 3 s in the second.
    assert runs.predict_seconds.fillna(0).tolist() == [1.5, 2.5, 0, 5]
    assert runs.predict_gpu_gib.isna().all()


def test_runs_at_the_same_time_share_their_machine(tree):
    config, layout = tree
    assert not collect_runs(config, layout).shared_machine.any()
    other = json.loads((layout.run("coarse_nnunet", 0, 1) / "run.json").read_text())
    _edit_run(layout, lambda run: run.update(segments=other["segments"]))
    runs = collect_runs(config, layout)
    assert runs.shared_machine.tolist() == [False, True, False, True]
    _edit_run(layout, lambda run: run["host"].update(processor="another CPU"))
    assert not collect_runs(config, layout).shared_machine.any()


def test_saved_bytes_of_older_runs_were_counted_in_float32(tree):
    config, layout = tree
    assert set(collect_runs(config, layout).step_precision) == {"float32"}
    _edit_run(layout, lambda run: run["cost"].update(step_precision="mixed"))
    assert collect_runs(config, layout).step_precision.iloc[-1] == "mixed"


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
    with pytest.raises(MetricsError, match=r"dice is empty exactly when .*kidney of"):
        collect_cases(config, layout)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nsd_2mm": NAN}, "nsd_2mm is empty exactly when .* kidney .* it is empty"),
        (
            {"nsd_kits": 0.9},
            "nsd_kits is empty .* no KiTS class.*kidney of .* it is 0.9",
        ),
        ({"volume_ml": NAN}, "volume_ml is a number of at least 0; .* it is empty"),
        ({"volume_ml": 0.0}, "volume_error_ml follows from volume_ml"),
        ({"volume_error_ml": 1.0}, "volume_error_ml follows .* it is 1"),
        ({"volume_error_percent": NAN}, "volume_error_percent follows"),
        ({"absolute_volume_error_ml": -1.0}, "absolute_volume_error_ml follows"),
        ({"precision": -0.1}, r"precision lies in 0\.\.1; .* has -0.1"),
        ({"hd95_mm": NAN}, "hd95_mm is empty exactly when"),
        ({"assd_mm": -1.0}, "assd_mm is at least 0; .* it is -1"),
        ({"hd95_mm": float("inf")}, "hd95_mm is at least 0; .* it is inf"),
        ({"coverage": NAN}, "coverage is empty exactly when the reference is"),
        ({"nsd_1mm": 1.0, "nsd_2mm": 0.5}, "nsd_1mm is at most nsd_2mm"),
    ],
)
def test_numbers_that_do_not_fit_each_other(tree, changes, message):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.assign(**changes))
    with pytest.raises(MetricsError, match=message):
        collect_cases(config, layout)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detected_lesions": 99}, "detected_lesions is at most reference_lesions"),
        ({"false_lesions": 99}, "false_lesions is at most predicted_lesions"),
        ({"false_lesions": 0.5}, "false_lesions is a count; for the tumour .* is 0.5"),
        ({"reference_lesions": NAN}, "reference_lesions is empty exactly for labels"),
    ],
)
def test_lesions_that_cannot_be(tree, changes, message):
    config, layout = tree

    def change(table):
        table = table.copy()
        table.loc[table.label == "tumour", list(changes)] = list(changes.values())
        return table

    _edit_metrics(layout, change)
    with pytest.raises(MetricsError, match=message):
        collect_cases(config, layout)


def test_kits_convention_is_no_table_of_ours(tree):
    """Files follow nnU-Net's convention: 1 for two empty masks is refused."""
    config, layout = tree
    _edit_metrics(layout, lambda table: with_convention(_without(table), "kits23"))
    with pytest.raises(MetricsError, match="dice is empty exactly when prediction and"):
        collect_cases(config, layout)


def _without(table):
    """The table as if reference and prediction had no tumour."""
    table = table.copy()
    mine = table.label == "tumour"
    table.loc[mine, [name for name in METRICS if "volume" not in name]] = NAN
    table.loc[mine, [name for name in METRICS if "lesions" in name]] = 0
    table.loc[mine, [name for name in METRICS if name.endswith("_ml")]] = 0.0
    table.loc[mine, [name for name in METRICS if name.endswith("error_percent")]] = NAN
    return table


def test_label_absent_in_the_whole_cohort(tree):
    """No error: the tables say n = 0."""
    config, layout = tree
    for run in layout.splits.parent.glob("coarse_*/seed0/fold_*/metrics.csv"):
        write_csv(run, _without(read_metrics(run, remedy="-")))
    cases, runs = collect_cases(config, layout), collect_runs(config, layout)
    assert cases[cases.label == "tumour"].dice.isna().all()
    rows = experiment_rows(config, cases, runs)
    assert rows.tumour_n.tolist() == [0, 0]
    assert rows.tumour_dice_mean.isna().all()
    assert rows.kidney_n.tolist() == [4, 4]


@pytest.mark.parametrize("schema", [1, 4])
def test_foreign_schema(tree, schema):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.assign(schema=schema))
    with pytest.raises(
        MetricsError,
        match=f"metrics of schema {schema}; this version reads 2 and 3. Run",
    ):
        collect_cases(config, layout)


def test_metrics_of_two_schemas_do_not_compare(tree):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.assign(schema=2))
    with pytest.raises(MetricsError, match=r"of schema 2, of others of 3\. Run"):
        collect_cases(config, layout)


def test_table_of_the_first_version(tree):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.drop(columns=["schema", "nsd_1mm"]))
    with pytest.raises(
        MetricsError, match="metrics of schema 1; this version reads 2 and 3"
    ):
        collect_cases(config, layout)


@pytest.mark.parametrize("name", ["<script>", "../x", "a/b", ".hidden", "", "a\nb"])
@pytest.mark.parametrize("column", ["case", "patient"])
def test_names_that_are_no_plain_file_names(tree, column, name):
    config, layout = tree
    _edit_metrics(layout, lambda table: table.assign(**{column: name}))
    with pytest.raises(MetricsError, match=f"has the {column} '.*Rename it") as error:
        collect_cases(config, layout)
    assert repr(name) in str(error.value)


def test_summary_in_which_a_method_has_one_fold_only(tree):
    config, layout = tree
    _write_summary(
        config, layout, lambda c: (c.experiment == "coarse_stn") & (c.fold > 0)
    )
    with pytest.raises(
        MetricsError, match=r"summary/cases\.csv does not hold the runs .* missing: "
        r"coarse_stn \(seed 0, fold 1\); Run `deeprac summarise`"
    ):  # fmt: skip
        read_summary(config, layout)


def test_summary_without_a_case(tree):
    config, layout = tree
    _write_summary(
        config, layout, lambda c: (c.experiment == "coarse_stn") & (c.case == "case002")
    )
    with pytest.raises(MetricsError, match=r"same cases; .*only in .*: case002"):
        read_summary(config, layout)


def test_summary_with_a_case_twice(tree):
    config, layout = tree
    _write_summary(config, layout, lambda c: c.case == "none")
    table = read_metrics(layout.summary_cases, remedy="-")
    write_csv(layout.summary_cases, pd.concat([table, table.iloc[-1:]]))
    with pytest.raises(MetricsError, match=r"lists the kidney_and_tumour of .* twice"):
        read_summary(config, layout)


def test_whole_summary_is_read(tree):
    config, layout = tree
    _write_summary(config, layout, lambda c: c.case == "none")
    assert len(read_summary(config, layout).cases) == 24


def _write_summary(config, layout, left_out):
    cases = collect_cases(config, layout)
    write_csv(layout.summary_cases, cases[~left_out(cases)])
    write_csv(layout.summary_runs, collect_runs(config, layout))


def test_reference_changed_between_runs(tree):
    config, layout = tree
    _edit_metrics(
        layout,
        lambda table: table.assign(
            reference_volume_ml=table.reference_volume_ml + 1,
            volume_ml=table.volume_ml + 1,
            **{
                f"{kind}volume_error_percent": 100
                * table[f"{kind}volume_error_ml"]
                / (table.reference_volume_ml + 1)
                for kind in ("", "absolute_")
            },
        ),
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
