"""What a treatment protocol asks, beside what was measured.

A measured volume is compared with the protocol's number, and what else the criterion
asks is listed. Whether a patient fulfils it is the physicians' decision, and no word
here says so.
"""

import operator
from collections.abc import Callable
from enum import StrEnum

import pandas as pd

from deeprac.records.tidy import read_tidy
from deeprac.shipped import shipped
from deeprac.surgery.rows import value_of

UMBRELLA = shipped("resources/protocols/umbrella2016.csv")
"""UMBRELLA SIOP-RTSG 2016; columns in the README beside it."""

_OF_FILE = (
    *("criterion", "structure", "measure", "comparison", "value", "unit"),
    *("time_point", "population", "also_asks", "citation", "verified"),
)

COLUMNS = ("finding", "measured", *_OF_FILE, "note")
"""Of ``protocol.csv``: one row per criterion of the time point."""


class TimePoint(StrEnum):
    """When the CT was taken: protocols ask different things."""

    DIAGNOSIS = "diagnosis"
    """Before any treatment."""
    AFTER_CHEMOTHERAPY = "after_chemotherapy"
    """After chemotherapy, before surgery."""


_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "below": operator.lt,
    "at most": operator.le,
    "above": operator.gt,
    "at least": operator.ge,
}
_OPPOSITE = {
    "below": "at least",
    "at least": "below",
    "at most": "above",
    "above": "at most",
}


def compare(measures: pd.DataFrame, time_point: TimePoint) -> pd.DataFrame:
    """Put the protocol's numbers of one time point beside the measured ones.

    Args:
        measures: the table of ``deeprac.surgery.measures``.
        time_point: when the CT was taken.

    Returns:
        ``COLUMNS``: ``finding`` is the comparison in words, such as ``214 ml, below 300
        ml``; ``note`` says where the protocol's number is not verified.
    """
    table = read_tidy(
        UMBRELLA,
        _OF_FILE,
        remedy="Restore it from the repository.",
        text=frozenset(_OF_FILE) - {"value"},
    )
    table = table[table.time_point == time_point].reset_index(drop=True)
    measured = [
        value_of(measures, row.structure, row.measure) for row in table.itertuples()
    ]
    table["measured"] = measured
    table["finding"] = [
        in_words(value, row.comparison, row.value, row.unit)
        for value, row in zip(measured, table.itertuples(), strict=True)
    ]
    table["note"] = table.verified.map(
        {"yes": "", "no": "the protocol's number is not verified at its source"}
    )
    return table[list(COLUMNS)]


def in_words(measured: float, comparison: str, limit: float, unit: str) -> str:
    """How a measured number stands to a limit.

    Example:
        >>> in_words(214.3, "below", 300, "ml"), in_words(300, "below", 300, "ml")
        ('214 ml, below 300 ml', '300 ml, at least 300 ml')
        >>> in_words(299.97, "below", 300, "ml")
        '299.97 ml, below 300 ml'
    """
    if pd.isna(measured) or measured == 0:
        return "nothing was found to compare"
    holds = _HOLDS[comparison]
    word = comparison if holds(measured, limit) else _OPPOSITE[comparison]
    # No rounding may make the number look as if it were on the other side.
    shown = next(
        text
        for digits in range(17)
        if holds(float(text := f"{measured:.{digits}f}"), limit)
        == holds(measured, limit)
    )
    return f"{shown} {unit}, {word} {limit:g} {unit}"
