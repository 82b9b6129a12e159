"""How well trainings know what they were trained on, read from what each has left."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.records.runs import TRAINING_DICE
from deeprac.records.tidy import read_tidy
from deeprac.records.training import DICE

TRAINING_SLICES = "training slices"
"""Source: slices of training patients, segmented by the final network."""
CURVE = "held-out slices, last epochs"
"""Source where run.json is of an older version: the curve's pseudo Dice, which is of
held-out patients and of few slices."""

LAST_EPOCHS = 3
"""Epochs of the curve that are averaged: each has the slices of a batch or a few, and
over three the released failures and successes lie apart (docs/statistics.md)."""

SCORE_COLUMNS = ("experiment", "seed", "fold", "label", "dice", "source")


def training_scores(
    layout: Layout, runs: pd.DataFrame, labels: Sequence[str]
) -> pd.DataFrame:
    """Dice of every training and label on slices that say whether it learned.

    Args:
        layout: Of the cohort.
        runs: Columns experiment, seed and fold.
        labels: Titles of the cohort's labels, without the background.

    Returns:
        Columns ``SCORE_COLUMNS``, one row per training and label. Dice is NaN where no
        slice shows the label; where nothing is recorded, the source is empty too.
    """
    rows = [
        {"experiment": run.experiment, "seed": run.seed, "fold": run.fold} | score
        for run in runs.itertuples()
        for score in _scores(layout.run(run.experiment, run.seed, run.fold), labels)
    ]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).astype({"dice": float})


def _scores(folder: Path, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Label, Dice and source of one run."""
    record = folder / "run.json"
    dice = read_json(record).get(TRAINING_DICE) if record.is_file() else None
    source = TRAINING_SLICES if dice is not None else ""
    curve = folder / "training.csv"
    if dice is None and curve.is_file():
        dice, source = _of_curve(curve, labels), CURVE
    for label in labels:
        yield {"label": label, "dice": (dice or {}).get(label), "source": source}


def _of_curve(path: Path, labels: Sequence[str]) -> dict[str, float]:
    columns = [f"{DICE}{label}" for label in labels]
    curve = read_tidy(path, tuple(columns), remedy="Train this run again.")
    # Not of all epochs: no label may be among the slices of one, and while a front end
    # is trained alone there is no Dice.
    return {
        label: curve[column].dropna().tail(LAST_EPOCHS).mean()
        for label, column in zip(labels, columns, strict=True)
    }
