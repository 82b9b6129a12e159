"""What a training leaves for others: weights, curve, run.json; and its last epoch."""

import shutil
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deeprac import provenance
from deeprac.files import atomic_path, write_csv, write_json
from deeprac.layout import Layout
from deeprac.pretraining import Source
from deeprac.records.cases import read_cases
from deeprac.records.progress import Epoch
from deeprac.records.runs import (
    OTHER_CASES,
    PRETRAINING,
    RUN_SCHEMA,
    TRAINING_DICE,
)
from deeprac.records.training import DICE, training_columns
from deeprac.training.device import describe_device
from deeprac.training.resuming import FINAL
from deeprac.training.step import measure_step
from deeprac.training.trainer import DeepracTrainer
from deeprac.training.training_dice import training_dice

PEAKS = ("gpu_peak_allocated_gib", "gpu_peak_reserved_gib", "host_peak_gib")
"""Peak memory, as epochs log it and runs sum it up."""


def publish(
    trainer: DeepracTrainer,
    layout: Layout,
    plans: dict[str, Any],
    identity: dict[str, Any],
    source: Source | None = None,
) -> None:
    """Write all files of a finished run into its folder; run.json comes last.

    Args:
        trainer: of the finished training.
        layout: of the cohort.
        plans: content of ``plans.json``.
        identity: everything that the training depends on.
        source: the training that it started from; None: it started from scratch.
    """
    settings = plans["deeprac"]
    target = layout.run(settings["experiment"], settings["seed"], trainer.fold)
    epochs = _epochs(trainer)
    curve = epochs[list(training_columns(trainer.labels.foreground))]
    write_csv(target / "training.csv", curve)
    for path in sorted(Path(trainer.output_folder).glob("training_log_*.txt")):
        with atomic_path(target / path.name) as temporary:
            shutil.copyfile(path, temporary)
    with atomic_path(target / FINAL) as temporary:
        shutil.copyfile(Path(trainer.output_folder, FINAL), temporary)
    record = _run_record(trainer, plans, identity, epochs, source)
    record["settings"]["training_patients"] = _training_patients(trainer, layout)
    write_json(target / "run.json", record)


def last_epoch(trainer: DeepracTrainer) -> Epoch:
    """Return what the epoch that has ended came to."""
    logged = {key: values[-1] for key, values in trainer.logged.items() if values}
    dice = map(float, logged["dice_per_class_or_region"])
    return Epoch(
        epoch=trainer.current_epoch - 1,
        epochs=trainer.num_epochs,
        time=time.time(),
        seconds=logged["seconds"],
        train_loss=float(logged["train_losses"]),
        val_loss=float(logged["val_losses"]),
        dice=dict(zip(trainer.labels.foreground, dice, strict=True)),
    )


def _epochs(trainer: DeepracTrainer) -> pd.DataFrame:
    logged = trainer.logged
    titles = trainer.labels.foreground
    dice = np.asarray(logged["dice_per_class_or_region"], float)
    dice = dice.reshape(-1, len(titles))  # without epochs, too
    start = np.asarray(logged["epoch_start_timestamps"])
    stop = np.asarray(logged["epoch_end_timestamps"])
    return pd.DataFrame(
        {
            "epoch": np.arange(len(start)),
            "learning_rate": logged["lrs"],
            "train_loss": logged["train_losses"],
            "val_loss": logged["val_losses"],
            **{f"{DICE}{title}": dice[:, index] for index, title in enumerate(titles)},
            "seconds": logged["seconds"],
            "data_wait_seconds": logged["data_wait_seconds"],
            "segment": logged["segment"],
            "localiser_gradient": logged["localiser_gradient"],
            "start": start,
            "stop": stop,
            **{peak: logged[peak] for peak in PEAKS},
        }
    )


def _run_record(
    trainer: DeepracTrainer,
    plans: dict[str, Any],
    identity: dict[str, Any],
    epochs: pd.DataFrame,
    source: Source | None,
) -> dict[str, Any]:
    settings = plans["deeprac"]
    training = settings["training"]
    names = ("cohort", "experiment", "method", "matrix", "seed")
    return {
        "schema": RUN_SCHEMA,
        **{name: settings[name] for name in names},
        "fold": trainer.fold,
        "device": describe_device(trainer.device)
        | {"capture": trainer.captured.state, "slices": trainer.slices_in},
        "host": provenance.host(),
        "software": provenance.software(),
        "git": provenance.git_state(),
        "argv": sys.argv,
        "config_sha256": provenance.digest(identity),
        "run_settings": identity["settings"],
        "settings": {
            **training,
            "augment": settings["augment"],
            "augment_scale": settings["augment_scale"],
            "batch_size": trainer.configuration_manager.batch_size,
            "matrix_size": settings["matrix_size"],
            "network_input_size": settings["network_input_size"],
        },
        "segments": [_segment(part) for _, part in epochs.groupby("segment")],
        "interruptions": trainer.interruptions,
        TRAINING_DICE: _training_dice(trainer, source),
        "cost": _cost(epochs) | asdict(measure_step(trainer)),
        **{k: identity[k] for k in (PRETRAINING, OTHER_CASES) if k in identity},
    }


def _training_dice(
    trainer: DeepracTrainer, source: Source | None
) -> dict[str, float | None] | None:
    """Dice on slices of the patients that the network was trained on.

    Zero-shot it is the source's network, and so are these.
    """
    if source is not None and not trainer.num_epochs:
        return source.record.get(TRAINING_DICE)
    return training_dice(trainer)


def _segment(epochs: pd.DataFrame) -> dict[str, Any]:
    return {
        "start": _iso(epochs["start"].min()),
        "stop": _iso(epochs["stop"].max()),
        "first_epoch": int(epochs["epoch"].min()),
        "last_epoch": int(epochs["epoch"].max()),
    }


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")


def _cost(epochs: pd.DataFrame) -> dict[str, float | None]:
    """Cumulate over all segments; the first epoch warms up and is no typical one."""
    if epochs.empty:  # zero-shot
        times = ("training_seconds", "epoch_seconds_median", "data_wait_share")
        return dict.fromkeys((*times, *PEAKS)) | {"training_seconds": 0.0}
    seconds = epochs["seconds"]
    typical = seconds.iloc[1:] if len(seconds) > 1 else seconds
    return {
        "training_seconds": float(seconds.sum()),
        "epoch_seconds_median": float(typical.median()),
        "data_wait_share": float(epochs["data_wait_seconds"].sum() / seconds.sum()),
        **{
            peak: None if epochs[peak].isna().any() else float(epochs[peak].max())
            for peak in PEAKS
        },
    }


def _training_patients(trainer: DeepracTrainer, layout: Layout) -> int:
    """Number of the cohort's patients that the fold was trained on; zero-shot, none."""
    if not trainer.num_epochs:
        return 0
    train, _ = trainer.do_split()
    cases = read_cases(layout.cases_csv)
    return int(cases["patient"][cases["case"].isin(train)].nunique())
