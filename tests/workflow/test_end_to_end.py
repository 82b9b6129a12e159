import json

import pandas as pd
import pytest

from deeprac.reporting.table_titles import TABLE_TITLES
from support.checkout import ROOT, planned_jobs, snakemake

pytestmark = pytest.mark.slow
SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.fixture
def results(smoke_run):
    return smoke_run / "results/smoke"


def test_a_second_run_has_nothing_to_do(smoke_run):
    assert planned_jobs(smoke_run, *SMOKE) == {}


def test_the_table_of_all_experiments_has_eight_measured_rows(results):
    table = pd.read_csv(results / "tables/all.csv")
    assert len(table) == 8
    for column in ("kidney_dice_mean", "tumour_dice_mean"):
        assert table[column].between(0, 1).all()
    assert (table["training_seconds"] > 0).all()
    assert (table["step_tflops"] > 0).all()
    cost = pd.read_csv(results / "tables/cost.csv")
    assert (cost["n_timed"] == 1).all()
    assert (cost["predict_seconds"] > 0).all()


def test_the_papers_tables_have_the_papers_rows(results):
    # Table 1: three rows at the coarse matrix and three at the fine one; table 2: the
    # two baselines at the fine matrix and the two crops.
    assert len(pd.read_csv(results / "tables/table1.csv")) == 6
    assert len(pd.read_csv(results / "tables/table2.csv")) == 4
    for table in TABLE_TITLES:
        for ending in ("csv", "md", "tex"):
            assert (results / f"tables/{table}.{ending}").stat().st_size > 0


def test_figures_exist_as_png_and_svg_with_their_data(results):
    names = {path.stem for path in (results / "figures").glob("*.png")}
    for ending in ("svg", "csv"):
        assert names == {p.stem for p in (results / "figures").glob(f"*.{ending}")}
    assert {"dice_by_method", "stn_slices", "overlays_coarse", "overlays_fine"} <= names
    assert "stress_curves" in names


def test_each_run_left_its_record_and_predictions(results):
    held_out = json.loads((results / "splits_final.json").read_text())[0]["val"]
    runs = sorted(results.glob("*/seed0/fold_0"))
    assert len(runs) == 8
    for run in runs:
        record = json.loads((run / "run.json").read_text())
        assert record["cost"]["training_seconds"] > 0
        assert record["device"]["type"] == "cpu"
        assert len(pd.read_csv(run / "training.csv")) == 2
        predicted = {p.name for p in (run / "predictions").glob("*.nii.gz")}
        assert predicted == {f"{case}.nii.gz" for case in held_out}


def test_stress_is_scored_on_all_held_out_cases(results):
    held_out = json.loads((results / "splits_final.json").read_text())[0]["val"]
    table = pd.read_csv(results / "summary/stress.csv", keep_default_na=False)
    assert set(table.case) == set(held_out)
    # Two experiments, upright and four changes, two labels.
    assert len(table) == 2 * len(held_out) * 5 * 2
    assert (table.visible[table.kind == "arms_down"] == 1).all()


def test_a_copy_of_the_final_checkpoint_is_kept(results):
    """One of its own: what damages one file must not damage the other."""
    kept = sorted((results / ".checkpoints").rglob("*.pth"))
    assert {path.name for path in kept} == {"checkpoint_final.pth"}
    assert all(path.stat().st_nlink == 1 for path in kept)


def test_columns_are_documented(results):
    documented = (ROOT / "config/README.md").read_text()
    tables = ("cohort/cases.csv", *(f"summary/{n}.csv" for n in ("cases", "runs")))
    tables += ("summary/cohort.csv", "summary/stress.csv")
    for table in tables:
        for column in pd.read_csv(results / table, nrows=0).columns:
            assert f"`{column}`" in documented, f"{table}: {column}"


def test_the_report_page_holds_all_held_out_cases_within_its_budget(results):
    held_out = json.loads((results / "splits_final.json").read_text())[0]["val"]
    page = results / "report.html"
    assert page.stat().st_size < 25e6
    text = page.read_text(encoding="utf-8")
    assert f"n = {len(held_out)} of {len(held_out)} scored cases are embedded" in text


def test_the_report_can_be_made(smoke_run):
    result = snakemake(smoke_run, *SMOKE, "--report", "report.zip")
    assert result.returncode == 0, result.stdout
    assert (smoke_run / "report.zip").stat().st_size > 100_000
