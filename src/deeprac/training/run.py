"""One run: build the trainer, resume where there is something to resume, publish."""

import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deeprac.cohort.splits import check_splits
from deeprac.config import Config
from deeprac.errors import DeepracError, RunError, StoppedError
from deeprac.files import read_json, write_json
from deeprac.layout import Layout
from deeprac.lease import held
from deeprac.other_cases import other_cases_of, taken
from deeprac.pretraining import Source, refuse_known_cases, source_of
from deeprac.records.cases import read_cases
from deeprac.records.progress import append_progress, note_failure
from deeprac.records.run_key import RunKey
from deeprac.records.splits import read_split, read_splits
from deeprac.replacing import SHOWN, refuse_retraining, replace
from deeprac.settings.effective import differences, run_settings
from deeprac.space import checkpoints_bytes, require_space
from deeprac.training.checkpoint import DamagedError
from deeprac.training.children import end_with_this_process
from deeprac.training.device import resolve_device, within_gpu_memory
from deeprac.training.parameters import stored_numbers
from deeprac.training.plans import read_plans
from deeprac.training.pretrained import load_pretrained
from deeprac.training.record import last_epoch, publish
from deeprac.training.resuming import FINAL, LATEST, PREVIOUS
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
            settings, what it starts from is not there or does not fit, or the training
            failed.
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
    source = source_of(config, run)
    refuse_known_cases(config, run)
    identity = _identity(config, layout, run)
    with held(workspace.with_suffix(".lease"), str(run)) as lease:
        refuse_retraining(config, [run])
        _bind(layout, run, identity, retrain=config.training.retrain)
        trainer = build_trainer(plans, read_json(model / "dataset.json"), fold, device)
        trainer.others = other_cases_of(config, run)
        trainer.before_writing = lease.check
        trainer.after_epoch = lambda: append_progress(workspace, last_epoch(trainer))
        end_with_this_process()
        note_failure(workspace, None)
        try:
            _train(trainer, source)
        except StoppedError:
            raise
        except Exception as error:
            why = str(error)
            if not isinstance(error, DeepracError):
                why = f"{type(error).__name__}: {why}"
            with suppress(OSError):  # a disk that is full, as the error may say
                note_failure(workspace, why)
            raise
        lease.check()
        publish(trainer, layout, plans, identity, source)


def _train(trainer: DeepracTrainer, source: Source | None) -> None:
    """Train to the end, from the checkpoint where there is one, else from the source.

    Zero-shot, the end is where it starts.
    """
    settings = trainer.settings
    what = f"{settings['experiment']}, fold {trainer.fold}"
    remedy = (
        f"Lower matrices.{settings['matrix']}.batch_size; every method at this matrix "
        "must then be trained again."
    )
    try:
        with within_gpu_memory(what, remedy):
            trainer.initialize()
            network: nn.Module = trainer.network
            optimiser = settings["training"]["optimiser"]
            needed = checkpoints_bytes(stored_numbers(network), optimiser)
            folder = Path(trainer.output_folder)
            require_space(needed, folder, f"{what}: the checkpoints of a training")
            resumed = _resume(trainer)
            if source is not None and not resumed:
                zero_shot = trainer.num_epochs == 0
                load_pretrained(network, source.weights, heads=zero_shot)
            if not resumed or trainer.current_epoch < trainer.num_epochs:
                trainer.run_training()
    except RuntimeError as error:
        if LOADER_DIED not in str(error):
            raise
        raise RunError(
            f"{what}: a process that loads slices was killed, most likely for want of "
            "memory (main memory, or /dev/shm in a container). Give the job more, or "
            "lower training.data_workers; run the same command again to go on from the "
            "last checkpoint."
        ) from error


def _identity(config: Config, layout: Layout, run: RunKey) -> dict[str, Any]:
    """Everything that a training depends on, as JSON values."""
    experiment = config.experiment(run.experiment)
    split = read_split(layout.splits, run.fold)
    return taken(config, run) | {
        "settings": run_settings(config, experiment),
        "seed": run.seed,
        "split": {part: split[part] for part in ("train", "val")},
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


def _resume(trainer: DeepracTrainer) -> bool:
    """Go on from the newest checkpoint that can be read; return whether there is one.

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
        return True
    if damaged is not None:
        raise damaged
    return False
