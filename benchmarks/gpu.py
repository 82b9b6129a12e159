"""Everything that only a GPU can show, in one run of at most nine minutes.

    make gpu                                   # on a GPU, at the paper's sizes
    python benchmarks/gpu.py --tiny            # anywhere: does the script work?

Parts, in the order of what matters, each written as soon as it is known:

``equality.jsonl``   captured steps against steps one by one, of slices and of volumes:
                     largest difference
``steps.jsonl``      seconds of a step of every arm, beside stock nnU-Net
``volume_steps.jsonl``  the same of two arms of volumes
``inference.jsonl``  seconds of a case, beside nnU-Net's own predictor
``trainings/``       ``run.json`` and metrics of the rows at 128, three seeds, at the
                     largest equal budget that fits into the time that is left

``machine.json`` says what they were measured on. Only files of this repository are
read; nothing is fetched.
"""

import argparse
import dataclasses
import gc
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import yaml
from training_step import initialised, noise

from deeprac import provenance
from deeprac.config import Config, load_config
from deeprac.layout import Layout
from deeprac.training.device import describe_device
from deeprac.training.trainer import DeepracTrainer

ROOT = Path(__file__).parents[1]
MINUTES = 9.0
COMPARED_STEPS = 10
"""More than are warmed up, few enough for rounding not to grow."""
ARMS = ("coarse_nnunet", "coarse_stn", "fine_stn_crop", "fine_stn_crop_half")
VOLUMES = ("nnunet", "stn")
"""Methods that are tried on volumes, in cubes of config/perspectives/3d_costs.yaml."""
TRAINED = ("coarse_nnunet", "coarse_nnunet_augment", "coarse_stn")
SEEDS = (0, 1, 2)
OVERHEAD_SECONDS = 12.0
"""Of a training and its prediction beside the steps: imports, loading, saving."""
EPOCHS = 10


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "gpu")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument(
        "--tiny", action="store_true", help="sizes of config/smoke.yaml"
    )
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    path = ROOT / "config" / ("smoke.yaml" if args.tiny else "costs.yaml")
    args.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not args.tiny:
        sys.exit("PyTorch sees no GPU here. `--tiny` runs the script on the CPU.")
    torch.backends.cudnn.benchmark = device.type == "cuda"  # as every training does
    write(args.out / "machine.json", machine(device, path))
    cubes = (
        ROOT / "config/perspectives" / f"3d_{'smoke' if args.tiny else 'costs'}.yaml"
    )
    rows = load_config([cubes]).experiments
    volumes = [name for name, row in rows.items() if row.method in VOLUMES]
    equal = args.out / "equality.jsonl"
    equal.write_text("")
    equality(load_config([path]), ARMS, device, equal)
    equality(load_config([cubes]), volumes, device, equal)
    few = ["--rounds", "3"] if args.tiny else []
    script("training_step.py", path, few, args.out / "steps.jsonl")
    three = [*volumes, "--rounds", "3"]  # a step of them is long
    script("training_step.py", cubes, three, args.out / "volume_steps.jsonl")
    few = ["--slices", "4", "--pixels", "64"] if args.tiny else []
    script("inference.py", path, few, args.out / "inference.jsonl")
    trainings(path, device, args.out, end, tiny=args.tiny)


def machine(device: torch.device, config: Path) -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "device": describe_device(device),
        "software": provenance.software(),
        "git": provenance.git_state(),
        "config": config.name,
    }


def equality(
    config: Config, names: Iterable[str], device: torch.device, out: Path
) -> None:
    """Compare weights after the same steps, captured and one by one.

    Beside it two runs one by one: what a GPU's order of additions makes of rounding.
    """
    for name in names:
        eager, captured = (
            stepped(config, name, device, how) for how in ("off", "auto")
        )
        again = stepped(config, name, device, "off")
        record = {
            "experiment": name,
            "state": captured.captured.state,
            "steps": COMPARED_STEPS,
            "relative_difference": difference(eager, captured),
            "of_two_eager_runs": difference(eager, again),
        }
        append(out, record)
        del eager, captured, again
        gc.collect()  # graphs and trainers hold each other


def difference(one: DeepracTrainer, two: DeepracTrainer) -> float:
    """Largest difference of weights, over the largest weight of their layer."""
    pairs = zip(one.network.parameters(), two.network.parameters(), strict=True)
    found = [
        (first - second).abs().max() / first.abs().max().clamp_min(1e-6)
        for first, second in pairs
    ]
    return float(torch.stack(found).max().detach())  # NaN, if any is


def stepped(
    config: Config, name: str, device: torch.device, capture: str
) -> DeepracTrainer:
    """Return a trainer after steps on noise, the same for every ``capture``."""
    training = dataclasses.replace(config.training, capture=capture)
    config = dataclasses.replace(config, training=training)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        trainer = initialised(config, name, device, Path(folder))
    tensors = noise(trainer)
    torch.manual_seed(1)
    for _ in range(COMPARED_STEPS):
        trainer.take_step(*tensors)
    return trainer


def script(name: str, config: Path, arguments: list[str], out: Path) -> None:
    """Run a benchmark; its lines are kept as they come, and the other parts go on."""
    command = [sys.executable, str(ROOT / "benchmarks" / name), "--json"]
    command += ["--config", str(config), *arguments]
    with out.open("w") as lines:
        code = subprocess.run(command, check=False, stdout=lines).returncode
    count = len(out.read_text().splitlines())
    print(f"{out.name}: {count} records, exit code {code}", flush=True)


def trainings(
    config: Path, device: torch.device, out: Path, end: float, *, tiny: bool
) -> None:
    """Train the rows at 128 with as many steps each as the time allows."""
    steps = steps_within(out / "steps.jsonl", end - time.monotonic(), tiny=tiny)
    if steps < EPOCHS:
        print("No time is left for trainings.")
        return
    with tempfile.TemporaryDirectory() as folder:
        content = yaml.safe_load(config.read_text())
        content["results"] = str(Path(folder) / "results")
        content["training"] = content["training"] | {
            "epochs": EPOCHS,
            "iterations_per_epoch": steps // EPOCHS,
            "validation_iterations": 2,
            "checkpoint_every": EPOCHS,
            "device": device.type,
        }
        budget = Path(folder) / "budget.yaml"
        budget.write_text(yaml.safe_dump(content))
        layout = Layout.of(load_config([budget]))
        for command in ("cohort", "splits", "fingerprint", "case-poses"):
            verb(command, budget)
        verb("preprocess", budget, "--matrix", "coarse")
        # A tiny run shows that the script works: once is enough.
        seeds, rows = (SEEDS[:1], TRAINED[:1]) if tiny else (SEEDS, TRAINED)
        for seed in map(str, seeds):
            for name in rows:
                row = "--experiment", name, "--seed", seed
                verb("plan", budget, *row)
                for command in ("train", "predict", "evaluate"):
                    verb(command, budget, *row, "--fold", "0")
                run = layout.run(name, int(seed), 0)
                kept = out / "trainings" / name / f"seed_{seed}"
                kept.mkdir(parents=True, exist_ok=True)
                for file in ("run.json", "training.csv", "metrics.csv"):
                    shutil.copyfile(run / file, kept / file)
                print(f"trained {name}, seed {seed}: {steps} steps", flush=True)


def steps_within(measured: Path, seconds: float, *, tiny: bool) -> int:
    """Return how many steps each training may take."""
    if tiny:
        return EPOCHS
    records = [json.loads(line) for line in measured.read_text().splitlines()]
    step = {row["step"]: row["ms"] / 1e3 for row in records if row["ms"] is not None}
    if "coarse_nnunet" not in step:
        return 0
    one_of_each = sum(step.get(name, step["coarse_nnunet"]) for name in TRAINED)
    left = seconds - 30 - len(SEEDS) * len(TRAINED) * OVERHEAD_SECONDS
    # Loading and validation take their part beside the steps.
    return int(0.7 * left / (len(SEEDS) * one_of_each))


def verb(name: str, config: Path, *arguments: str) -> None:
    """Run one verb of the package."""
    command = [sys.executable, "-m", "deeprac", name, "--config", str(config)]
    subprocess.run([*command, *arguments], check=True)


def append(path: Path, record: dict[str, Any]) -> None:
    """Add a record to a file and print it."""
    line = json.dumps(record)
    with path.open("a") as file:
        file.write(line + "\n")
    print(line, flush=True)


def write(path: Path, record: dict[str, Any]) -> None:
    """Write one record."""
    path.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
