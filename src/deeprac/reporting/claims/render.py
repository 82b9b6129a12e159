"""Claims as tidy rows, text and Markdown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from deeprac.reporting.claims.collect import ClaimResult
from deeprac.reporting.claims.verdict import Verdict, together
from deeprac.reporting.formats import MISSING

HEADINGS = ("Quantity", "Experiment", "Bound", "Measured [95 %]", "n", "Seeds")


@dataclass(frozen=True)
class Answer:
    """A claim with its conditions and their common verdict."""

    claim: str
    verdict: Verdict
    results: tuple[ClaimResult, ...]


def answers(results: Sequence[ClaimResult]) -> list[Answer]:
    """The claims, each with all of its conditions."""
    parts: dict[str, list[ClaimResult]] = {}
    for result in results:
        parts.setdefault(result.claim, []).append(result)
    return [
        Answer(claim, together(one.verdict for one in part), tuple(part))
        for claim, part in parts.items()
    ]


def title(cohort: str) -> str:
    """Say whose results these are."""
    return f"Claims. Cohort {cohort}."


def to_frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """Tidy rows: one per result, one column per attribute."""
    return pd.DataFrame(list(results), columns=list(ClaimResult.__annotations__))


def to_records(results: Sequence[ClaimResult]) -> list[dict[str, object]]:
    """JSON-able records; numbers that do not exist are None."""
    table = to_frame(results).astype(object)
    return table.where(table.notna(), None).to_dict("records")


def terminal(results: Sequence[ClaimResult]) -> str:
    """Aligned text: each claim with its verdict, and its conditions below."""
    rows = [cells(result) for result in results]
    columns = zip(HEADINGS, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines = ["  " + _line(HEADINGS, widths)]
    for answer in answers(results):
        lines += ["", f"{answer.claim}: {answer.verdict}"]
        for result in answer.results:
            lines += ["  " + _line(cells(result), widths)]
            lines += [f"      {outcome(result)}"]
    return "\n".join([*lines, "", tally(results)]) + "\n"


def markdown(results: Sequence[ClaimResult], *, title: str) -> str:
    """The pipe table with a title above and the count of verdicts below."""
    parts = (f"**{title}**", pipe_table(results), tally(results))
    return "\n\n".join(parts) + "\n"


def pipe_table(results: Sequence[ClaimResult]) -> str:
    """Every condition and its verdict in Markdown."""
    header = ("Claim", *HEADINGS, "Verdict")
    rows = [(one.claim, *cells(one), outcome(one)) for one in results]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in (header, ["---"] * len(header), *rows)
    )


def tally(results: Sequence[ClaimResult]) -> str:
    """How many claims are reached.

    A claim is missed where one of its conditions is, and reached where all of them are.
    """
    verdicts = [answer.verdict for answer in answers(results)]
    counts = ", ".join(f"{verdicts.count(one)} {one}" for one in Verdict)
    return f"{len(verdicts)} claim{'s' * (len(verdicts) != 1)}: {counts}."


def outcome(result: ClaimResult) -> str:
    """The verdict on one condition, why, and what stands beside it."""
    verdict = f"{result.verdict}{f': {result.why}' if result.why else ''}"
    return "; ".join(filter(None, (verdict, result.note)))


def cells(result: ClaimResult) -> tuple[str, ...]:
    """What a result shows under ``HEADINGS``."""
    what = ", ".join(filter(None, (result.quantity, result.label)))
    whose = " - ".join(filter(None, (result.experiment, result.against)))
    interval = ", whole interval" if result.rule == "interval" else ""
    return (
        what or MISSING,
        whose or MISSING,
        result.bound + interval or MISSING,
        measured(result),
        str(result.n or MISSING),
        str(result.seeds or MISSING),
    )


def measured(result: ClaimResult) -> str:
    """The number with its interval and unit; a dash where there is none."""
    if math.isnan(result.value):
        return MISSING
    text = f"{_number(result.value)} {result.unit}"
    if math.isnan(result.low):
        return text
    return f"{text} [{_number(result.low)}, {_number(result.high)}]"


def _line(parts: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(parts, widths, strict=True))
    return "  ".join(padded).rstrip()


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"
