"""The simulation of coverage: its page, its cells, its shortcut for the bootstrap."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deeprac.evaluation.statistics.estimates import mean_intervals
from deeprac.evaluation.statistics.verdicts import MIN_PATIENTS, MIN_SEEDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def coverage():
    return runpy.run_path(str(ROOT / "benchmarks/coverage.py"))


@pytest.fixture(scope="module")
def stored(coverage):
    return pd.read_csv(coverage["DATA"])


def test_the_table_of_the_page_is_made_from_the_simulation(coverage):
    text = coverage["PAGE"].read_text()
    assert text == coverage["with_tables"](text), (
        "call PYTHONPATH=src python benchmarks/coverage.py"
    )


@pytest.mark.parametrize("cell", [("alike", 16, 2, 3), ("skewed", 6, 0, 5)])
def test_a_cell_comes_out_again(coverage, stored, cell):
    (row,) = stored[(stored[coverage["KEYS"]] == list(cell)).all(axis=1)].to_dict(
        "records"
    )
    found = coverage["rates"](*cell)
    assert found == pytest.approx({key: row[key] for key in found}, abs=1e-5)


def test_a_verdict_is_false_in_at_most_six_percent(stored):
    enough = (stored.seeds >= MIN_SEEDS) & (stored.patients >= MIN_PATIENTS)
    assert stored[enough].method_false.max() < 0.06
    assert stored[enough].method_coverage.min() > 0.935
    assert stored[(stored.seeds < MIN_SEEDS)].method_false.max() > 0.075
    fewer = (stored.seeds >= MIN_SEEDS) & (stored.patients < MIN_PATIENTS)
    assert stored[fewer].method_false.max() > 0.065


def test_the_samples_are_what_they_say(coverage):
    values = coverage["differences"]("skewed", 16, 5, 2.0, 4000)
    assert values.shape == (4000, 16, 5)
    assert values.mean() == pytest.approx(0, abs=0.05)
    # Patients 3, seeds 2 and the rest 3 points.
    assert values.std() == pytest.approx(np.sqrt(9 + 4 + 9), rel=0.02)
    patients = values.mean(-1)
    assert ((patients - patients.mean()) ** 3).mean() < 0


def test_the_shortcut_is_close_to_the_bootstrap(coverage):
    values = coverage["differences"]("skewed", 16, 3, 1.0, 30).mean(-1)
    low, high = coverage["accelerated_interval"](values)
    bootstrapped = mean_intervals(list(values))
    widths = np.array([one.high - one.low for one in bootstrapped])
    for ends, name in ((low, "low"), (high, "high")):
        expected = np.array([getattr(one, name) for one in bootstrapped])
        assert np.abs(ends - expected).max() < 0.04 * widths.mean()
