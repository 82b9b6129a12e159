"""Methods that were trained for several numbers of steps, and which have converged."""

from dataclasses import replace

import pandas as pd

from deeprac.config import Config
from deeprac.evaluation.gates import of_label
from deeprac.evaluation.statistics.budget import (
    CHANGE,
    COLUMNS,
    CONVERGED,
    NOT_CONVERGED,
    budget_rows,
)
from deeprac.labels import FOREGROUND
from deeprac.reporting.roles import budget_curves, training_suffix

NAMES = ("matrix", "method", "method_label", "label")


def method_budgets(
    config: Config, cases: pd.DataFrame, gates: pd.DataFrame
) -> pd.DataFrame:
    """Rows of ``budget_rows`` of every method that has a curve, by label.

    Args:
        config: The configuration of the cohort.
        cases: Columns of summary/cases.csv.
        gates: Of :func:`deeprac.evaluation.gates.judged`.

    Returns:
        Its columns behind matrix, method, method_label and label; no rows where no
        method has a curve.
    """
    columns, parts = [*NAMES, *COLUMNS], []
    for label in FOREGROUND:
        own, judged = cases[cases.label == label.title], of_label(gates, label.title)
        for curve in budget_curves(config):
            row = config.experiments[next(iter(curve.values()))]
            method = config.methods[row.method].label
            title = method + training_suffix(replace(row, epochs=None))
            values = row.matrix, row.method, title, label.title
            part = budget_rows(own, judged, curve)
            named = part.assign(**dict(zip(NAMES, values, strict=True)))
            parts.append(named[columns])
    if not parts:
        return budget_rows(cases, gates, {}).reindex(columns=columns)
    return pd.concat(parts, ignore_index=True)


def tested(budgets: pd.DataFrame) -> pd.DataFrame:
    """Rows of :func:`method_budgets` of which a longer training tells the verdict."""
    known = budgets.verdict.isin([CONVERGED, NOT_CONVERGED])
    return budgets[known & budgets.change_low.notna()]


def still_changing(budgets: pd.DataFrame) -> pd.DataFrame:
    """Rows of :func:`method_budgets` that a longer training changes."""
    changed = budgets.change.abs() >= CHANGE
    return budgets[(budgets.verdict == NOT_CONVERGED) & changed]


def changing(budgets: pd.DataFrame) -> pd.DataFrame:
    """Experiments and labels that a longer training still changes.

    Args:
        budgets: Of :func:`method_budgets`.

    Returns:
        Columns experiment, label and reason; of trainings that did not learn, which are
        told by ``evaluation.gates``, only those that longer ones would change.
    """
    budgets = still_changing(budgets)
    reasons = [
        f"{100 * row.change:+.2f} points with {row.compared_steps:,} steps"
        for row in budgets.itertuples()
    ]
    columns = ["experiment", "label", "reason"]
    return budgets.assign(reason=reasons).reindex(columns=columns)
