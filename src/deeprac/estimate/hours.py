"""How long trainings and predictions will take, by what similar ones have taken."""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heapreplace

from deeprac.config import Config
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.records.inference import INFERENCE_COLUMNS
from deeprac.records.run_key import RunKey, selected_runs
from deeprac.records.tidy import read_tidy
from deeprac.settings.effective import run_settings
from deeprac.settings.methods import ZERO_SHOT
from deeprac.status import RunStatus, State, run_status

UNKNOWN = (
    "unknown; train one fold of each experiment first, or let it train some epochs and "
    "stop it (^C), then ask again"
)
NOTHING = "nothing yet"


@dataclass(frozen=True)
class Pace:
    """What the runs of one experiment take.

    Attributes:
        experiment: its name.
        method: as tables call it.
        runs: how many there are.
        to_train: how many of them are not trained.
        train_seconds: of one training; None where nothing tells.
        predict_seconds: of one fold's cases; None where nothing tells.
        source: what it was taken from.
        left_seconds: of each run that has not predicted; None where its training's are
            not known. Predictions whose time is not known count as none.
    """

    experiment: str
    method: str
    runs: int
    to_train: int
    train_seconds: float | None
    predict_seconds: float | None
    source: str
    left_seconds: tuple[float | None, ...]


def paces(config: Config) -> list[Pace]:
    """What the runs of every experiment take, in the configuration's order."""
    layout = Layout.of(config)
    runs: dict[str, list[RunKey]] = defaultdict(list)
    for run in selected_runs(config):
        runs[run.experiment].append(run)
    return [_pace(config, layout, name, keys) for name, keys in runs.items()]


def wall_seconds(paces: Iterable[Pace], gpus: int) -> float | None:
    """Time until all runs are trained and have predicted.

    Args:
        paces: of all experiments.
        gpus: runs at the same time; the longest begin first.

    Returns:
        Without the stages before and after; None where a training's is not known.
    """
    ends = [0.0] * gpus
    heapify(ends)
    left = [seconds for pace in paces for seconds in pace.left_seconds]
    known = [seconds for seconds in left if seconds is not None]
    if len(known) < len(left):
        return None
    for seconds in sorted(known, reverse=True):
        heapreplace(ends, ends[0] + seconds)
    return max(ends)


def _pace(config: Config, layout: Layout, name: str, runs: list[RunKey]) -> Pace:
    states = [run_status(layout, run) for run in runs]
    train, source = _training(config, layout, runs, states)
    predicted = [_predicted(layout, run) for run in runs]
    known = [seconds for seconds in predicted if seconds is not None]
    predict = statistics.median(known) if known else None
    left = [
        _left(state, train, (predict or 0.0) if seconds is None else 0.0)
        for state, seconds in zip(states, predicted, strict=True)
    ]
    return Pace(
        experiment=name,
        method=config.methods[config.experiments[name].method].label,
        runs=len(runs),
        to_train=sum(one.state is not State.DONE for one in states),
        train_seconds=train,
        predict_seconds=predict,
        source=source,
        left_seconds=tuple(seconds for seconds in left if seconds != 0),
    )


def _training(
    config: Config, layout: Layout, runs: list[RunKey], states: list[RunStatus]
) -> tuple[float | None, str]:
    """Seconds of one training, by finished runs, else by epochs of begun ones."""
    row = config.experiment(runs[0].experiment)
    if not config.training_of(row).epochs:
        return 0.0, ZERO_SHOT
    settings = run_settings(config, row)
    records = [
        read_json(run.folder(layout) / "run.json")
        for run, one in zip(runs, states, strict=True)
        if one.state is State.DONE
    ]
    finished = [
        record["cost"]["training_seconds"]
        for record in records
        if record.get("run_settings") == settings
    ]
    if finished:
        return statistics.median(finished), f"{len(finished)} finished"
    begun = [one for one in states if one.epochs and one.epoch_seconds is not None]
    if not begun:
        return None, NOTHING
    whole = [_whole_seconds(one) for one in begun]
    return statistics.median(whole), f"{sum(one.epoch for one in begun)} epochs"


def _whole_seconds(begun: RunStatus) -> float:
    """Seconds of a training that has begun, at its pace."""
    return (begun.epochs or 0) * (begun.epoch_seconds or 0.0)


def _left(state: RunStatus, train: float | None, predict: float) -> float | None:
    """Seconds until a run has predicted; None where its training's are not known."""
    if state.state is State.DONE:
        return predict
    if train is None:
        return None
    done = state.epoch / state.epochs if state.epochs else 0.0
    return (1 - done) * train + predict


def _predicted(layout: Layout, run: RunKey) -> float | None:
    """Seconds that a run's prediction took; None where it has not predicted."""
    path = run.folder(layout) / "inference.csv"
    if not path.is_file():
        return None
    remedy = run.again("predict")
    return float(read_tidy(path, INFERENCE_COLUMNS, remedy=remedy).seconds.sum())
