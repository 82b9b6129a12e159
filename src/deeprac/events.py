"""What a long command tells while it runs, for people and for programs.

An event is a JSON object on one line: ``{"event": "progress", "stage": "segment",
"fraction": 0.4, "seconds_left": 31.0}``. Kinds: ``started``, ``device``, ``folds``,
``estimate``, ``progress``, ``note``, ``finished``, ``error``. None holds the name of a
patient or file, but those of the folder that was asked for.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO
from xml.sax.saxutils import escape

Listener = Callable[[Mapping[str, Any]], None]
"""Is told every event."""


@dataclass(frozen=True)
class JsonLines:
    """Every event as a line of JSON."""

    stream: TextIO

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write it at once: the reader waits for it."""
        self.stream.write(json.dumps(event, allow_nan=False) + "\n")
        self.stream.flush()


@dataclass(frozen=True)
class SlicerCli:
    """What 3D Slicer reads from the standard output of its command-line modules."""

    stream: TextIO
    name: str

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write what concerns Slicer."""
        kind = event["event"]
        if kind == "started":
            text = f"<filter-start><filter-name>{escape(self.name)}</filter-name>"
            self._write(
                f"{text}<filter-comment>started</filter-comment></filter-start>"
            )
        elif kind == "progress":
            self._write(f"<filter-progress>{event['fraction']:.4f}</filter-progress>")
            self._comment(event["stage"])
        elif kind in ("finished", "error"):
            seconds = event.get("seconds", 0)
            self._comment(event.get("message", kind))
            text = f"<filter-name>{escape(self.name)}</filter-name>"
            time_ = f"<filter-time>{seconds:.2f}</filter-time>"
            self._write(f"<filter-end>{text}{time_}</filter-end>")
        else:
            self._comment(sentence(event))

    def _comment(self, text: str) -> None:
        self._write(f"<filter-comment>{escape(text)}</filter-comment>")

    def _write(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()


@dataclass
class Console:
    """What a person reads on standard error: one line per event and stage."""

    stream: TextIO
    _stage: str = ""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write a sentence, of the progress where a stage begins."""
        if event["event"] == "error":  # the command line says it
            return
        if event["event"] == "progress":
            if event["stage"] == self._stage:
                return
            self._stage = event["stage"]
        self.stream.write(sentence(event) + "\n")
        self.stream.flush()


def sentence(event: Mapping[str, Any]) -> str:
    """An event in words.

    Example:
        >>> sentence({"event": "folds", "folds": [0, 2]})
        'folds: 0, 2'
        >>> sentence({"event": "device", "device": "cpu", "reason": "asked for"})
        'device: cpu (asked for)'
    """
    kind = event["event"]
    if kind == "progress":
        return f"{event['fraction']:4.0%} {event['stage']}"
    if kind == "device":
        return f"device: {event['device']} ({event['reason']})"
    if kind == "folds":
        return f"folds: {', '.join(map(str, event['folds']))}"
    if kind == "estimate":
        gpu = event.get("gpu_gib")
        more = "" if gpu is None else f", {gpu:.1f} GiB of the GPU"
        return (
            f"estimate: {event['seconds']:.0f} s, {event['memory_gib']:.1f} GiB of "
            f"memory{more}"
        )
    return f"{kind}: {event['message']}" if "message" in event else kind


class Events:
    """Tells all listeners what happens, with times, and closes their files.

    Args:
        stages: seconds that each stage is expected to take, in order; ``expect``
            corrects them where more is known.
    """

    def __init__(self, stages: Mapping[str, float]) -> None:
        self.listeners: list[Listener] = []
        self._stages = dict(stages)
        self._begun = time.monotonic()
        self._stage, self._stage_begun = "", 0.0
        self._files = ExitStack()

    def listen(self, target: str) -> None:
        """Write JSON lines to a file, or to standard output for ``-``."""
        stream = sys.stdout
        if target != "-":
            # Closed with the events.
            stream = Path(target).open("w", encoding="utf-8")  # noqa: SIM115
            self._files.callback(stream.close)
        self.listeners.append(JsonLines(stream))

    def __enter__(self) -> "Events":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell of an error, and close the files."""
        if error is not None:
            ended = isinstance(error, SystemExit | KeyboardInterrupt)
            text = "ended from outside" if ended else str(error)
            self.send("error", message=text, seconds=self.seconds)
        self._files.close()

    def send(self, event: str, **content: Any) -> None:
        """Tell of an event."""
        for listener in self.listeners:
            listener({"event": event, **content})

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._begun

    def expect(self, **seconds: float) -> None:
        """Correct how long stages that have not begun will take."""
        self._stages |= seconds

    def progress(self, stage: str, share: float = 0.0) -> None:
        """Tell how far a stage is, 0 to 1."""
        if stage != self._stage:
            self._stage, self._stage_begun = stage, self.seconds
        names = list(self._stages)
        before, own = names[: names.index(stage)], self._stages[stage]
        done = sum(self._stages[name] for name in before) + share * own
        total = sum(self._stages.values())
        left = total - done
        if share > 0:  # how fast the stage really is
            spent = self.seconds - self._stage_begun
            left += spent * (1 - share) / share - own * (1 - share)
        self.send(
            "progress",
            stage=stage,
            fraction=round(done / total, 4),
            seconds_left=round(left, 1),
        )
