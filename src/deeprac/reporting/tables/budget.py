"""Dice by number of training steps, and which methods have converged."""

from deeprac.evaluation.statistics.budget import CHANGE, LONGER
from deeprac.labels import FOREGROUND
from deeprac.reporting import formats
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
    "such budget, a training of that one did not learn, or there is one seed.",
)
NONE = "No selected method is trained for several numbers of steps."


def budget_table(summary: Summary) -> Table:
    """The budget curve: one part per label, one line per method and budget."""
    config, rows = summary.config, summary.budgets
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
