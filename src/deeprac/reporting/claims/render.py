"""Claims as tidy rows, text and Markdown."""

import math
from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from deeprac.reporting.claims.claim import ClaimResult, Status
from deeprac.reporting.formats import MISSING

HEADINGS = ("Quantity", "Experiment", "Threshold", "Measured [95 %]", "n", "Result")


def title(cohort: str, matrix: str) -> str:
    """Say whose results these are."""
    return f"Claims. Cohort {cohort}, matrix {matrix}."


def to_frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """Tidy rows: one per result, one column per attribute."""
    return pd.DataFrame(list(results))


def to_records(results: Sequence[ClaimResult]) -> list[dict[str, object]]:
    """JSON-able records; numbers that do not exist are None."""
    table = to_frame(results).astype(object)
    return table.where(table.notna(), None).to_dict("records")


def terminal(results: Sequence[ClaimResult]) -> str:
    """Aligned text, grouped by claim; a note stands below the rows that share it."""
    rows = [_cells(result) for result in results]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = [_line(HEADINGS, widths)]
    for claim, part in groupby(
        zip(results, rows, strict=True), key=lambda pair: pair[0].claim
    ):
        lines += ["", claim]
        for note, same in groupby(part, key=lambda pair: pair[0].note):
            lines += [_line(row, widths) for _, row in same]
            lines += [f"      {note}"] if note else []
    return "\n".join([*lines, "", tally(results)]) + "\n"


def markdown(results: Sequence[ClaimResult], *, title: str) -> str:
    """A pipe table with a title above and the count of results below."""
    header = ("Claim", *HEADINGS, "Note")
    rows = [
        (result.claim, *_cells(result), result.note or MISSING) for result in results
    ]
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in (header, ["---"] * len(header), *rows)
    ]
    return "\n".join([f"**{title}**", "", *lines, "", tally(results)]) + "\n"


def tally(results: Sequence[ClaimResult]) -> str:
    """How many thresholds are reached."""
    statuses = [result.status for result in results if result.threshold]
    reached, short, lost = (
        statuses.count(status)
        for status in (Status.PASS, Status.SHORT, Status.NOT_MEASURED)
    )
    return (
        f"{len(statuses)} thresholds: {reached} reached, {short} missed, "
        f"{lost} not measured."
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return ("  " + "  ".join(padded)).rstrip()


def _cells(result: ClaimResult) -> tuple[str, ...]:
    outcome = str(result.status)
    if result.status is Status.SHORT:
        outcome += f" by {_number(result.short_by)} {result.unit}"
    return (
        result.quantity,
        result.experiment or MISSING,
        result.threshold or MISSING,
        _measured(result),
        str(result.n) if result.n else MISSING,
        outcome,
    )


def _measured(result: ClaimResult) -> str:
    if math.isnan(result.value):
        return MISSING
    text = f"{_number(result.value)} {result.unit}"
    if math.isnan(result.low):
        return text
    return f"{text} [{_number(result.low)}, {_number(result.high)}]"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"
