"""Seconds of one training step: stock nnU-Net, plain, and every experiment, in turn.

    python benchmarks/training_step.py                              # the paper's sizes
    python benchmarks/training_step.py --config config/demo.yaml    # a CPU's

Every round takes one step of each, so that a busy moment meets all of them; the median
is of the rounds. ``stock`` is nnU-Net's own ``train_step`` and optimiser on the plain
network, eager, and compiled where there is a GPU, as nnU-Net does by default. The
slices are noise: a step takes the same time whatever they show. Where an experiment
augments, its step includes that of its batch. ``--json`` prints one line per step,
matrix by matrix.
"""

import argparse
import contextlib
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import Config, load_config
from deeprac.layout import Layout
from deeprac.training.step import dry_copy, nominal_trainer
from deeprac.training.trainer import DeepracTrainer

ROOT = Path(__file__).parents[1]
Step = Callable[[], Any]
WARM_UP = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="*", help="default: all")
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "costs.yaml")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    config = load_config([args.config])
    names = args.experiments or list(config.experiments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = device.type == "cuda"  # as every training does
    by_matrix: dict[str, list[str]] = {}
    for name in names:
        by_matrix.setdefault(config.experiment(name).matrix, []).append(name)
    for matrix, group in by_matrix.items():
        with tempfile.TemporaryDirectory() as folder:
            rows = measured(config, group, device, Path(folder), args.rounds)
        report(matrix, rows, as_json=args.json)
        # Graphs and trainers hold each other, and the GPU's memory.
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def measured(
    config: Config, names: list[str], device: torch.device, folder: Path, rounds: int
) -> dict[str, dict[str, Any]]:
    """Measure a step of each experiment at one matrix.

    Returns:
        By what was measured: ``ms``, the median of a step, and ``state``, whether it
        was captured, or an error.
    """
    steps: dict[str, Step] = {}
    states: dict[str, Callable[[], str]] = {}
    for name in names:
        trainer = initialised(config, name, device, folder)
        steps[name] = step_of(trainer)
        states[name] = partial(getattr, trainer.captured, "state")
    if config.methods[config.experiment(names[0]).method].is_plain:
        for how in ("eager", "compiled") if device.type == "cuda" else ("eager",):
            trainer = initialised(config, names[0], device, folder)
            trainer.optimizer = stock_optimiser(trainer)
            if how == "compiled":
                trainer.network = torch.compile(trainer.network)
            data, *target = noise(trainer)
            batch = {"data": data, "target": target}
            steps[f"stock, {how}"] = partial(nnUNetTrainer.train_step, trainer, batch)
    taken: dict[str, list[float]] = {name: [] for name in steps}
    failed = {}
    for number in range(rounds + WARM_UP):
        for name in [name for name in steps if name not in failed]:
            try:
                seconds = timed(steps[name], device)
            except Exception as error:  # such as no compiler: the others go on
                failed[name] = str(error).splitlines()[0]
                continue
            if number >= WARM_UP:  # libraries choose, graphs are recorded
                taken[name].append(1e3 * seconds)
    return {
        name: {"ms": None, "state": f"failed: {failed[name]}"}
        if name in failed
        else {
            "ms": round(statistics.median(values), 3),
            "state": states[name]() if name in states else "nnU-Net's",
        }
        for name, values in taken.items()
    }


def stock_optimiser(trainer: DeepracTrainer) -> torch.optim.Optimizer:
    """Return nnU-Net's own optimiser, with its own defaults."""
    return torch.optim.SGD(
        trainer.network.parameters(),
        trainer.initial_lr,
        weight_decay=trainer.weight_decay,
        momentum=0.99,
        nesterov=True,
    )


def timed(take: Step, device: torch.device) -> float:
    """Seconds of one step, on a GPU of four in a row, each."""
    count = 4 if device.type == "cuda" else 1
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(count):
        take()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / count


def initialised(
    config: Config, name: str, device: torch.device, folder: Path
) -> DeepracTrainer:
    """Return a trainer with network, optimiser and loss."""
    configure_nnunet(Layout(folder), workspace=folder, data_workers=0)
    return dry_copy(nominal_trainer(config, config.experiment(name), device=device))


def step_of(trainer: DeepracTrainer) -> Step:
    """Return what takes a step, augmentation included."""
    tensors = noise(trainer)
    with contextlib.redirect_stdout(sys.stderr):  # which nnU-Net tells its choices
        augment = trainer.batched_augmentation()
    if augment is None:
        return partial(trainer.take_step, *tensors)
    labels = tensors[-len(trainer.level_sizes())]

    def augmented() -> None:
        slices, *_ = augment(tensors[0], labels)
        trainer.take_step(slices, *tensors[1:])

    return augmented


def noise(trainer: DeepracTrainer) -> list[torch.Tensor]:
    """Return a batch of the run's sizes: noise, and labels of every class."""
    slices, *others = trainer.empty_step()
    generator = torch.Generator().manual_seed(0)
    slices.normal_(generator=generator)
    classes, levels = len(trainer.labels.numbers), len(trainer.level_sizes())
    for labels in others[-levels:]:
        labels.random_(0, classes, generator=generator)
    return [trainer.pinned(tensor) for tensor in (slices, *others)]


def report(matrix: str, rows: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    """Print milliseconds and the ratio to the plain network of the matrix."""
    plain = next(iter(rows.values()))["ms"]
    for name, row in rows.items():
        ratio = round(row["ms"] / plain, 3) if row["ms"] and plain else None
        record = {"matrix": matrix, "step": name, **row, "ratio": ratio}
        line = f"{matrix:10}{name:24}{row['ms'] or 0:10.2f} ms{ratio or 0:8.3f}"
        line += f"   {row['state']}"
        print(json.dumps(record) if as_json else line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
