"""Findings as tidy rows, text and Markdown."""

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import groupby

import pandas as pd

from deeprac.reporting.findings.finding import Finding, Status
from deeprac.reporting.formats import MISSING

HEADINGS = ("Quantity", "Experiment", "Target", "Measured [95 %]", "n", "Result")


def title(cohort: str, matrix: str) -> str:
    """Say whose findings these are."""
    return f"Findings. Cohort {cohort}, matrix {matrix}."


def to_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Tidy rows: one per finding, one column per attribute."""
    columns = [field.name for field in fields(Finding)]
    return pd.DataFrame([asdict(finding) for finding in findings], columns=columns)


def to_records(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """JSON-able records; numbers that do not exist are None."""
    return [
        {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(finding).items()
        }
        for finding in findings
    ]


def terminal(findings: Sequence[Finding]) -> str:
    """Aligned text, grouped by claim; a note stands below the rows that share it."""
    rows = [_cells(finding) for finding in findings]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = [_line(HEADINGS, widths)]
    for claim, part in groupby(
        zip(findings, rows, strict=True), key=lambda pair: pair[0].claim
    ):
        lines += ["", claim]
        for note, same in groupby(part, key=lambda pair: pair[0].note):
            lines += [_line(row, widths) for _, row in same]
            lines += [f"      {note}"] if note else []
    return "\n".join([*lines, "", tally(findings)]) + "\n"


def markdown(findings: Sequence[Finding], *, title: str) -> str:
    """A pipe table with a title above and the count of results below."""
    header = ("Claim", *HEADINGS, "Note")
    rows = [
        (finding.claim, *_cells(finding), finding.note or MISSING)
        for finding in findings
    ]
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in (header, ["---"] * len(header), *rows)
    ]
    return "\n".join([f"**{title}**", "", *lines, "", tally(findings)]) + "\n"


def tally(findings: Sequence[Finding]) -> str:
    """How many targets are reached."""
    statuses = [finding.status for finding in findings if finding.target]
    reached, short, lost = (
        statuses.count(status)
        for status in (Status.PASS, Status.SHORT, Status.NOT_MEASURED)
    )
    return (
        f"{len(statuses)} targets: {reached} reached, {short} missed, "
        f"{lost} not measured."
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return ("  " + "  ".join(padded)).rstrip()


def _cells(finding: Finding) -> tuple[str, ...]:
    result = str(finding.status)
    if finding.status is Status.SHORT:
        result += f" by {_number(finding.short_by)} {finding.unit}"
    return (
        finding.quantity,
        finding.experiment or MISSING,
        finding.target or MISSING,
        _measured(finding),
        str(finding.n) if finding.n else MISSING,
        result,
    )


def _measured(finding: Finding) -> str:
    if math.isnan(finding.value):
        return MISSING
    text = f"{_number(finding.value)} {finding.unit}"
    if math.isnan(finding.low):
        return text
    return f"{text} [{_number(finding.low)}, {_number(finding.high)}]"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"
