"""CPU seconds and memory of a workflow of many runs: planning, summary and tables.

    python benchmarks/scale.py

Twelve methods at five sizes, with five seeds and five folds: 1500 runs of 60 cases
each, of 300 patients; 6315 jobs. What the runs left is made up: numbers that fit each
other, good for nothing but this. CPU seconds are of one core, and of all processes that
a command starts. ``snakemake --version`` stands for what Snakemake costs by itself; the
last column says how many times that the others are.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from deeprac.config import Config, load_config
from deeprac.files import write_csv, write_json
from deeprac.labels import Label
from deeprac.layout import Layout
from deeprac.records.cases import CaseRow, write_cases
from deeprac.records.catalogue import METRICS
from deeprac.records.made_with import MADE_WITH, made_with
from deeprac.records.metrics import METRIC_COLUMNS, METRICS_SCHEMA
from deeprac.records.run_key import RunKey, selected_runs
from deeprac.records.runs import COST, RUN_SCHEMA
from deeprac.settings.effective import run_settings

ROOT = Path(__file__).parents[1]
METHODS = (
    *("nnunet", "nnunet_augment", "nnunet_augment_wide", "moments", "moments_augment"),
    *("stn", "stn_augment", "stn_crop", "stn_crop_half", "stn_coarse_crop"),
    *("oracle", "stn_oracle_crop"),
)
SIZES = (64, 128, 192, 256, 512)
REGIONS = (Label.KIDNEY.title, Label.TUMOUR.title, "kidney_and_tumour")
JOB = "train_fold:experiment=nnunet_64,seed=0,fold=0"


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        cpu_s: CPU seconds of it and of what it started.
        peak_gb: largest memory of one of these processes.
    """

    cpu_s: float
    peak_gb: float

    def __str__(self) -> str:
        return f"{self.cpu_s:7.1f} CPU s {self.peak_gb:6.2f} GB"


def measured(*command: str, folder: Path) -> Cost:
    """Run a command in a folder on one core.

    Raises:
        SystemExit: it fails; what it said is shown.
    """
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | alone | {"PYTHONPATH": str(ROOT / "src")},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{said.read()[-3000:]}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)


def write_config(folder: Path, *, seeds: int, folds: int, cases: int) -> Path:
    """Write the configuration of the workflow; return its file."""
    names = product(METHODS, SIZES)
    path = folder / "scale.json"
    write_json(
        path,
        {
            "cohort": {"name": "scale", "phantom": {"cases": cases * folds}},
            "splits": {"folds": folds},
            "matrices": {f"m{n}": {"size": n, "batch_size": 8} for n in SIZES},
            "methods": str(ROOT / "config/methods.yaml"),
            "experiments": [
                {"experiment": f"{method}_{n}", "matrix": f"m{n}", "method": method}
                for method, n in names
            ],
            "run": {"seeds": list(range(seeds))},
        },
    )
    # Where Snakemake looks for what comes before it.
    (folder / "config").symlink_to(ROOT / "config")
    return path


def write_results(folder: Path, config: Config) -> None:
    """Write what the runs are said to have left, as far as tables are made of it."""
    layout = Layout(folder / Layout.of(config).root)
    count, folds = config.cohort.phantom.cases, config.splits.folds
    cases = [f"phantom_{number:04d}" for number in range(count)]
    write_cases(layout.cases_csv, map(case_row, cases))
    held_out = [cases[fold::folds] for fold in range(folds)]
    splits = [{"train": sorted(set(cases) - set(val)), "val": val} for val in held_out]
    write_json(layout.splits, splits)
    for number, key in enumerate(selected_runs(config)):
        run, val = key.folder(layout), held_out[key.fold]
        rng = np.random.default_rng(number)
        content = record(config, key, number)
        write_json(run / "run.json", content)
        digest = {MADE_WITH: made_with(config, content)}
        write_csv(run / "metrics.csv", metrics(key, val, rng).assign(**digest))
        costs = {"case": val, "slices": 80, "seconds": rng.random(len(val))}
        write_csv(run / "inference.csv", pd.DataFrame(costs).assign(gpu_peak_gib=1.0))


def case_row(case: str) -> CaseRow:
    """Row of a case in the cohort's table."""
    files = f"imagesTr/{case}_0000.nii.gz", f"labelsTr/{case}.nii.gz"
    size, spacing, checksums = (512, 512, 80), (0.7, 0.7, 3.0), ("0" * 64,) * 2
    return CaseRow(
        case, case, *files, *size, *spacing, 4.0, "left", 150, 80, *checksums
    )


def metrics(key: RunKey, cases: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Metrics of a run that fit each other; the reference of a case is always one."""
    rows = pd.DataFrame(list(product(cases, REGIONS)), columns=["case", "label"])
    tumour, of_kits = rows.label == REGIONS[1], rows.label != REGIONS[0]
    number = rows.case.str[-4:].astype(int)
    true = 50.0 + number + 10 * rows.label.map(REGIONS.index)
    found = true * rng.uniform(0.8, 1.2, len(rows))
    error = found - true
    values = {name: rng.uniform(0.5, 1, len(rows)) for name in METRICS}
    values |= dict.fromkeys(("coverage", "nsd_2mm"), 1.0)
    values |= {"volume_ml": found, "reference_volume_ml": true}
    for kind, signed in (("", error), ("absolute_", error.abs())):
        values[f"{kind}volume_error_ml"] = signed
        values[f"{kind}volume_error_percent"] = 100 * signed / true
    values["nsd_kits"] = pd.Series(values["nsd_kits"]).where(of_kits)
    for name in (name for name, metric in METRICS.items() if metric.kind == "count"):
        values[name] = (tumour * 1.0).where(tumour)
    rows = rows.assign(schema=METRICS_SCHEMA, patient=rows.case, **values)
    return key.sign(rows, METRIC_COLUMNS)


def record(config: Config, key: RunKey, number: int) -> dict:
    """run.json of a run that had an hour to itself."""
    row = config.experiments[key.experiment]
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    stop = start + timedelta(minutes=59)
    method, size = config.methods[row.method], config.matrices[row.matrix].size
    settings = {
        "matrix_size": size,
        "network_input_size": int(size * method.network_input),
        **dict.fromkeys(("batch_size", "epochs", "iterations_per_epoch"), 10),
        **{"optimiser": "sgd", "learning_rate": 0.01, "training_patients": 240},
    }
    return {
        **{"schema": RUN_SCHEMA, "cohort": key.cohort, "experiment": key.experiment},
        **{"method": row.method, "matrix": row.matrix},
        **{"seed": key.seed, "fold": key.fold},
        "device": {"type": "cuda", "name": "a GPU"},
        "host": {"name": "a machine", "processor": "a CPU"},
        "git": {"commit": "0" * 40, "dirty": False},
        "config_sha256": "0" * 64,
        "run_settings": run_settings(config, row),
        "settings": settings,
        "segments": [{"start": start.isoformat(), "stop": stop.isoformat()}],
        "cost": dict.fromkeys(COST, 0.5),
    }


def costs(folder: Path, config: Path) -> Iterator[tuple[str, Cost]]:
    """Measure everything; yield what and how much."""
    snakemake = [str(Path(sys.executable).with_name("snakemake"))]
    deeprac = [sys.executable, "-m", "deeprac"]
    workflow = [*snakemake, "--snakefile", str(ROOT / "Snakefile"), "--configfile"]
    workflow += [config.name, "--dry-run"]
    yield "snakemake --version", measured(*snakemake, "--version", folder=folder)
    yield "dry run of everything", measured(*workflow, folder=folder)
    write_results(folder, load_config([config]))
    for verb in ("summarise", "tables"):
        command = *deeprac, verb, "--config", config.name
        yield f"deeprac {verb}", measured(*command, folder=folder)
    layout = Layout(folder / "results/scale")
    for file in ("nnunet_64/seed0/plans.json", "preprocessed/m64/cases.json"):
        (layout.root / file).parent.mkdir(parents=True, exist_ok=True)
        (layout.root / file).touch()
    job = ("--target-jobs", JOB, "--allowed-rules", "train_fold", "--nolock")
    job += ("--force", "--no-hooks", "--mode", "remote")
    yield "one job of a cluster", measured(*workflow, *job, folder=folder)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--cases", type=int, default=60, help="of each run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_config(folder, **vars(args))
        alone = None
        for what, cost in costs(folder, config):
            alone = alone or cost.cpu_s
            print(f"{what:24}{cost}{cost.cpu_s / alone:8.1f}", flush=True)


if __name__ == "__main__":
    main()
