"""The lines that a run writes: JSON objects with an ``event``, or plain log lines."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

LOG = "log"
"""Kind of every line that is no event."""


@dataclass(frozen=True)
class Event:
    """One line of a run.

    Attributes:
        kind: ``started``, ``device``, ``folds``, ``estimate``, ``progress``,
            ``finished``, ``error``, or ``log``.
        message: for a person; a log line as it is.
        stage: what is being done.
        fraction: done of the whole run, 0 to 1; None: unknown.
        seconds_left: None: unknown.
    """

    kind: str
    message: str = ""
    stage: str = ""
    fraction: float | None = None
    seconds_left: float | None = None


def parse_line(line: bytes) -> Event:
    """The event of one line; any bytes give one.

    Example:
        >>> parse_line(b'{"event": "progress", "fraction": 0.5}').fraction
        0.5
        >>> parse_line(b"loading").message
        'loading'
    """
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    try:
        found = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("event"), str):
        return Event(LOG, text)
    fraction = _number(found.get("fraction"))
    left = _number(found.get("seconds_left"))
    return Event(
        kind=found["event"],
        message=_text(found.get("message")) or _sentence(found),
        stage=_text(found.get("stage")),
        fraction=None if fraction is None else min(max(fraction, 0.0), 1.0),
        seconds_left=None if left is None else max(left, 0.0),
    )


def time_left(seconds: float | None) -> str:
    """A time as a person says it.

    Example:
        >>> [time_left(s) for s in (None, 12.3, 95, 7300)]
        ['', '12 s left', '2 min left', '2 h 2 min left']
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s left"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min left" if hours else f"{minutes} min left"


def _sentence(found: dict[str, Any]) -> str:
    """What an event without a message says."""
    device, folds, seconds = (found.get(key) for key in ("device", "folds", "seconds"))
    if found["event"] == "device":
        return f"Device: {device} ({_text(found.get('reason'))})"
    if found["event"] == "folds" and isinstance(folds, list):
        return f"Folds: {', '.join(map(str, folds))}"
    if found["event"] == "estimate" and _number(seconds) is not None:
        memory = _number(found.get("memory_gib"))
        more = "" if memory is None else f", {memory:.1f} GiB of memory"
        return f"Estimate: {seconds:.0f} s{more}"
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None
