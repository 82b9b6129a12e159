"""Dice by number of training steps, and which methods have converged."""

from dataclasses import replace

import pandas as pd

from deeprac.evaluation.statistics.budget import (
    CHANGE,
    LONGER,
    NOT_CONVERGED,
    budget_rows,
)
from deeprac.labels import FOREGROUND
from deeprac.reporting import formats
from deeprac.reporting.roles import budget_curves, training_suffix
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    convention_note,
    extent_note,
    number,
    words,
)

CHANGED = "Change"
COLUMNS = (
    words("matrix", "Matrix", frozen=True),
    words("method_label", "Method", frozen=True),
    number("steps", "Steps", "{:,}".format),
    number("dice", "mean", formats.percent, group="Dice, %"),
    Column("95 %", ("low", "high"), formats.interval, "Dice, %"),
    number("compared_steps", "to steps", "{:,}".format, group=CHANGED),
    Column("points", ("change", "change_low", "change_high"), formats.gain, CHANGED),
    words("verdict", "Verdict"),
    words("reason", "Why"),
    number("n", "patients", group="n"),
    number("n_seeds", "seeds", group="n"),
)

NOTES = (
    "Each number of steps was trained on its own, with a learning rate that decays "
    "over all of it. Dice: mean over patients and trainings, and the 95 % interval for "
    "patients and seeds both drawn at random (two-way random effects). Change: Dice of "
    f"the smallest budget of at least {LONGER} times the steps minus that of this one, "
    "paired by patient and seed.",
    f"Converged: the mean changes by less than {100 * CHANGE:g} points and every "
    "training learned; the interval says how sure that is. Not decidable: there is no "
    "such budget, one of its trainings did not learn, or there is one seed.",
)
NONE = "No selected method is trained for several numbers of steps."


def budget_table_rows(summary: Summary) -> pd.DataFrame:
    """Rows of ``budget_rows`` of every method that has a curve, by label.

    Returns:
        Its columns behind matrix, method, method_label and label; no rows where no
        method has a curve.
    """
    config, parts = summary.config, []
    for label in FOREGROUND:
        cases = summary.cases[summary.cases.label == label.title]
        for curve in budget_curves(config):
            part = budget_rows(cases, summary.gates, curve)
            row = config.experiments[next(iter(curve.values()))]
            method = config.methods[row.method].label
            names = {
                "matrix": row.matrix,
                "method": row.method,
                "method_label": method + training_suffix(replace(row, epochs=None)),
                "label": label.title,
            }
            parts.append(part.assign(**names)[[*names, *part]])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"n": []})


def not_converged(summary: Summary) -> pd.DataFrame:
    """Experiments and labels that a longer training still changes.

    Returns:
        Columns experiment, label and reason; without those that did not learn, which
        are told by ``evaluation.gates``.
    """
    rows = budget_table_rows(summary)
    if len(rows):
        rows = rows[(rows.verdict == NOT_CONVERGED) & rows.change.notna()]
    reasons = [
        f"{100 * row.change:+.2f} points with {row.compared_steps:,} steps"
        for row in rows.itertuples()
    ]
    columns = ["experiment", "label", "reason"]
    return rows.assign(reason=reasons).reindex(columns=columns)


def budget_table(summary: Summary) -> Table:
    """The budget curve: one part per label, one line per method and budget."""
    config, rows = summary.config, budget_table_rows(summary)
    parts = [
        Part(COLUMNS, rows[rows.label == label.title], label.title.capitalize())
        for label in FOREGROUND
        if len(rows)
    ]
    return Table(
        name="budget",
        title=f"Dice by number of training steps. Cohort {config.cohort.name}.",
        rows=rows,
        parts=tuple(parts),
        notes=(
            extent_note(summary.rows),
            *(NOTES if parts else (NONE,)),
            convention_note(config),
        ),
    )
