"""What a treatment protocol asks, beside what was measured.

A measured volume is compared with the protocol's number, and what else the criterion
asks is listed. Whether a patient fulfils it is the physicians' decision, and no word
here says so.
"""

import operator
from collections.abc import Callable, Iterable
from enum import StrEnum

import pandas as pd

from deeprac.records.tidy import read_tidy
from deeprac.shipped import shipped
from deeprac.surgery.anatomy import Kind
from deeprac.surgery.flags import Flag, Verdict, overall
from deeprac.surgery.rows import TUMOURS, value_of

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


_UPWARDS = ("above", "at least")
"""What still holds of a number that is larger than it was measured."""

WITHHELD = "not compared, for the result is not to be used"
"""In place of every finding of a result whose verdict says so."""


def compare(
    measures: pd.DataFrame, time_point: TimePoint, flags: Iterable[Flag] = ()
) -> pd.DataFrame:
    """Put the protocol's numbers of one time point beside the measured ones.

    Args:
        measures: the table of ``deeprac.surgery.measures``.
        time_point: when the CT was taken.
        flags: what touches the volume's border is at least as large as measured.

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
    cut = {flag.structure for flag in flags if flag.code == "touches_border"}
    if any(name.startswith(Kind.TUMOUR) for name in cut):
        cut.add(TUMOURS)
    table["finding"] = [
        in_words(
            value, row.comparison, row.value, row.unit, at_least=row.structure in cut
        )
        for value, row in zip(measured, table.itertuples(), strict=True)
    ]
    table["note"] = table.verified.map(
        {"yes": "", "no": "the protocol's number is not verified at its source"}
    )
    return table[list(COLUMNS)]


def withheld(table: pd.DataFrame, flags: Iterable[Flag]) -> pd.DataFrame:
    """The table of ``compare``, without findings where the result is not to be used.

    Args:
        table: ``COLUMNS``.
        flags: all of the result.
    """
    if overall(flags) is not Verdict.DO_NOT_USE:
        return table
    return table.assign(finding=WITHHELD)


def in_words(
    measured: float, comparison: str, limit: float, unit: str, *, at_least: bool = False
) -> str:
    """How a measured number stands to a limit.

    Args:
        measured: the number.
        comparison: of the protocol, such as ``below``.
        limit: the protocol's number.
        unit: of both.
        at_least: the true number may be larger.

    Example:
        >>> in_words(214.3, "below", 300, "ml"), in_words(300, "below", 300, "ml")
        ('214 ml, below 300 ml', '300 ml, at least 300 ml')
        >>> in_words(299.97, "below", 300, "ml")
        '299.97 ml, below 300 ml'
        >>> in_words(149.2, "below", 300, "ml", at_least=True)
        'at least 149 ml: cannot be compared with below 300 ml'
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
    if not at_least:
        return f"{shown} {unit}, {word} {limit:g} {unit}"
    if word in _UPWARDS:
        return f"at least {shown} {unit}, {word} {limit:g} {unit}"
    return (
        f"at least {shown} {unit}: cannot be compared with {comparison} {limit:g} "
        f"{unit}"
    )
