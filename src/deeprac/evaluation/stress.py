"""Collect and check the runs under stress."""

from itertools import product

import pandas as pd

from deeprac.config import Config
from deeprac.errors import ConfigError, MetricsError
from deeprac.evaluation.checks import check_shares
from deeprac.labels import FOREGROUND
from deeprac.layout import Layout
from deeprac.records.splits import read_splits
from deeprac.records.stress import conditions, read_stress, stressed_runs
from deeprac.records.tidy import shortened


def collect_stress(config: Config, layout: Layout) -> pd.DataFrame:
    """Read and check the stress.csv of all runs that are put under stress.

    Returns:
        One row per run, case, condition and label, columns ``STRESS_COLUMNS``.

    Raises:
        ConfigError: No experiment is put under stress.
        MetricsError: A run, case, condition or label is missing, double or foreign.
    """
    if not config.stress.experiments:
        raise ConfigError(
            "stress.experiments is empty: there is nothing to collect. Name the "
            "experiments that are to be put under stress."
        )
    splits = read_splits(layout.splits)
    tables = []
    for key in stressed_runs(config):
        path = key.folder(layout) / "stress.csv"
        remedy = key.again("stress")
        table = read_stress(path, remedy=remedy)
        key.check_table(table, path, remedy=remedy)
        check_shares(table, ("dice", "visible"), path, remedy=remedy)
        _check_complete(table, config, splits[key.fold]["val"], f"{path}. {remedy}")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _check_complete(
    table: pd.DataFrame, config: Config, held_out: list[str], where: str
) -> None:
    """Each held-out case has one row for each condition and label, and no other."""
    expected = {
        (case, label.title, condition.kind.value, round(condition.value, 9))
        for case, label, condition in product(
            held_out, FOREGROUND, conditions(config.stress)
        )
    }
    rows = zip(table.case, table.label, table.kind, table.value.round(9), strict=True)
    found = list(rows)
    for title, wrong in (
        ("missing", expected.difference(found)),
        ("not asked for", set(found) - expected),
        ("double", {row for row in found if found.count(row) > 1}),
    ):
        if wrong:
            names = [f"{c} {label} {kind} {v:g}" for c, label, kind, v in sorted(wrong)]
            raise MetricsError(
                "Each held-out case needs one row for each condition and label; "
                f"{title}: {shortened(names)} in {where}"
            )
