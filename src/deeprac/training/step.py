"""Cost of training steps at real sizes, of experiments side by side."""

import contextlib
import io
from collections.abc import Iterator
from copy import copy
from functools import partial
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from deeprac.config import Config
from deeprac.fitting import size_text
from deeprac.geometry.pixels import apart
from deeprac.layout import Layout
from deeprac.settings.methods import Experiment
from deeprac.training.cost import GIB, StepCost, step_cost
from deeprac.training.plans import (
    NOMINAL_FINGERPRINT,
    build_plans,
    dataset_json,
    fingerprint_of,
)
from deeprac.training.trainer import DeepracTrainer, build_trainer


def counted_steps(config: Config, experiments: list[str]) -> list[dict[str, Any]]:
    """Count one step of each experiment, with the cohort's sizes where they are known.

    Args:
        config: the whole configuration.
        experiments: their names.

    Returns:
        Records of :func:`experiment_costs`.
    """
    rows = [config.experiment(name) for name in experiments]
    return experiment_costs(config, rows, fingerprint_of(Layout.of(config)))


def measure_step(
    trainer: DeepracTrainer, *, mixed_precision: bool | None = None
) -> StepCost:
    """Count one training step of a trainer at its real sizes, without values.

    Args:
        trainer: of a run.
        mixed_precision: as on a GPU; by default what the trainer's device does.
    """
    if mixed_precision is None:
        mixed_precision = trainer.device.type == "cuda"
    trainer = copy(trainer)
    trainer.device = torch.device("cpu")  # where tensors without values are
    with without_values():
        dry = dry_copy(trainer)
        network: nn.Module = dry.network
        step = partial(dry.loss_of, *dry.empty_step())
        return step_cost(network, step, mixed_precision=mixed_precision)


def nominal_trainer(
    config: Config,
    experiment: Experiment,
    *,
    fingerprint: dict[str, Any] = NOMINAL_FINGERPRINT,
    device: torch.device = torch.device("cpu"),  # noqa: B008  (no state)
) -> DeepracTrainer:
    """Return the trainer of an experiment whose cohort need not exist.

    Args:
        config: the whole configuration.
        experiment: which row.
        fingerprint: content of ``dataset_fingerprint.json``.
        device: where it would train.

    Returns:
        A trainer of fold 0 and seed 0 that is not initialised; see ``dry_copy``.
    """
    plans = build_plans(config, experiment, 0, fingerprint)
    # nnU-Net greets on stdout, which belongs to the caller's result.
    with contextlib.redirect_stdout(io.StringIO()):
        return build_trainer(plans, dataset_json(config, 1), 0, device)


def dry_copy(trainer: DeepracTrainer) -> DeepracTrainer:
    """Return a trainer with network, loss and optimiser of its own.

    Args:
        trainer: of a run; it stays as it is, initialised or not.
    """
    dry = copy(trainer)
    plans, configuration = trainer.plans_manager, trainer.configuration_manager
    classes = len(trainer.labels.numbers)
    with dry.device:
        dry.network = dry.build_network_architecture(
            plans, configuration, 1, classes, True
        ).train()
    dry.loss = dry.build_loss()
    dry.optimizer, _ = dry.configure_optimizers()
    dry.prepare_steps()
    return dry


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Let tensors made inside have shapes and no values: nothing is computed."""
    # What is kept of pixels' centres must not come from here, nor go there.
    with apart(), FakeTensorMode(allow_non_fake_inputs=True):
        yield


def experiment_costs(
    config: Config,
    experiments: list[Experiment],
    fingerprint: dict[str, Any] = NOMINAL_FINGERPRINT,
) -> list[dict[str, Any]]:
    """Count one step of each experiment at its real sizes.

    Args:
        config: the whole configuration.
        experiments: which rows.
        fingerprint: content of ``dataset_fingerprint.json``; only planned matrices
            need that of the cohort.

    Returns:
        One record per experiment with sizes, cost, and ratios to the plain nnU-Net
        (no normaliser, crop or augmentation) at the same matrix where it is among the
        experiments. Saved bytes are there twice: ``step_saved_bytes`` in float32 and
        ``step_saved_bytes_mixed`` in half where autocast says so, as on a GPU.

    Raises:
        PreprocessError: an experiment at a planned matrix, without the cohort's sizes.
    """
    records = [_record(config, experiment, fingerprint) for experiment in experiments]
    plain = {
        record["matrix"]: record
        for record, experiment in zip(records, experiments, strict=True)
        if config.methods[experiment.method].is_plain
    }
    for record in records:
        reference = plain.get(record["matrix"])
        for key in ("step_flops", "step_saved_bytes", "step_saved_bytes_mixed"):
            record[f"{key}_ratio"] = record[key] / reference[key] if reference else None
    return records


def _record(
    config: Config, experiment: Experiment, fingerprint: dict[str, Any]
) -> dict[str, Any]:
    trainer = nominal_trainer(config, experiment, fingerprint=fingerprint)
    cost = measure_step(trainer, mixed_precision=False)
    mixed = measure_step(trainer, mixed_precision=True)
    return {
        "experiment": experiment.name,
        "matrix": experiment.matrix,
        "matrix_size": trainer.settings["matrix_size"],
        "network_input_size": trainer.settings["network_input_size"],
        "batch_size": config.matrices[experiment.matrix].batch_size,
        "step_flops": cost.step_flops,
        "step_saved_bytes": cost.step_saved_bytes,
        "step_saved_bytes_mixed": mixed.step_saved_bytes,
        "parameters": cost.parameters,
    }


def format_costs(records: list[dict[str, Any]]) -> str:
    """Return the records as a text table."""
    header = (
        f"{'experiment':28}{'matrix':>12}{'input':>12}{'batch':>7}{'TFLOP':>9}"
        f"{'ratio':>7}{'float32 GiB':>13}{'ratio':>7}{'mixed GiB':>11}{'ratio':>7}"
        f"{'parameters':>12}"
    )
    lines = [
        "One training step, forward and backward; ratios to the plain nnU-Net at the "
        "same matrix.",
        "GiB: saved for backward, in float32 and in mixed precision, as on a GPU.",
        header,
    ]
    for record in records:
        lines.append(
            f"{record['experiment']:28}{size_text(record['matrix_size']):>12}"
            f"{size_text(record['network_input_size']):>12}{record['batch_size']:7d}"
            f"{record['step_flops'] / 1e12:9.3f}{_ratio(record['step_flops_ratio'])}"
            f"{record['step_saved_bytes'] / GIB:13.3f}"
            f"{_ratio(record['step_saved_bytes_ratio'])}"
            f"{record['step_saved_bytes_mixed'] / GIB:11.3f}"
            f"{_ratio(record['step_saved_bytes_mixed_ratio'])}"
            f"{record['parameters']:12,d}"
        )
    return "\n".join(lines)


def _ratio(value: float | None) -> str:
    return "      -" if value is None else f"{value:7.3f}"
