"""The table of trainings that learned, from records made by hand."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from deeprac.reporting.render import markdown
from deeprac.reporting.tables.gates import gates_rows, gates_table
from support.summary_builder import make_config, make_summary

EXPERIMENTS = {"plain": "nnunet", "learned": "stn", "older": "moments"}
TUMOUR = {("plain", 0): 0.01, ("plain", 1): 0.8}


@pytest.fixture
def summary(tmp_path):
    """Plain nnU-Net misses the tumour with seed 0; of the oldest nothing is known."""
    config = make_config(EXPERIMENTS)
    made = make_summary(config, {name: [0.5] * 4 for name in EXPERIMENTS}, seeds=(0, 1))
    made = replace(made, layout=type(made.layout)(tmp_path))
    for run in made.runs.itertuples():
        if run.experiment == "older":
            continue
        folder = made.layout.run(run.experiment, run.seed, run.fold)
        folder.mkdir(parents=True)
        tumour = TUMOUR.get((run.experiment, run.seed))
        record = {"training_dice": {"kidney": 0.9, "tumour": tumour}}
        (folder / "run.json").write_text(json.dumps(record))
    return made


def test_one_row_per_experiment(summary):
    rows = gates_rows(summary).set_index("experiment")
    columns = ["n_runs", "n_learned", "n_not_learned", "n_not_recorded"]
    assert rows[columns].to_numpy().tolist() == [
        [4, 2, 2, 0],
        [4, 4, 0, 0],
        [4, 0, 0, 4],
    ]
    assert rows.failed["plain"] == "seed 0, fold 0: tumour; seed 0, fold 1: tumour"
    assert rows.tumour_lowest["plain"] == pytest.approx(0.01)
    assert rows.kidney_lowest["learned"] == pytest.approx(0.9)
    assert pd.isna(rows.tumour_lowest["learned"])  # no slice shows one: not judged
    assert rows.source.tolist() == ["training slices", "training slices", ""]


def test_failed_trainings_are_listed(summary):
    text = markdown(gates_table(summary))
    assert "### Trainings that did not learn" in text
    assert text.count("tumour Dice 1.0 % on training slices") == 2
    assert "at least 30 % (statistics.learned_floor)" in text


def test_where_all_learned_there_is_no_such_list(summary):
    settings = replace(summary.config.statistics, learned_floor=0.0)
    config = replace(summary.config, statistics=settings)
    text = markdown(gates_table(replace(summary, config=config)))
    assert "did not learn\n" not in text
