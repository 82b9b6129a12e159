"""Tables of the page from the readable tables and from tidy data frames."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pandas as pd

from deeprac.files import csv_text
from deeprac.reporting.page.document import Grid, PageTable
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    extent_note,
    lines,
    words,
)

MANY_ROWS = 40
"""Rows from which on a table is scrolled in a box and filtered by column."""


def from_table(source: Table) -> PageTable:
    """A readable table.

    Neighbouring parts with the same headings are one grid, whose first column is their
    heading, so that they are filtered and sorted together.
    """
    alike = groupby(source.parts, key=_headings)
    grids = tuple(_joined(tuple(run)) for _, run in alike)
    return PageTable(
        name=source.name,
        title=source.title,
        n=_counted(source.rows),
        grids=grids,
        notes=source.notes,
        csv=csv_text(source.rows),
        tall=max(len(grid.text) for grid in grids) > MANY_ROWS,
    )


def from_frame(
    frame: pd.DataFrame, columns: Iterable[Column], **rest: Any
) -> PageTable:
    """A tidy table as one grid.

    Args:
        frame: Tidy rows.
        columns: What is shown of them.
        rest: Other fields of the table.
    """
    return PageTable(grids=(_grid(Part(tuple(columns), frame)),), **rest)


def _grid(part: Part) -> Grid:
    values = [column.values(part.rows) for column in part.columns]
    return Grid(part.columns, part.texts(), lines(values), part.heading)


def _headings(part: Part) -> list[tuple[str, str]]:
    return [(column.group, column.title) for column in part.columns]


def _joined(parts: tuple[Part, ...]) -> Grid:
    """One grid of several parts, whose headings are its first column."""
    grids = [_grid(part) for part in parts]
    if len(grids) == 1:
        return grids[0]
    return Grid(
        columns=(words("", "Of", frozen=True), *grids[0].columns),
        text=[[grid.heading, *row] for grid in grids for row in grid.text],
        value=[[grid.heading, *row] for grid in grids for row in grid.value],
    )


def _counted(rows: pd.DataFrame) -> str:
    """How many rows there are, and how many patients they rest on."""
    if rows.empty:
        return "0 rows, n = 0."
    number = f"{len(rows)} row{'s' * (len(rows) != 1)}"
    if "n_cases" in rows:
        return f"{number}. {extent_note(rows)}"
    patients = rows["n_patients" if "n_patients" in rows else "n"].fillna(0)
    fewest, most = int(patients.min()), int(patients.max())
    n = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f"{number}. n = {n} patients."
