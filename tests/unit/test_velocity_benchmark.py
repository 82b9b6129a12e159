"""Measurements of random velocity fields: their page, what training relies on."""

import runpy
from pathlib import Path

import pandas as pd
import pytest

from deeprac.schema import defaults, load_schema
from support.toy_cohort import small_networks

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def benchmark():
    return runpy.run_path(str(ROOT / "benchmarks/velocity.py"))


@pytest.fixture(scope="module")
def stored(benchmark):
    return pd.read_csv(benchmark["DATA"])


def test_the_table_of_the_page_is_made_from_the_measurements(benchmark):
    text = benchmark["PAGE"].read_text()
    assert text == benchmark["with_tables"](text), (
        "call PYTHONPATH=src python benchmarks/velocity.py"
    )


def test_fields_as_in_training_move_far_never_fold_and_have_an_inverse(stored):
    key = defaults(load_schema()["$defs"]["method"])["augment_svf"]
    chosen = (stored.displacement == key["displacement"]) & (
        stored.smoothness == key["smoothness"]
    )
    rows = stored[chosen & (stored.side_px >= 64)]
    assert list(rows.side_px) == [64, 128]
    assert (rows.fields == 1000).all()
    assert (rows.median_displacement >= 0.04).all()
    assert (rows.folded == 0).all()
    assert (rows.inverse_error_worst_px <= 0.1).all()


def test_a_row_comes_out_again(benchmark, stored):
    before = stored.iloc[5].to_dict()
    with small_networks():
        found = benchmark["row"](64, before["displacement"], before["smoothness"])
    assert found == pytest.approx({key: before[key] for key in found}, rel=1e-2)
