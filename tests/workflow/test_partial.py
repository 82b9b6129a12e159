"""One run of a finished workflow is lost: refused by default, marked where allowed."""

import re
import shutil

import pandas as pd
import pytest

from support.checkout import planned_jobs, snakemake

SMOKE = ("--configfile", "config/smoke.yaml")
PARTIAL = (*SMOKE, "--config", "report={allow_missing: true}")
LOST = "coarse_stn/seed0/fold_0"
CAUSE = "the GPU's memory is too small"
STATE = f"failed: {CAUSE}"
MARK = "1 of 8 runs is missing"


@pytest.fixture(scope="module")
def lost(smoke_run, tmp_path_factory):
    """Working folder of one failed run, as if tables were never made of it."""
    folder = tmp_path_factory.mktemp("partial")
    shutil.copytree(smoke_run, folder, dirs_exist_ok=True)
    results = folder / "results/smoke"
    for part in (LOST, f".checkpoints/{LOST}", "summary", "tables", "figures"):
        shutil.rmtree(results / part)
    (results / "report.html").unlink()
    log = results / f"logs/train/{LOST}.log"
    log.write_text(f"deeprac train: error: {CAUSE}\n")
    return folder


def trains_the_lost_run(folder):
    jobs = planned_jobs(folder, *SMOKE)
    return jobs["train_fold"] == jobs["predict"] == jobs["tables"] == 1


def test_by_default_a_missing_run_is_trained(lost):
    assert trains_the_lost_run(lost)


def test_partial_results_are_made_of_what_is_there_and_marked(lost):
    result = snakemake(lost, "--cores", "2", *PARTIAL)
    assert result.returncode == 0, result.stdout[-5000:]
    assert MARK in result.stdout
    assert not re.search(r"^(local)?rule (train_fold|predict):", result.stdout, re.M)
    results = lost / "results/smoke"
    missing = pd.read_csv(results / "summary/missing.csv")
    assert missing.state.tolist() == [STATE]
    table = pd.read_csv(results / "tables/all.csv")
    assert table.n_patients.tolist() == [3] * 7 + [0]
    assert table.state.iloc[-1] == STATE
    for path in (results / "tables").glob("*.md"):
        assert MARK in path.read_text()
    for path in (results / "figures").glob("*.svg"):
        assert "Partial results" in path.read_text(), path.name
    page = (results / "report.html").read_text()
    assert page.count(MARK) > len(list((results / "figures").glob("*.svg")))
    assert planned_jobs(lost, *PARTIAL) == {}
    assert trains_the_lost_run(lost)
    # The curves under stress are of the one experiment that has them.
    stress = pd.read_csv(results / "summary/stress.csv")
    assert set(stress.experiment) == {"coarse_nnunet"}


def test_partial_results_train_nothing(lost):
    target = f"results/smoke/{LOST}/run.json"
    result = snakemake(lost, target, "--cores", "1", *PARTIAL)
    assert result.returncode == 1
    assert "trains none, but 1 would be trained" in result.stdout
