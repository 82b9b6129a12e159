"""How numbers look in tables and figures; each format is defined once."""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from deeprac.records.case_split import TEST, of_split

if TYPE_CHECKING:
    import pandas as pd

MISSING = "-"


def extent(cases: "pd.DataFrame") -> str:
    """How many patients and cases rows rest on.

    Args:
        cases: Columns patient and case, of test cases alone or of none.
    """
    kind = "" if of_split(cases, TEST).empty else "test "
    return f"n = {cases.patient.nunique()} {kind}patients, {cases.case.nunique()} cases"


def duration(seconds: float) -> str:
    """Time as in the paper: hours and minutes, below that minutes and seconds.

    Example:
        >>> duration(5700), duration(125), duration(9.46), duration(float("nan"))
        ('1h35', '2m05', '9.5s', '-')
    """
    if math.isnan(seconds):
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f}s"
    if round(seconds) < 60:
        return f"{seconds:.0f}s"
    if round(seconds) < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes}m{rest:02d}"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h{minutes:02d}"


def percent(share: float, *, digits: int = 2) -> str:
    """Share in 0..1 as percent, without the sign."""
    return _fixed(100 * share, digits)


def percent_1(share: float) -> str:
    """Share in 0..1 as percent with one decimal, without the sign."""
    return percent(share, digits=1)


def mean_sd(mean: float, sd: float, *, digits: int = 2) -> str:
    """Mean (SD) of shares, in percent; the SD of one patient does not exist."""
    texts = [percent(share, digits=digits) for share in (mean, sd)]
    return MISSING if texts[0] == MISSING else "{} ({})".format(*texts)


DIGITS = {"share": 2, "mm": 2, "ml": 1, "percent": 1, "count": 2}
"""Decimals by kind of metric; shares are shown in percent."""


def metric(value: float, kind: str) -> str:
    """Value of a metric by its kind.

    Args:
        value: The number as stored, NaN where there is none.
        kind: ``kind`` of :class:`deeprac.records.catalogue.Metric`.

    Example:
        >>> metric(0.8712, "share"), metric(3.456, "mm"), metric(float("nan"), "ml")
        ('87.12', '3.46', '-')
    """
    factor = 100 if kind == "share" else 1
    return _fixed(factor * value, DIGITS[kind])


def metrics(template: str, values: Iterable[float], kind: str) -> str:
    """Several values of a metric in one cell, or none of them.

    Example:
        >>> metrics("{} ({})", (0.8712, 0.05), "share")
        '87.12 (5.00)'
        >>> metrics("[{}, {}]", (float("nan"), float("nan")), "share")
        '-'
    """
    texts = [metric(value, kind) for value in values]
    return MISSING if texts[0] == MISSING else template.format(*texts)


def p_value(value: float) -> str:
    """P value with three decimals, small ones as a bound.

    Example:
        >>> p_value(0.0123), p_value(0.00002), p_value(float("nan"))
        ('0.012', '<0.001', '-')
    """
    if math.isnan(value):
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def whole(value: float) -> str:
    """Number of patients; more than can be is spelled out.

    Example:
        >>> whole(12.0), whole(math.inf), whole(math.nan)
        ('12', '>100,000', '-')
    """
    if math.isnan(value):
        return MISSING
    return ">100,000" if math.isinf(value) else f"{value:.0f}"


def interval(low: float, high: float) -> str:
    """Interval of shares, in percent.

    Example:
        >>> interval(0.851, 0.9), interval(float("nan"), float("nan"))
        ('[85.10, 90.00]', '-')
    """
    return metrics("[{}, {}]", (low, high), "share")


def gain(value: float, low: float, high: float) -> str:
    """Difference of shares with its interval, in points and signed.

    Example:
        >>> gain(0.02, -0.01, 0.05), gain(0.02, float("nan"), float("nan"))
        ('+2.00 [-1.00, +5.00]', '+2.00')
    """
    if math.isnan(value):
        return MISSING
    text = f"{100 * value:+.2f}"
    if math.isnan(low):
        return text
    return f"{text} [{100 * low:+.2f}, {100 * high:+.2f}]"


def ratio(value: float) -> str:
    """Ratio to the plain nnU-Net with two decimals."""
    return _fixed(value, 2)


gib = ratio
"""Memory in GiB (the paper: GB) with two decimals, as the paper prints it."""


def amount(value: float) -> str:
    """Three significant digits without an exponent, for counts of a training step.

    Example:
        >>> amount(10.05), amount(0.012345), amount(3.0), amount(1234.5)
        ('10.1', '0.0123', '3.00', '1234')
    """
    if math.isnan(value):
        return MISSING
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def in_units(unit: float) -> Callable[[float], str]:
    """:func:`amount` of a number that is divided by a unit.

    Example:
        >>> in_units(1e12)(2.5e12)
        '2.50'
    """
    return lambda value: amount(value / unit)


def _fixed(value: float, digits: int) -> str:
    return MISSING if math.isnan(value) else f"{value:.{digits}f}"
