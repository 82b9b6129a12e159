"""Curves of all trainings so far, of those that run as well, from their progress."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.config import Config
from deeprac.errors import RunError
from deeprac.layout import Layout
from deeprac.records.progress import read_progress
from deeprac.records.run_key import selected_runs
from deeprac.records.training import DICE
from deeprac.reporting.figures.drawing import captioned
from deeprac.reporting.figures.training_curves import curves_of, in_percent
from deeprac.reporting.style import save_as, theme
from deeprac.status import run_status


def draw_running(config: Config, target: Path) -> None:
    """Draw loss and pseudo Dice of all trainings so far into one file.

    Args:
        config: The configuration of the cohort.
        target: PNG or SVG.

    Raises:
        RunError: No training has finished an epoch.
    """
    layout = Layout.of(config)
    data = pd.DataFrame(_epochs(config, layout))
    if data.empty:
        raise RunError(
            f"No training of {layout.root} has finished an epoch, so that there is no "
            "curve to draw. Wait until `deeprac status` shows one."
        )
    runs = data.groupby("experiment").run.nunique()
    extent = " to ".join(map(str, sorted({runs.min(), runs.max()})))
    with theme():
        figure = curves_of(config, in_percent(data), _notes(config, layout))
        drawing = captioned("training_curves", figure, data, runs=extent)
        save_as(drawing.figure, target)


def _epochs(config: Config, layout: Layout) -> Iterator[dict[str, Any]]:
    """A row per finished epoch of every selected run, its columns as training.csv's."""
    for run in selected_runs(config):
        for one in read_progress(layout.checkpoints(*run.parts)):
            yield {
                "experiment": run.experiment,
                "run": str(run),
                "epoch": one.epoch,
                "train_loss": one.train_loss,
                "val_loss": one.val_loss,
                **{f"{DICE}{label}": value for label, value in one.dice.items()},
            }


def _notes(config: Config, layout: Layout) -> dict[str, str]:
    """How the runs of each experiment stand."""
    states: dict[str, Counter[str]] = {}
    for run in selected_runs(config):
        counts = states.setdefault(run.experiment, Counter())
        counts[run_status(layout, run).state] += 1
    return {
        name: ", ".join(f"{count} {state}" for state, count in counts.items())
        for name, counts in states.items()
    }
