from pathlib import Path

import pandas as pd
import pytest
import yaml

from deeprac import files
from deeprac.cli import main
from deeprac.cohort.splits import check_splits
from deeprac.records.cases import read_cases

SHIPPED = Path(__file__).parents[2] / "config" / "config.yaml"


@pytest.fixture
def config(tmp_path) -> list[str]:
    """Arguments of the shipped configuration with a cohort of six small phantoms."""
    changes = {
        "results": str(tmp_path / "results"),
        "cohort": {
            "name": "six",
            "phantom": {"cases": 6, "matrix": 48, "slice_spacing_mm": [14, 16]},
        },
        "splits": {"folds": 3},
    }
    path = tmp_path / "six.yaml"
    path.write_text(yaml.safe_dump(changes))
    return ["--config", str(SHIPPED), "--config", str(path)]


def test_cohort_then_splits(config, tmp_path, monkeypatch):
    monkeypatch.chdir(SHIPPED.parents[1])
    root = tmp_path / "results" / "six"
    assert main(["cohort", *config]) == 0
    assert len(pd.read_csv(root / "cohort" / "cases.csv")) == 6
    assert main(["splits", *config]) == 0
    splits = files.read_json(root / "splits_final.json")
    assert [len(split["val"]) for split in splits] == [2, 2, 2]
    check_splits(splits, read_cases(root / "cohort" / "cases.csv"))


def test_splits_before_cohort(config, monkeypatch, capsys):
    monkeypatch.chdir(SHIPPED.parents[1])
    assert main(["splits", *config]) == 1
    assert "Run `deeprac cohort`." in capsys.readouterr().err
