"""One run: build the trainer, resume where there is something to resume, publish."""

import logging
import shutil
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from deeprac import provenance
from deeprac.cohort.splits import check_splits
from deeprac.config import Config
from deeprac.errors import RunError
from deeprac.files import atomic_path, read_json, write_csv, write_json
from deeprac.layout import Layout
from deeprac.lease import held
from deeprac.records.cases import read_cases
from deeprac.records.run_key import RunKey
from deeprac.records.runs import RUN_SCHEMA
from deeprac.records.splits import read_split, read_splits
from deeprac.records.training import DICE, training_columns
from deeprac.replacing import SHOWN, replace
from deeprac.settings.effective import differences, run_settings
from deeprac.training.checkpoint import DamagedError
from deeprac.training.children import end_with_this_process
from deeprac.training.device import describe_device, resolve_device
from deeprac.training.plans import read_plans
from deeprac.training.resuming import FINAL, LATEST, PREVIOUS
from deeprac.training.step import measure_step
from deeprac.training.trainer import DeepracTrainer, build_trainer

log = logging.getLogger(__name__)

LOADER_DIED = "background workers are no longer alive"
"""In batchgenerators' message."""


def train_fold(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Train one fold and write checkpoint, training curve and ``run.json``.

    Resume checkpoints live in ``Layout.checkpoints`` and are bound to a digest of the
    run's settings and data. A copy of the final one stays there, since Snakemake
    deletes the outputs of a job whose end it did not see; the training is
    then published again instead of repeated. Delete the folder to train afresh.

    Args:
        config: the whole configuration.
        experiment: name of the experiment.
        seed: seed of the run.
        fold: number of the fold.

    Raises:
        RunError: another process trains the run, the checkpoint belongs to other
            settings, or the training failed.
        DeviceError: the device is not there.
        SplitError: the folds leak a patient.
    """
    layout = Layout.of(config)
    model = layout.model(experiment, seed)
    plans = read_plans(model, config)
    check_splits(read_splits(layout.splits), read_cases(layout.cases_csv))
    device = resolve_device(plans["deeprac"]["training"]["device"])
    # As nnU-Net's own command does: all sizes are fixed.
    torch.backends.cudnn.benchmark = device.type == "cuda"
    workspace = layout.checkpoints(experiment, seed, fold)
    run = RunKey(config.cohort.name, experiment, seed, fold)
    identity = _identity(config, layout, run)
    with held(workspace.with_suffix(".lease"), str(run)) as lease:
        _bind(layout, run, identity, retrain=config.training.retrain)
        trainer = build_trainer(plans, read_json(model / "dataset.json"), fold, device)
        trainer.before_writing = lease.check
        end_with_this_process()
        _train(trainer)
        lease.check()
        _publish(trainer, layout, plans, identity)


def _train(trainer: DeepracTrainer) -> None:
    """Train to the end, from the checkpoint where there is one."""
    trainer.initialize()
    _resume(trainer)
    try:
        if trainer.current_epoch < trainer.num_epochs:
            trainer.run_training()
    except torch.OutOfMemoryError as error:
        settings = trainer.settings
        raise RunError(
            f"{settings['experiment']}, fold {trainer.fold}: the GPU's memory is too "
            f"small ({error}). Lower matrices.{settings['matrix']}.batch_size; every "
            "method at this matrix must then be trained again."
        ) from error
    except RuntimeError as error:
        if LOADER_DIED not in str(error):
            raise
        raise RunError(
            f"{trainer.settings['experiment']}, fold {trainer.fold}: a process that "
            "loads slices was killed, most likely for want of memory (main memory, or "
            "/dev/shm in a container). Give the job more, or lower "
            "training.data_workers; run the same command again to go on from the last "
            "checkpoint."
        ) from error


def _training_patients(trainer: DeepracTrainer, layout: Layout) -> int:
    """Number of patients that the fold was trained on."""
    train, _ = trainer.do_split()
    cases = read_cases(layout.cases_csv)
    return int(cases["patient"][cases["case"].isin(train)].nunique())


def _identity(config: Config, layout: Layout, run: RunKey) -> dict[str, Any]:
    """Everything that a training depends on, as JSON values."""
    experiment = config.experiment(run.experiment)
    return {
        "settings": run_settings(config, experiment),
        "seed": run.seed,
        "split": read_split(layout.splits, run.fold),
        "data": read_json(layout.matrix(experiment.matrix) / "cases.json"),
    }


def _bind(
    layout: Layout, run: RunKey, identity: dict[str, Any], *, retrain: bool
) -> None:
    """Bind the workspace to the run.

    Raises:
        RunError: what is there is of other settings, folds or data, and worth keeping.
    """
    workspace = layout.checkpoints(*run.parts)
    stamp = workspace / "identity.json"
    if workspace.exists():
        old = read_json(stamp) if stamp.exists() else {}
        found = list(differences(old, identity))
        if found and any(workspace.rglob(FINAL)) and retrain:
            log.info("%s: the finished run moves to %s", run, replace(layout, run))
        elif found and any(workspace.rglob("*.pth")):
            raise RunError(
                f"{workspace} holds the weights of a training with other settings, "
                f"folds or data ({'; '.join(found[:SHOWN])}). Restore those to go on; "
                "to train a finished run again set training.retrain to true, or delete "
                "the folder to train afresh."
            )
        elif found:
            shutil.rmtree(workspace)
    write_json(stamp, identity)


def _resume(trainer: DeepracTrainer) -> None:
    """Go on from the newest checkpoint that can be read, if there is one.

    Raises:
        DamagedError: none can be read.
    """
    folder, damaged = Path(trainer.output_folder), None
    for path in (folder / name for name in (FINAL, LATEST, PREVIOUS)):
        if not path.exists():
            continue
        try:
            trainer.load_checkpoint(str(path))
        except DamagedError as error:
            log.warning("%s", error)
            damaged = error
            continue
        log.info("resuming %s at epoch %d", folder.name, trainer.current_epoch)
        return
    if damaged is not None:
        raise damaged


def _publish(
    trainer: DeepracTrainer,
    layout: Layout,
    plans: dict[str, Any],
    identity: dict[str, Any],
) -> None:
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
    record = _run_record(trainer, plans, identity, epochs)
    record["settings"]["training_patients"] = _training_patients(trainer, layout)
    write_json(target / "run.json", record)


def _epochs(trainer: DeepracTrainer) -> pd.DataFrame:
    logged = trainer.logged
    dice = np.asarray(logged["dice_per_class_or_region"], float)
    start = np.asarray(logged["epoch_start_timestamps"])
    stop = np.asarray(logged["epoch_end_timestamps"])
    return pd.DataFrame(
        {
            "epoch": np.arange(len(start)),
            "learning_rate": logged["lrs"],
            "train_loss": logged["train_losses"],
            "val_loss": logged["val_losses"],
            **{
                f"{DICE}{title}": dice[:, index]
                for index, title in enumerate(trainer.labels.foreground)
            },
            "seconds": logged["seconds"],
            "data_wait_seconds": logged["data_wait_seconds"],
            "segment": logged["segment"],
            "localiser_gradient": logged["localiser_gradient"],
            "start": start,
            "stop": stop,
            "gpu_peak_allocated_gib": logged["gpu_peak_allocated_gib"],
            "gpu_peak_reserved_gib": logged["gpu_peak_reserved_gib"],
            "host_peak_gib": logged["host_peak_gib"],
        }
    )


def _run_record(
    trainer: DeepracTrainer,
    plans: dict[str, Any],
    identity: dict[str, Any],
    epochs: pd.DataFrame,
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
        "cost": _cost(epochs) | asdict(measure_step(trainer)),
    }


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
    seconds = epochs["seconds"]
    typical = seconds.iloc[1:] if len(seconds) > 1 else seconds
    peaks = ("gpu_peak_allocated_gib", "gpu_peak_reserved_gib", "host_peak_gib")
    return {
        "training_seconds": float(seconds.sum()),
        "epoch_seconds_median": float(typical.median()),
        "data_wait_share": float(epochs["data_wait_seconds"].sum() / seconds.sum()),
        **{
            peak: None if epochs[peak].isna().any() else float(epochs[peak].max())
            for peak in peaks
        },
    }
