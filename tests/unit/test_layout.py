from pathlib import Path

import pytest

from deeprac.config import load_config
from deeprac.layout import Layout

ROOT = Path(__file__).parents[2]


@pytest.fixture
def layout():
    return Layout(Path("out/c"))


def test_root_is_results_and_cohort(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = load_config([ROOT / "config/demo.yaml"])
    assert Layout.of(config).root == Path("results/demo")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("config", "config.json"),
        ("cases_csv", "cohort/cases.csv"),
        ("images", "cohort/imagesTr"),
        ("labels", "cohort/labelsTr"),
        ("dataset_json", "cohort/dataset.json"),
        ("splits", "splits_final.json"),
        ("case_poses", "case_poses.csv"),
        ("fingerprint", "preprocessed/dataset_fingerprint.json"),
        ("summary_cases", "summary/cases.csv"),
        ("summary_runs", "summary/runs.csv"),
        ("summary_cohort", "summary/cohort.csv"),
        ("report", "report.html"),
        ("tables", "tables"),
        ("figures", "figures"),
    ],
)
def test_files_of_the_cohort(layout, name, path):
    assert getattr(layout, name) == Path("out/c") / path


def test_files_of_a_run(layout):
    assert layout.matrix("fine") == Path("out/c/preprocessed/fine")
    assert layout.model("e", 3) == Path("out/c/e/seed3")
    assert layout.run("e", 3, 1) == Path("out/c/e/seed3/fold_1")
    assert layout.checkpoints("e", 3, 1) == Path("out/c/.checkpoints/e/seed3/fold_1")
