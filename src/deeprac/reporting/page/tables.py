"""Tables of the page from the readable tables and from tidy data frames."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pandas as pd

from deeprac.files import csv_text
from deeprac.records.catalogue import METRICS
from deeprac.reporting import formats
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
    heading, so that they are filtered and sorted together. Parts without rows are none.
    """
    parts = [part for part in source.parts if len(part.rows)]
    alike = groupby(parts, key=lambda p: [(c.group, c.title) for c in p.columns])
    grids = tuple(_joined(tuple(run)) for _, run in alike)
    return PageTable(
        name=source.name,
        title=source.title,
        n=_counted(source.rows),
        grids=grids,
        notes=source.notes,
        csv=csv_text(source.all_rows),
        tall=max((len(grid["text"]) for _, grid in grids), default=0) > MANY_ROWS,
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
    grid = _joined((Part(tuple(columns), frame),))
    return PageTable(grids=(grid,) * bool(len(frame)), **rest)


def _joined(parts: tuple[Part, ...]) -> tuple[str, Grid]:
    """One grid; of several parts, whose headings are its first column, without its own.

    Returns:
        The heading and the grid.
    """
    several = len(parts) > 1
    columns = (words("", "Of", frozen=True),) * several + parts[0].columns
    text, value = [], []
    for part in parts:
        first = [part.heading] * several
        values = lines([_values(column, part.rows) for column in part.columns])
        text += [[*first, *row] for row in part.texts()]
        value += [[*first, *row] for row in values]
    shown = ("group", "title", "number", "frozen")
    heads = [
        {name: getattr(column, name) for name in shown}
        | {"key": column.keys[0], "bar": _is_share(column.keys[0]), "empty": empty}
        | {"spread": column.number and not several}
        for column, empty in zip(columns, _empty(text), strict=True)
    ]
    heading = "" if several else parts[0].heading
    return heading, {"columns": heads, "text": text, "value": value}


def _values(column: Column, rows: pd.DataFrame) -> list[Any]:
    """What a column is sorted by and downloaded as: a name, not the words for it."""
    if column.number or len(column.keys) > 1:
        return column.values(rows)
    names = rows[column.keys[0]].astype(object)
    return names.where(names.notna(), None).tolist()


def _empty(text: list[list[str]]) -> list[bool]:
    """Which columns show nothing in any row: they are downloaded, but not shown."""
    nothing = {"", formats.MISSING}
    return [nothing.issuperset(column) for column in zip(*text, strict=True)]


def _is_share(key: str) -> bool:
    """Whether a column holds shares, so that a bar from 0 to 100 % says something."""
    metric = METRICS.get(key)
    return key.endswith("_dice_mean") or (metric is not None and metric.kind == "share")


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
