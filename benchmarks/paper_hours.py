"""GPU-hours of the paper's 40 trainings, from measured seconds of a step.

    python benchmarks/paper_hours.py resources/released/costs_h100
    python benchmarks/paper_hours.py results/gpu/steps.jsonl

Eight rows, five folds, 1000 epochs of 250 steps. The argument is a release, whose
records say how long an epoch took, or what training_step.py printed with ``--json``.
Hours compare on one kind of GPU only. Where a row with augmentation was not measured,
its steps are taken for those of the row without.
"""

import argparse
import json
import sys
from pathlib import Path

from deeprac.config import load_config

FOLDS, EPOCHS, STEPS = 5, 1000, 250
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Print the hours of each row and of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measured", type=Path)
    args = parser.parse_args()
    seconds = of_release(args.measured) if args.measured.is_dir() else of_steps(
        args.measured
    )  # fmt: skip
    config = load_config([ROOT / "config" / "costs.yaml"])
    total = 0.0
    for name, row in config.experiments.items():
        source = name if name in seconds else f"{row.matrix}_nnunet"
        if not config.methods[row.method].augment and source != name:
            sys.exit(f"{args.measured} has no step of {name}: measure it first.")
        hours = seconds[source] * FOLDS * EPOCHS * STEPS / 3600
        total += hours
        note = "" if source == name else f"   (as {source})"
        print(f"{name:28}{1e3 * seconds[source]:9.2f} ms{hours:9.1f} h{note}")
    print(f"{'all 40 trainings':28}{total:21.1f} h")


def of_steps(path: Path) -> dict[str, float]:
    """Seconds of a step by experiment, as training_step.py printed them."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["step"]: row["ms"] / 1e3 for row in records if row["ms"] is not None}


def of_release(folder: Path) -> dict[str, float]:
    """Seconds of a step by experiment, from the records of trainings."""
    found = {}
    for path in sorted(folder.rglob("run.json")):
        run = json.loads(path.read_text())
        steps = run["settings"]["iterations_per_epoch"]
        found[run["experiment"]] = run["cost"]["epoch_seconds_median"] / steps
    return found


if __name__ == "__main__":
    sys.exit(main())
