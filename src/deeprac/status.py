"""How far every run is, from its files: on any machine that sees them."""

import math
import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from deeprac.config import Config
from deeprac.layout import Layout
from deeprac.lease import holder_of
from deeprac.records.progress import Epoch, read_failure, read_progress
from deeprac.records.run_key import RunKey, selected_runs

TYPICAL_EPOCHS = 20
"""Seconds per epoch are the median of the last so many."""


class State(StrEnum):
    """How a run stands."""

    WAITING = "waiting"
    """It has not begun."""
    RUNNING = "running"
    """A process holds its lease and gives signs of life."""
    INTERRUPTED = "interrupted"
    """It has a checkpoint and no process; the same command resumes it."""
    FAILED = "failed"
    """Its last training ended with an error."""
    DONE = "done"
    """Its weights and run.json are there."""


@dataclass(frozen=True)
class RunStatus:
    """One run, as its files tell.

    Attributes:
        run: experiment, seed and fold in words.
        state: how it stands.
        epoch: finished epochs.
        epochs: of the whole training; None before the first has ended.
        epoch_seconds: median of the last epochs; None before.
        seconds_left: until the end at this pace; None where that is not known.
        train_loss: of the last epoch.
        val_loss: of the last epoch.
        dice: nnU-Net's pseudo Dice of the last epoch by label.
        silent_seconds: since the process's last sign of life; None without one.
        where: host, process and Slurm job.
        remark: why it failed, or which file of a finished run is missing.
    """

    run: str
    state: State
    epoch: int = 0
    epochs: int | None = None
    epoch_seconds: float | None = None
    seconds_left: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    dice: dict[str, float | None] | None = None
    silent_seconds: float | None = None
    where: str = ""
    remark: str = ""


def run_status(layout: Layout, run: RunKey) -> RunStatus:
    """Return how a run stands.

    Args:
        layout: of the cohort.
        run: which one.
    """
    workspace = layout.checkpoints(*run.parts)
    done = (run.folder(layout) / "run.json").is_file()
    progress = {} if done else _progress(read_progress(workspace))
    holder = holder_of(workspace.with_suffix(".lease"))
    failure = read_failure(workspace)
    if done:
        return RunStatus(str(run), State.DONE, remark=_missing(layout, run))
    if holder is not None and not holder[0].is_gone(holder[1]):
        owner, silent = holder
        job = f", Slurm job {owner.job}" if owner.job else ""
        where = f"{owner.host}, process {owner.pid}{job}"
        return RunStatus(
            str(run), State.RUNNING, **progress, silent_seconds=silent, where=where
        )
    progress.pop("seconds_left", None)
    if failure is not None:
        return RunStatus(str(run), State.FAILED, **progress, remark=failure)
    begun = progress or any(workspace.rglob("checkpoint_*.pth"))
    state = State.INTERRUPTED if begun else State.WAITING
    return RunStatus(str(run), state, **progress)


def _progress(epochs: list[Epoch]) -> dict[str, Any]:
    if not epochs:
        return {}
    last = epochs[-1]
    seconds = statistics.median(one.seconds for one in epochs[-TYPICAL_EPOCHS:])
    dice = {name: None if math.isnan(x) else x for name, x in last.dice.items()}
    return {
        "epoch": last.epoch + 1,
        "epochs": last.epochs,
        "epoch_seconds": seconds,
        "seconds_left": (last.epochs - last.epoch - 1) * seconds,
        "train_loss": last.train_loss,
        "val_loss": last.val_loss,
        "dice": dice,
    }


def _missing(layout: Layout, run: RunKey) -> str:
    """Files of a finished run that are gone, though tables may have been made of it."""
    folder = run.folder(layout)
    gone = [] if (folder / "checkpoint_final.pth").is_file() else ["weights"]
    if (folder / "metrics.csv").is_file() and not (folder / "predictions").is_dir():
        gone.append("predictions")
    return f"missing: {' and '.join(gone)}" if gone else ""


def all_runs(config: Config) -> list[RunStatus]:
    """Return how all runs of a configuration stand, in its order."""
    layout = Layout.of(config)
    return [run_status(layout, run) for run in selected_runs(config)]


def text(runs: Iterable[RunStatus], now: float | None = None) -> str:
    """Return the runs as a table, and below it what is left in total.

    Args:
        runs: how they stand.
        now: seconds since 1970, to tell when all is done.
    """
    runs = list(runs)
    width = max((len(one.run) for one in runs), default=0)
    lines = [_line(one, width) for one in runs]
    counts = [
        f"{number} {state}"
        for state in State
        if (number := sum(one.state is state for one in runs))
    ]
    lines.append(f"{len(runs)} runs: {', '.join(counts)}.{_end(runs, now)}")
    return "\n".join(lines)


def _end(runs: list[RunStatus], now: float | None) -> str:
    """The estimated end of what is running, and what its pace says of the rest."""
    left = [one.seconds_left for one in runs if one.seconds_left is not None]
    if not left:
        return ""
    end = (time.time() if now is None else now) + max(left)
    clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(end))
    waiting = sum(one.state is not State.DONE for one in runs) - len(left)
    rest = f"; {waiting} more are to come" if waiting else ""
    return f" What is running ends about {clock}{rest}."


def _line(one: RunStatus, width: int) -> str:
    parts = [f"{one.run:{width}}  {one.state:11}"]
    if one.epochs is not None:
        parts.append(f"epoch {one.epoch} of {one.epochs}")
        parts.append(f"{one.epoch_seconds:.1f} s each")
    if one.seconds_left is not None:
        parts.append(f"{duration(one.seconds_left)} left")
    if one.train_loss is not None:
        parts.append(f"loss {one.train_loss:.3f}, held-out {one.val_loss:.3f}")
    if one.dice:
        shown = (f"{n} {'-' if x is None else f'{x:.2f}'}" for n, x in one.dice.items())
        parts.append(f"Dice {', '.join(shown)}")
    if one.silent_seconds is not None:
        parts.append(f"on {one.where}, sign of life {one.silent_seconds:.0f} s ago")
    return "; ".join([*parts, *([one.remark] if one.remark else [])])


def duration(seconds: float) -> str:
    """Return a time in words that one reads at a glance.

    Example:
        >>> duration(200_000), duration(4000), duration(50)
        ('2 d 7 h', '1 h 6 min', '50 s')
    """
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (name, size), (finer, step) in pairwise(units):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole:.0f} {name} {rest // step:.0f} {finer}"
    return f"{seconds:.0f} s"


def as_json(runs: Iterable[RunStatus]) -> list[dict[str, Any]]:
    """Return the runs as JSON values."""
    return [asdict(one) for one in runs]
