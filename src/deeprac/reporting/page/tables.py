"""Tables of the page from the readable tables and from tidy data frames."""

import math
import re
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import pandas as pd

from deeprac.files import csv_text
from deeprac.reporting import formats
from deeprac.reporting.page.document import Cell, Column, PageTable, Part
from deeprac.reporting.render import LEFT
from deeprac.reporting.tables import table

Show = Callable[[Any], str]

MANY_ROWS = 40
"""Rows from which on a table is scrolled in a box and filtered by column."""

HOURS = re.compile(r"^(\d+)h(\d\d)$")
MINUTES = re.compile(r"^(\d+)m(\d\d)$")
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


def leading_number(text: str) -> float | None:
    """The number by which a cell is sorted; durations in seconds.

    Example:
        >>> leading_number("83.66 (7.88)"), leading_number("1h35"), leading_number("-")
        (83.66, 5700.0, None)
    """
    for pattern, unit in ((HOURS, 3600), (MINUTES, 60)):
        if found := pattern.match(text):
            return float(int(found[1]) * unit + int(found[2]) * unit / 60)
    found = NUMBER.search(text)
    return float(found[0]) if found else None


def from_table(source: table.Table) -> PageTable:
    """A readable table: the text of its columns, sorted by the number in front.

    Neighbouring parts with the same columns are one grid, whose first column is their
    heading, so that they are filtered and sorted together.
    """
    alike = groupby(map(_part, source.parts), key=lambda part: part.columns)
    parts = tuple(_joined(tuple(run)) for _, run in alike)
    return PageTable(
        name=source.name,
        title=source.title,
        n=_counted(source.rows),
        parts=parts,
        notes=source.notes,
        csv=csv_text(source.rows),
        tall=max(len(part.rows) for part in parts) > MANY_ROWS,
    )


def _part(part: table.Part) -> Part:
    texts = [[c.cell(row) for c in part.columns] for _, row in part.rows.iterrows()]
    heads = [
        Column(c.group, c.name, number=c.name not in LEFT, frozen=frozen)
        for c, frozen in zip(part.columns, _frozen(part), strict=True)
    ]
    return Part(
        columns=tuple(heads),
        rows=tuple(
            tuple(
                Cell(text, leading_number(text) if head.number else text)
                for text, head in zip(line, heads, strict=True)
            )
            for line in texts
        ),
        heading=part.heading,
    )


def _joined(parts: tuple[Part, ...]) -> Part:
    """One part of several, told apart by their headings in the first column."""
    if len(parts) == 1:
        return parts[0]
    heading = Column("", "Of", number=False, frozen=True)
    return Part(
        columns=(heading, *parts[0].columns),
        rows=tuple(
            (Cell(part.heading, part.heading), *row)
            for part in parts
            for row in part.rows
        ),
    )


def _frozen(part: table.Part) -> list[bool]:
    """The columns up to the method stay in view."""
    names = [column.name for column in part.columns]
    kept = names.index("Method") + 1 if "Method" in names else 0
    return [index < kept for index in range(len(names))]


def _counted(rows: pd.DataFrame) -> str:
    """How many rows there are, and how many patients they rest on."""
    if rows.empty:
        return "0 rows, n = 0."
    lines = f"{len(rows)} row{'s' * (len(rows) != 1)}"
    if "n_cases" in rows:
        return f"{lines}. {table.extent_note(rows)}"
    patients = rows["n_patients" if "n_patients" in rows else "n"].fillna(0)
    fewest, most = int(patients.min()), int(patients.max())
    n = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f"{lines}. n = {n} patients."


def from_frame(
    frame: pd.DataFrame, columns: Iterable[tuple[Column, Show]], **rest: Any
) -> PageTable:
    """A tidy table: every cell keeps its full value beside the text that is shown.

    Args:
        frame: Tidy rows.
        columns: Columns with the format of their cells, by ``Column.key``.
        rest: Other fields of the table.
    """
    shown = tuple(columns)
    lines = zip(*(_cells(frame[c.key], show) for c, show in shown), strict=True)
    part = Part(columns=tuple(column for column, _ in shown), rows=tuple(lines))
    return PageTable(parts=(part,), **rest)


def _cells(values: pd.Series, show: Show) -> list[Cell]:
    cells = []
    for value in values.tolist():
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        cells.append(
            Cell(formats.MISSING, None) if missing else Cell(show(value), value)
        )
    return cells


def text(key: str, title: str, *, frozen: bool = False) -> tuple[Column, Show]:
    """A column of names."""
    return Column("", title, number=False, key=key, frozen=frozen), str


def number(
    key: str, title: str, show: Show = str, *, group: str = ""
) -> tuple[Column, Show]:
    """A column of numbers."""
    return Column(group, title, number=True, key=key), show
