"""Which runs had their machine to themselves: only their times compare."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from deeprac.errors import MetricsError

TOUCHING = 2.0
"""Seconds by which runs one after another may seem to overlap: run.json has whole
seconds of start and stop."""

HARDWARE = ("platform", "processor", "cores", "memory_gib")
"""What tells machines apart where neither their names nor their numbers are known."""


class _Segment(NamedTuple):
    start: float
    stop: float
    run: Path


def machine(run: Mapping[str, Any]) -> tuple[str, ...]:
    """What a run's host is told apart by.

    Args:
        run: Content of run.json.

    Returns:
        Its name; of a release, which has no names, its number; of older ones what is
        known of its hardware. Equal machines then count as one: a time is rather left
        out than shown for what it is not.
    """
    host = run["host"]
    for key in ("name", "number"):
        if host.get(key) is not None:
            return key, str(host[key])
    return tuple(str(host.get(key)) for key in HARDWARE)


def shared_machine(runs: Mapping[Path, Mapping[str, Any]]) -> dict[Path, bool]:
    """Whether another of the runs was trained on the same host at the same time.

    Args:
        runs: Contents of run.json by their files.

    Returns:
        By file, whether any segment overlaps one of another run by more than
        ``TOUCHING`` seconds.

    Raises:
        MetricsError: A run does not say where and when it was trained.
    """
    machines: dict[tuple[str, ...], list[_Segment]] = {}
    for path, run in runs.items():
        try:
            machines.setdefault(machine(run), []).extend(_segments(run, path))
        except (KeyError, TypeError, ValueError) as error:
            raise MetricsError(
                f"{path} does not say on which host, from when to when the run was "
                f"trained: {error}. Train this run again."
            ) from error
    shared = dict.fromkeys(runs, False)
    for segments in machines.values():
        segments.sort()
        for index, first in enumerate(segments):
            for second in segments[index + 1 :]:
                if first.stop - second.start <= TOUCHING:
                    break  # as do all later ones
                both = min(first.stop, second.stop) - second.start
                if first.run != second.run and both > TOUCHING:
                    shared[first.run] = shared[second.run] = True
    return shared


def _segments(run: Mapping[str, Any], path: Path) -> Iterator[_Segment]:
    for segment in run["segments"]:
        start, stop = (
            datetime.fromisoformat(segment[end]).timestamp()
            for end in ("start", "stop")
        )
        yield _Segment(start, stop, path)
