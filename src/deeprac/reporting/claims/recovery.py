"""Recovery of the transform: size, pose and position of held-out patients."""

import pandas as pd

from deeprac.evaluation.statistics.estimates import median_interval
from deeprac.evaluation.statistics.patients import complete, seed_table
from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.records.diagnostics import ANGLE_ERRORS, having_values
from deeprac.reporting.claims.arms import Pair
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.verdict import Measured, lacking
from deeprac.settings.claims import Claim

COLUMNS = {
    "scale_error": (("scale_error",), 100.0),
    "angle_error": (ANGLE_ERRORS, 1.0),
    "centre_error": (("centre_error",), 100.0),
}
"""Columns of diagnostics.csv, and what makes them the quantity's unit."""


def recovery(evidence: Evidence, claim: Claim, pair: Pair, _: str) -> Measured:
    """Size of an error: its median over patients, or its mean minus the reference's.

    Of rotations in space, about the axis where the number is largest. The interval of a
    median is over patients, for the trainings at hand; that of a difference over
    patients and seeds.
    """
    names = pair.sides
    if why := missing_rows(evidence.diagnostics, "diagnostics", names):
        return lacking(why)
    assert evidence.diagnostics is not None
    columns, factor = COLUMNS[claim.quantity or ""]
    rows = evidence.diagnostics[evidence.diagnostics.experiment.isin(names)]
    known = having_values(rows, columns) or columns[:1]
    found = [
        _error(rows.assign(size=factor * rows[name].abs()), names) for name in known
    ]
    return max(found, key=lambda one: one.estimate.value)


def _error(rows: pd.DataFrame, names: list[str]) -> Measured:
    """Median or difference of the column size; ``names``: arm, perhaps reference."""
    tables = [seed_table(rows[rows.experiment == name], "size") for name in names]
    if len(tables) == 2:
        table = complete((tables[0] - tables[1]).dropna(axis=1, how="all"))
        if table.empty:
            return lacking("no patient has a truth in both with the same seed")
        return Measured(two_way_interval(table), tuple(table.mean()))
    (table,) = tables
    if table.isna().all(axis=None):
        return lacking("no patient has a true transform")
    estimate = median_interval(table.mean(axis=1))
    return Measured(estimate, tuple(table.median()), note="interval over patients")


def missing_rows(table: pd.DataFrame | None, name: str, experiments: list[str]) -> str:
    """Say what a summary lacks of some experiments; empty where it lacks nothing.

    Args:
        table: The summary; None without the file.
        name: Of its file.
        experiments: Whose rows are wanted.
    """
    if table is None:
        return f"summary/{name}.csv is missing"
    for experiment in experiments:
        if experiment not in set(table.experiment):
            return f"summary/{name}.csv has no row of {experiment}"
    return ""
