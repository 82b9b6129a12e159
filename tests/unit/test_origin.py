"""Verb provenance: what is behind a cell."""

import hashlib
import json

import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.layout import Layout
from support.results_tree import TreeOptions, write_tree

CELLS = {
    "experiment": ["coarse_stn", "coarse_nnunet"],
    "reference": ["coarse_nnunet", ""],
    "kidney_dice_mean": ["0.91", ""],
}


@pytest.fixture
def tree(tmp_path):
    """A tree with one table of two rows."""
    options = TreeOptions(experiments=("coarse_nnunet", "coarse_stn"))
    config = write_tree(tmp_path, options)
    layout = Layout.of(load_config([config]))
    layout.tables.mkdir()
    pd.DataFrame(CELLS).to_csv(layout.tables / "all.csv", index=False)
    return config, layout


def provenance(config, row, column="kidney_dice_mean", *more, table="all"):
    cell = ("--table", table, "--row", row, "--column", column)
    return main(["provenance", str(config), *cell, *more])


@pytest.mark.parametrize("row", ["coarse_stn", "1"])
def test_both_experiments_of_a_comparison_are_behind_it(tree, capsys, row):
    config, layout = tree
    assert provenance(config, row, "kidney_dice_mean", "--json") == 0
    origin = json.loads(capsys.readouterr().out)
    assert (origin["row"], origin["value"]) == (1, "0.91")
    named = {run["run"].split(",")[0] for run in origin["runs"]}
    assert named == {"coarse_stn", "coarse_nnunet"}
    for run in origin["runs"]:
        experiment, seed, fold = (part.split()[-1] for part in run["run"].split(","))
        record = layout.run(experiment, int(seed), int(fold)) / "run.json"
        digest = hashlib.sha256(record.read_bytes()).hexdigest()
        assert run["files"][0] == {"path": str(record), "sha256": digest}
        content = json.loads(record.read_text())
        assert run["settings_sha256"] == content["config_sha256"]


def test_as_text_with_what_is_not_there(tree, capsys):
    config, layout = tree
    assert provenance(config, "coarse_nnunet") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kidney_dice_mean, row 2: (empty)"
    assert f"  {layout.summary_cases}: not there" in lines
    assert not any("coarse_stn, seed" in line for line in lines)


@pytest.mark.parametrize(
    ("row", "column", "table", "words"),
    [
        ("3", "kidney_dice_mean", "all", "a number from 1 to 2"),
        ("fine_stn", "kidney_dice_mean", "all", "fine_stn is no row"),
        ("1", "kidney_nsd_mean", "all", "has no column kidney_nsd_mean. It has exper"),
        ("1", "kidney_dice_mean", "table9", "tables there: all. Name one of these"),
    ],
)
def test_cells_that_do_not_exist(tree, capsys, row, column, table, words):
    config, _ = tree
    assert provenance(config, row, column, table=table) == 1
    assert words in capsys.readouterr().err
