"""What a table is, and the columns and notes that several tables share."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from deeprac.config import Config

Cell = Callable[[pd.Series], str]
"""Makes the text of one cell from a row of the tidy table."""

METHOD_WIDTH = 34
"""Characters of a method's label that the terminal shows."""


@dataclass(frozen=True)
class Column:
    """One column of a readable table.

    Attributes:
        group: Heading that neighbouring columns share.
        name: Heading of the column.
        cell: Makes the text of a row.
        short: The same in the terminal; None leaves the column out there.
    """

    group: str
    name: str
    cell: Cell
    short: Cell | None = None


@dataclass(frozen=True)
class Part:
    """Rows under one heading of a table; a table may have several, one below another.

    Attributes:
        columns: Columns, from left to right.
        rows: What they show, one line each.
        heading: What tells the part from the others; empty where nothing does.
    """

    columns: tuple[Column, ...]
    rows: pd.DataFrame
    heading: str = ""


@dataclass(frozen=True)
class Table:
    """One table: tidy rows at full precision, readable parts, notes.

    Attributes:
        name: File name.
        title: Caption.
        rows: Tidy rows, the CSV.
        parts: The same to read.
        notes: Sentences below.
    """

    name: str
    title: str
    rows: pd.DataFrame
    parts: tuple[Part, ...]
    notes: tuple[str, ...]


def row_columns() -> tuple[Column, ...]:
    """What says which experiment a row is."""

    def matrix(row: pd.Series) -> str:
        return f"{row.matrix_size}"

    def method(row: pd.Series) -> str:
        label = row.method_label
        fits = len(label) <= METHOD_WIDTH
        return label if fits else label[: METHOD_WIDTH - 1] + "…"

    return (
        Column(
            "", "Matrix", lambda r: f"{matrix(r)}, batch {r.batch_size:.0f}", matrix
        ),
        Column("", "Input", *twice(lambda r: f"{r.network_input_size}")),
        Column("", "Method", lambda r: r.method_label, method),
    )


IDENTITY = ("matrix_size", "batch_size", "network_input_size", "method_label")
"""What :func:`row_columns` read."""


def identified(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add what says which experiment a row is.

    Args:
        table: Has the column experiment.
        rows: Result of :func:`deeprac.reporting.aggregate.experiment_rows`.
    """
    names = [name for name in IDENTITY if name not in table]
    return table.join(rows.set_index("experiment")[names], on="experiment")


def twice(cell: Cell) -> tuple[Cell, Cell]:
    """The same text everywhere."""
    return cell, cell


def extent_note(rows: pd.DataFrame) -> str:
    """How many patients, cases, folds and seeds the rows rest on."""

    def text(column: str) -> str:
        values = sorted(rows[column].unique())
        return " to ".join(str(value) for value in {values[0]: 0, values[-1]: 0})

    return (
        f"n = {text('n_patients')} patients, {text('n_cases')} cases; "
        f"{text('folds_run')} of {text('folds_planned')} folds run, seeds: "
        f"{text('n_seeds')}."
    )


def conditions_note(rows: pd.DataFrame) -> str:
    """On what and for how long the rows were trained."""
    devices = " / ".join(rows.device_name.unique())
    budgets = " / ".join(
        dict.fromkeys(
            f"{row.optimiser}, learning rate {row.learning_rate:g}, {row.epochs:.0f} "
            f"epochs of {row.iterations_per_epoch:.0f} iterations"
            for _, row in rows.iterrows()
        )
    )
    return f"Device: {devices}. Budget: {budgets}."


def uncommitted_notes(runs: pd.DataFrame) -> tuple[str, ...]:
    """Say so where runs were trained by code that nobody else can have."""
    dirty = runs.git_dirty.map(lambda flag: str(flag) != "False")
    count = int((dirty | runs.git_commit.isin(["", "None"])).sum())
    if not count:
        return ()
    return (
        f"{count} of {len(runs)} runs were trained by code that no commit holds: they "
        "cannot be repeated exactly.",
    )


CONVENTIONS = {
    "nnunet": "nnU-Net's convention: where reference and prediction are both empty, "
    "overlap and surface Dice are undefined and left out",
    "kits23": "KiTS23's convention: where reference and prediction are both empty, "
    "overlap and surface Dice are 1",
}


def convention_note(config: Config) -> str:
    """What empty labels count in a table."""
    name = config.statistics.empty_labels
    return (
        f"Empty labels (statistics.empty_labels: {name}): {CONVENTIONS[name]}; where "
        "exactly one is empty they are 0; distances are undefined where either is."
    )


SMALL = 50
"""Patients below which bootstrap intervals of a mean are known to be too narrow."""


def small_note(n_patients: int) -> tuple[str, ...]:
    """A warning where the cohort is small."""
    if n_patients >= SMALL:
        return ()
    return (
        f"Fewer than {SMALL} patients: bootstrap intervals are narrower than they "
        "should be, and ranks and p values change with a few patients.",
    )
