"""Test cases from the phantoms to the tables: in no fold, predicted by every run."""

import json

import pandas as pd
import pytest

from deeprac.evaluation.statistics.patients import patient_means
from support.checkout import planned_jobs, snakemake, working_folder

pytestmark = pytest.mark.long
TEST = [f"phantom_test_00{index}" for index in range(3)]
RUN = "coarse_stn/seed0/fold_0"
CHANGES = {
    "cohort": {"phantom": {"test_cases": 3}},
    "run": {"experiments": ["coarse_stn"]},
    "stress": {"experiments": ["coarse_stn"], "cases": 2},
}
CONFIG = ("--configfile", "config/smoke.yaml", "config/test_cases.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = working_folder(tmp_path_factory.mktemp("test_cases"))
    (folder / "config/test_cases.json").write_text(json.dumps(CHANGES))
    result = snakemake(folder, "--cores", "2", *CONFIG)
    assert result.returncode == 0, result.stdout[-5000:]
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return folder / "results/smoke"


def test_they_are_cases_of_the_cohort_and_of_no_fold(results):
    cases = pd.read_csv(results / "cohort/cases.csv").set_index("case")
    assert sorted(cases.index[cases.split == "test"]) == TEST
    assert (cases.split == "cv").sum() == 6
    for split in json.loads((results / "splits_final.json").read_text()):
        assert split["test"] == TEST
        assert len(split["train"]) == len(split["val"]) == 3
        assert not set(TEST) & {*split["train"], *split["val"]}


def test_nothing_that_trains_knows_of_them(results):
    fingerprint = json.loads(
        (results / "preprocessed/dataset_fingerprint.json").read_text()
    )
    assert len(fingerprint["spacings"]) == 6
    for name in ("slices", "cases.json"):
        path = results / "preprocessed/coarse" / name
        text = path.read_text() if path.is_file() else str(list(path.iterdir()))
        assert "phantom_000" in text
        assert "phantom_test" not in text
    identity = (results / ".checkpoints" / RUN / "identity.json").read_text()
    assert "test" not in json.loads(identity)["split"]
    assert "phantom_test" not in identity
    model = results / RUN.rpartition("/")[0]
    assert json.loads((model / "dataset.json").read_text())["numTraining"] == 6


def test_a_run_predicts_them_beside_its_held_out_ones(results):
    splits = json.loads((results / "splits_final.json").read_text())
    expected = {*splits[0]["val"], *TEST}
    predicted = {p.name for p in (results / RUN / "predictions").glob("*.nii.gz")}
    assert predicted == {f"{case}.nii.gz" for case in expected}
    for table in ("metrics", "diagnostics"):
        rows = pd.read_csv(results / RUN / f"{table}.csv")
        assert set(rows.case) == expected
        assert set(rows.case[rows.split == "test"]) == set(TEST)


def test_tables_are_of_them_alone_and_the_others_stay_recorded(results):
    cases = pd.read_csv(results / "summary/cases.csv")
    # Three held-out cases and three of the test; three labels.
    assert cases.groupby("split").size().to_dict() == {"cv": 3 * 3, "test": 3 * 3}
    table = pd.read_csv(results / "tables/all.csv")
    assert table.n_patients.tolist() == [3]
    tumour = cases[(cases.split == "test") & (cases.label == "tumour")]
    of_patient = patient_means(tumour, "dice").dice
    assert table.tumour_dice_mean[0] == pytest.approx(of_patient.mean(), abs=1e-12)
    for path in (results / "tables").glob("*.md"):
        assert "Judged by 3 test cases" in path.read_text()


def test_stress_is_of_the_first_of_them(results):
    table = pd.read_csv(results / "summary/stress.csv")
    assert sorted(table.case.unique()) == TEST[:2]
    assert set(table.split) == {"test"}


def test_a_page_shows_each_of_them_once(results):
    text = (results / "report.html").read_text(encoding="utf-8")
    assert "n = 3 of 3 scored cases are embedded" in text


def test_nothing_is_left_to_do(folder):
    assert planned_jobs(folder, *CONFIG) == {}
