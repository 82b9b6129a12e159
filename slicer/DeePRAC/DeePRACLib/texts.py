"""What the window shows, as the HTML of its text fields; everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from .checks import Answer
from .errors import Problem
from .results import Result

NOTICE = "Research software, not a medical device. Look at every result."

_VERDICTS = {
    "ok": ("#1b7837", "No flag was raised"),
    "look": ("#b35806", "Look at what is flagged"),
    "do not use": ("#b2182b", "Do not use this result"),
}

_MARKS = {
    True: ("#1b7837", "yes"),
    False: ("#b2182b", "no"),
    None: ("#666666", "&ndash;"),
}


def answers_html(answers: Iterable[Answer]) -> str:
    """The answers of Check as a table."""
    rows = []
    for one in answers:
        colour, mark = _MARKS[one.ok]
        remedy = f"<br><b>{escape(one.remedy)}</b>" if one.ok is False else ""
        rows.append(
            f'<tr><td style="color:{colour}"><b>{mark}</b>&nbsp;</td>'
            f"<td>{escape(one.question)}&nbsp;&nbsp;</td>"
            f"<td>{escape(one.detail)}{remedy}</td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"


def problem_html(problem: Problem) -> str:
    """A cause and its remedy."""
    return (
        f'<p style="color:#b2182b"><b>{escape(problem.what)}</b></p>'
        f"<p>{escape(problem.remedy)}</p>"
    )


def result_html(result: Result) -> str:
    """Verdict and flags, the worst first."""
    colour, words = _VERDICTS[result.overall]
    order = list(_VERDICTS)
    flags = sorted(result.flags, key=_rank(order), reverse=True)
    items = "".join(_flag_html(flag) for flag in flags)
    return (
        f'<p style="color:{colour}"><b>{words}.</b></p><ul>{items}</ul>'
        f"<p>{escape(NOTICE)}</p>"
    )


def _rank(order: list[str]) -> Any:
    def rank(flag: dict[str, Any]) -> int:
        verdict = flag.get("verdict")
        return order.index(verdict) if verdict in order else 0

    return rank


def _flag_html(flag: dict[str, Any]) -> str:
    number = ""
    if flag.get("value") is not None:
        limit = "" if flag.get("limit") is None else f", limit {flag['limit']:g}"
        number = f" ({flag['value']:g}{limit})"
    message = escape(f"{flag.get('message', '')}{number}")
    return f"<li>{message} <b>{escape(str(flag.get('remedy', '')))}</b></li>"
