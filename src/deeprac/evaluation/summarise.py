"""Collect the metrics and costs of all runs into two tidy tables.

Every comparison later rests on these two tables, so whatever would make one unfair ends
here: a missing run or row, a case that one experiment saw and another did not, runs of
one experiment with different settings.
"""

import pandas as pd

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.evaluation.checks import (
    check_comparable,
    check_held_out,
    check_rows,
)
from deeprac.layout import Layout
from deeprac.records.metrics import METRIC_COLUMNS, read_metrics
from deeprac.records.run_key import selected_runs
from deeprac.records.runs import RUN_COLUMNS, SETTINGS, read_run, run_row
from deeprac.records.splits import read_splits
from deeprac.records.tidy import shortened


def collect_cases(config: Config, layout: Layout) -> pd.DataFrame:
    """Read and check the metrics of all selected runs.

    Returns:
        One row per experiment, seed, case and label, columns ``METRIC_COLUMNS``.

    Raises:
        MetricsError: A run, row or case is missing, double or inconsistent.
    """
    splits = read_splits(layout.splits)
    tables = []
    for key in selected_runs(config):
        path = key.folder(layout) / "metrics.csv"
        remedy = key.again("evaluate")
        table = read_metrics(path, remedy=remedy)
        key.check_table(table, path, remedy=remedy)
        check_rows(table, path, remedy=remedy)
        check_held_out(table, splits[key.fold]["val"], path)
        tables.append(table[list(METRIC_COLUMNS)])
    cases = pd.concat(tables, ignore_index=True)
    check_comparable(cases)
    return cases


def collect_runs(config: Config, layout: Layout) -> pd.DataFrame:
    """Read and check run.json of all selected runs.

    Returns:
        One row per run, columns ``RUN_COLUMNS``.

    Raises:
        MetricsError: A run.json is missing, foreign or does not fit its experiment.
    """
    rows = []
    for key in selected_runs(config):
        path = key.folder(layout) / "run.json"
        rows.append(run_row(read_run(path, key), path))
    runs = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    for experiment, table in runs.groupby("experiment", sort=False):
        for column in ("method", "matrix", *SETTINGS):
            values = [str(value) for value in table[column].unique()]
            if len(values) > 1:
                raise MetricsError(
                    f"All runs of one experiment share their settings; those of "
                    f"{experiment} differ in {column}: {shortened(values)}. "
                    "Remove the run folders of the older settings and train them again."
                )
    return runs
