"""What a configuration will take, put together and in words."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deeprac.cohort.source_files import conversion_mb
from deeprac.config import Config
from deeprac.errors import ConfigError
from deeprac.estimate.disk import Disk, estimate_disk
from deeprac.estimate.hours import UNKNOWN, Pace, paces, wall_seconds
from deeprac.estimate.jobs import THREADS, Jobs, planned_jobs
from deeprac.space import GB
from deeprac.status import duration


@dataclass(frozen=True)
class Estimate:
    """What a configuration will take.

    Attributes:
        results: folder of the results.
        disk: by kind.
        jobs: by rule, with their memory.
        paces: time by experiment.
        gpus: trainings at the same time.
        wall_seconds: until all runs have predicted; None where that is not known.
    """

    results: str
    disk: Disk
    jobs: tuple[Jobs, ...]
    paces: tuple[Pace, ...]
    gpus: int
    wall_seconds: float | None


def estimate(config: Config, *, gpus: int = 1) -> Estimate:
    """Estimate what a configuration will take, by its files and those of its results.

    Args:
        config: the whole configuration.
        gpus: trainings at the same time.

    Raises:
        ConfigError: its metrics are released: nothing is computed.
        CohortError: the cohort's source is not there.
    """
    if config.has_released_metrics:
        raise ConfigError(
            "metrics is released: nothing is trained or predicted, so that there is "
            "nothing to estimate. Set it to computed, or call the workflow at once."
        )
    own = (config.results, config.cohort.private)
    found = tuple(paces(config))
    return Estimate(
        results=str(config.results / config.cohort.name),
        disk=estimate_disk(config, gpus=gpus),
        jobs=tuple(planned_jobs(config, conversion_mb(config.cohort, THREADS, own))),
        paces=found,
        gpus=gpus,
        wall_seconds=wall_seconds(found, gpus),
    )


def as_json(found: Estimate) -> dict[str, Any]:
    """The estimate as JSON values, with the sums of its text."""
    content = asdict(found)
    for kind, values in zip(found.disk.kinds, content["disk"]["kinds"], strict=True):
        values["needed_bytes"] = kind.needed_bytes
    content["disk"]["needed_bytes"] = found.disk.needed_bytes
    return content


def text(found: Estimate) -> str:
    """The estimate as tables."""
    return "\n".join([*_disk(found), "", *_jobs(found.jobs), "", *_time(found)])


def warning(disk: Disk, results: str) -> str | None:
    """What to say where the disk will not suffice, as far as is known; else None."""
    if disk.suffices:
        return None
    largest = sorted(disk.kinds, key=lambda kind: -kind.needed_bytes)
    parts = [
        f"{one.name} {_size(one.needed_bytes)}" for one in largest if one.needed_bytes
    ]
    return (
        f"The disk of {results} will not suffice: {_size(disk.needed_bytes)} are to "
        f"come ({', '.join(parts)}), and {_size(disk.free_bytes)} are free. Free "
        "space there, or set results to another folder; see `deeprac estimate`."
    )


def _disk(found: Estimate) -> Iterator[str]:
    disk = found.disk
    yield f"Disk of {found.results}"
    rows = [
        (
            kind.name,
            "unknown" if kind.bytes is None else _size(kind.bytes),
            _size(kind.there_bytes),
            "unknown" if kind.bytes is None else _size(kind.needed_bytes),
            kind.note,
        )
        for kind in disk.kinds
    ]
    unknown = " and what is unknown" * any(kind.bytes is None for kind in disk.kinds)
    yield from _table(("", "whole", "there", "to come", ""), rows)
    needed, free = map(_size, (disk.needed_bytes, disk.free_bytes))
    yield f"  to come: {needed}{unknown}; free: {free}"
    if (said := warning(disk, found.results)) is not None:
        yield f"  {said}"


def _jobs(jobs: Sequence[Jobs]) -> Iterator[str]:
    yield "Jobs of a whole run, and the memory that each asks for"
    rows = [(one.rule, str(one.jobs), str(one.mem_mb), one.why) for one in jobs]
    yield from _table(("rule", "jobs", "MB", "why"), rows)
    yield f"  {sum(one.jobs for one in jobs)} jobs"


def _time(found: Estimate) -> Iterator[str]:
    yield "Time of trainings and predictions, as they went so far"
    rows = [
        (
            one.experiment,
            f"{one.to_train} of {one.runs}",
            *(
                "unknown" if seconds is None else duration(seconds)
                for seconds in (one.train_seconds, one.predict_seconds)
            ),
            one.source,
        )
        for one in found.paces
    ]
    yield from _table(("experiment", "to train", "training", "prediction", "by"), rows)
    at_a_time = f"with {found.gpus} run{'s' * (found.gpus > 1)} at a time"
    if found.wall_seconds is None:
        yield f"  all of it, {at_a_time}: {UNKNOWN}"
    else:
        some = any(one.predict_seconds is None for one in found.paces)
        without = ", without predictions whose time is unknown" * some
        yield f"  all of it, {at_a_time}: {duration(found.wall_seconds)}{without}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table: the first column and the last to the left, numbers right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    last = len(header) - 1
    for line in lines:
        cells = [
            cell if column == last
            else f"{cell:{'<' if column == 0 else '>'}{widths[column]}}"
            for column, cell in enumerate(line)
        ]  # fmt: skip
        yield f"  {'  '.join(cells)}".rstrip()


def _size(count: int) -> str:
    """Bytes in words: MB, from a thousand of them on GB.

    Example:
        >>> _size(190_000_000), _size(11_300_000_000)
        ('190.0 MB', '11.3 GB')
    """
    return f"{count / GB:.1f} GB" if count >= GB else f"{1000 * count / GB:.1f} MB"
