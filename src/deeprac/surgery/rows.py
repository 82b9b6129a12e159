"""The tidy table of measures: how its rows are written and read."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from deeprac.surgery.catalogue import COLUMNS, MEASURES

PATIENT = "patient"
"""In the column ``structure``: the patient as a whole."""

TUMOURS = "tumours"
"""All tumours together; with ``_left`` or ``_right`` those of a side."""


@dataclass(frozen=True)
class Row:
    """One measure of one structure.

    Attributes:
        structure: its name, or one of the names above.
        measure: its name in the catalogue.
        value: in the catalogue's unit; NaN for words and where nothing was measured.
        note: the word, the reason, or how to read the value; mostly empty.
    """

    structure: str
    measure: str
    value: float = math.nan
    note: str = ""


def as_table(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as ``COLUMNS``, with what the catalogue says of their measures."""
    found = []
    for row in rows:
        about = MEASURES[row.measure]
        found.append(
            (
                *(row.structure, row.measure, float(row.value), about.unit, row.note),
                *(about.definition, about.method, about.citation),
            )
        )
    return pd.DataFrame(found, columns=list(COLUMNS))


def value_of(table: pd.DataFrame, structure: str, measure: str) -> float:
    """One value of the table; NaN where it is not there."""
    found = table[(table.structure == structure) & (table.measure == measure)].value
    return float(found.iloc[0]) if len(found) else math.nan
