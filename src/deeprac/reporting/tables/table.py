"""What a table is, and the columns and notes that several tables share."""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from deeprac.config import Config
from deeprac.records.case_split import TEST, of_split
from deeprac.reporting import formats

METHOD_WIDTH = 34
"""Characters of a method's label that the terminal shows."""

Show = Callable[..., str]
"""Text of a cell from the values that its column reads."""


@dataclass(frozen=True)
class Column:
    """One column of a table: which values it reads, and how they look.

    Attributes:
        title: Heading.
        keys: Columns of the tidy rows that ``show`` is called with. Where the first of
            them is missing, so is the cell.
        show: Makes the text of a cell.
        group: Heading that neighbouring columns share.
        number: Whether it stands to the right and is sorted by the first of ``keys``;
            words are sorted by their text.
        short: Makes the text in the terminal; None leaves the column out there.
        frozen: Whether it stays in view when a page is scrolled to the side.
        optional: Whether it is left out where no row has a value.
    """

    title: str
    keys: tuple[str, ...]
    show: Show = str
    group: str = ""
    number: bool = True
    short: Show | None = None
    frozen: bool = False
    optional: bool = False

    def texts(self, rows: pd.DataFrame, show: Show | None = None) -> list[str]:
        """What is shown of each row, made by ``show`` or another maker of texts."""
        show = show or self.show
        cells = zip(*(rows[key].tolist() for key in self.keys), strict=True)
        return [formats.MISSING if pd.isna(cell[0]) else show(*cell) for cell in cells]

    def values(self, rows: pd.DataFrame) -> list[Any]:
        """What each row is sorted by at full precision; None is missing."""
        values = rows[self.keys[0]]
        shown = values.tolist() if self.number else self.texts(rows)
        known = zip(shown, values.notna(), strict=True)
        shown = [value if there else None for value, there in known]
        # JSON knows no infinity.
        return [sys.float_info.max if value == math.inf else value for value in shown]


@dataclass(frozen=True)
class Part:
    """Rows under one heading of a table; a table may have several, one below another.

    Attributes:
        columns: Columns, from left to right.
        rows: What they show, one line each.
        heading: What distinguishes the part from the others; empty where nothing does.
    """

    columns: tuple[Column, ...]
    rows: pd.DataFrame
    heading: str = ""

    def texts(self) -> list[list[str]]:
        """The cells, line by line."""
        return lines([column.texts(self.rows) for column in self.columns])


def lines(columns: list[list[Any]]) -> list[list[Any]]:
    """The same cells line by line."""
    return [list(line) for line in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Table:
    """One table: tidy rows at full precision, readable parts, notes.

    Attributes:
        name: File name.
        title: Caption.
        rows: Tidy rows, the CSV.
        parts: The same to read.
        notes: Sentences below.
        missing: Rows of runs that partial results lack.
    """

    name: str
    title: str
    rows: pd.DataFrame
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    missing: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def all_rows(self) -> pd.DataFrame:
        """The rows of the CSV: what is missing stands below what is there."""
        if self.missing.empty:
            return self.rows
        # As objects: counts stay whole numbers beside empty cells.
        parts = [rows.astype(object) for rows in (self.rows, self.missing)]
        return pd.concat(parts, ignore_index=True)


def number(
    key: str, title: str, show: Show = str, *, group: str = "", **rest: Any
) -> Column:
    """A column of numbers, each the text of one value."""
    return Column(title, (key,), show, group, **rest)


def words(key: str, title: str, **rest: Any) -> Column:
    """A column of words."""
    return Column(title, (key,), number=False, **rest)


def shown_columns(columns: Iterable[Column], rows: pd.DataFrame) -> tuple[Column, ...]:
    """The columns without those that are optional and empty in all rows."""
    return tuple(
        column
        for column in columns
        if not column.optional or rows[column.keys[0]].notna().any()
    )


MEMORY = {"host": "host peak", "gpu_reserved": "GPU reserved"}
"""Names of the kinds of measured memory, column ``memory_kind``."""


def named_kind(kinds: pd.Series, names: Mapping[str, str]) -> str:
    """What a column holds where all its rows are of one kind; else that they differ.

    Args:
        kinds: The kind of each row.
        names: How a kind is called; others are called what they are.
    """
    found = list(kinds.unique())
    if len(found) > 1:
        return "mixed kinds"
    return names.get(found[0], found[0]) if found else "no run"


def saved_group(rows: pd.DataFrame) -> str:
    """Heading of saved bytes, which names their precision."""
    precision = named_kind(rows.step_precision, {"mixed": "mixed precision"})
    return f"Saved for backward, {precision}"


def row_columns() -> tuple[Column, ...]:
    """Columns that identify the experiment of a row."""

    def method(label: str) -> str:
        fits = len(label) <= METHOD_WIDTH
        return label if fits else label[: METHOD_WIDTH - 1] + "…"

    # The terminal has no room for the batch size.
    return (
        Column(
            "Matrix",
            ("matrix_size", "batch_size"),
            lambda size, batch: f"{size}, batch {batch:.0f}",
            number=False,
            short=lambda size, _: f"{size}",
            frozen=True,
        ),
        number("network_input_size", "Input", short=str, frozen=True),
        words("method_label", "Method", short=method, frozen=True),
    )


IDENTITY = ("matrix_size", "batch_size", "network_input_size", "method_label")
"""What :func:`row_columns` read."""


def identified(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that identify the experiment of a row.

    Args:
        table: Has the column experiment.
        rows: Result of :func:`deeprac.reporting.aggregate.experiment_rows`.
    """
    names = [name for name in IDENTITY if name not in table]
    return table.join(rows.set_index("experiment")[names], on="experiment")


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


def timed_note(rows: pd.DataFrame) -> str:
    """How many runs have a time that counts."""
    timed, runs = rows.n_timed.sum(), rows.n_runs.sum()
    if timed == runs:
        return f"Times: of all {runs} runs; none was trained beside another."
    return (
        f"Times: of {timed} of {runs} runs. Beside each of the other {runs - timed} "
        "another run was trained on the same machine: their times do not compare and "
        "are left out."
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


def split_notes(cases: pd.DataFrame) -> tuple[str, ...]:
    """Say so where methods are judged by test cases."""
    count = of_split(cases, TEST).case.nunique()
    if not count:
        return ()
    return (
        f"Judged by {count} test cases: they lie in no fold and train nothing, and "
        "every network predicts them.",
    )


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
