"""Collect the metrics and costs of all runs into two tidy tables.

Every comparison later rests on these two tables, so whatever would make one unfair ends
here: a missing run or row, a case that one experiment saw and another did not, runs of
one experiment with different settings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.evaluation.checks import (
    check_comparable,
    check_held_out,
    check_rows,
)
from deeprac.evaluation.metrics.table import METRIC_COLUMNS, read_metrics
from deeprac.evaluation.tidy import shortened
from deeprac.files import read_json
from deeprac.fitting import size_text
from deeprac.layout import Layout

SCHEMA = 1
SIZES = ("matrix_size", "network_input_size")
IDENTITY = ("cohort", "experiment", "fold", "seed")
SETTINGS = (
    "matrix_size",
    "network_input_size",
    "batch_size",
    "epochs",
    "iterations_per_epoch",
    "optimiser",
    "learning_rate",
)
COST = (
    "training_seconds",
    "epoch_seconds_median",
    "data_wait_share",
    "gpu_peak_allocated_gib",
    "gpu_peak_reserved_gib",
    "host_peak_gib",
    "step_flops",
    "step_saved_bytes",
    "parameters",
)
RUN_COLUMNS = (
    "cohort",
    "experiment",
    "method",
    "matrix",
    "matrix_size",
    "network_input_size",
    "batch_size",
    "fold",
    "seed",
    "training_patients",
    "device",
    "device_name",
    "epochs",
    "iterations_per_epoch",
    "optimiser",
    "learning_rate",
    *COST,
    "segments",
    "git_commit",
    "git_dirty",
)
"""Columns of summary/runs.csv: one row per run."""


@dataclass(frozen=True)
class RunKey:
    """Names one run: experiment x seed x fold."""

    cohort: str
    experiment: str
    seed: int
    fold: int


def selected_runs(config: Config) -> Iterator[RunKey]:
    """All runs that the configuration selects, in its own order."""
    for experiment in config.run.experiments:
        for seed in config.run.seeds:
            for fold in config.run.folds:
                yield RunKey(config.cohort.name, experiment, seed, fold)


def collect_cases(config: Config, layout: Layout) -> pd.DataFrame:
    """Read and check the metrics of all selected runs.

    Returns:
        One row per experiment, seed, case and label, columns ``METRIC_COLUMNS``.

    Raises:
        MetricsError: A run, row or case is missing, double or inconsistent.
    """
    folds = _read_folds(layout.splits)
    tables = []
    for key in selected_runs(config):
        path = layout.run(key.experiment, key.seed, key.fold) / "metrics.csv"
        remedy = again("evaluate", key)
        table = read_metrics(path, remedy=remedy)
        check_identity(table, key, path, remedy=remedy)
        check_rows(table, path, remedy=remedy)
        check_held_out(table, folds[key.fold], path)
        tables.append(table[list(METRIC_COLUMNS)])
    cases = pd.concat(tables, ignore_index=True)
    check_comparable(cases)
    return cases


def collect_runs(config: Config, layout: Layout) -> pd.DataFrame:
    """Read and check run.json of all selected runs.

    Returns:
        One row per run, columns ``RUN_COLUMNS``.

    Raises:
        MetricsError: A run.json is missing, foreign or does not fit its experiment.
    """
    rows = []
    for key in selected_runs(config):
        path = layout.run(key.experiment, key.seed, key.fold) / "run.json"
        rows.append(_run_row(_read_run(path, key), path))
    runs = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    for experiment, table in runs.groupby("experiment", sort=False):
        for column in ("method", "matrix", *SETTINGS):
            values = [str(value) for value in table[column].unique()]
            if len(values) > 1:
                raise MetricsError(
                    f"All runs of one experiment share their settings; those of "
                    f"{experiment} differ in {column}: {shortened(values)}. "
                    "Remove the run folders of the older settings and train them again."
                )
    return runs


def again(verb: str, key: RunKey) -> str:
    """What the user runs where the table of a run is missing or foreign."""
    return (
        f"Run `deeprac {verb} --experiment {key.experiment} --seed {key.seed} "
        f"--fold {key.fold}` with the config of the cohort."
    )


def _read_folds(splits: Path) -> list[dict[str, list[str]]]:
    if not splits.is_file():
        raise MetricsError(f"The folds are missing: {splits}. Run `deeprac splits`.")
    return read_json(splits)


def check_identity(
    table: pd.DataFrame, key: RunKey, path: Path, *, remedy: str
) -> None:
    """All rows of a run's table belong to the run."""
    for column in IDENTITY:
        expected = getattr(key, column)
        foreign = table[table[column] != expected]
        if len(foreign):
            raise MetricsError(
                f"{path} belongs to {column} {expected!r} but has a row of "
                f"{foreign[column].tolist()[0]!r}. {remedy}"
            )


def _read_run(path: Path, key: RunKey) -> dict[str, Any]:
    if not path.is_file():
        raise MetricsError(
            f"The run's own record is missing: {path}. {again('train', key)}"
        )
    run = read_json(path)
    if run.get("schema") != SCHEMA:
        raise MetricsError(
            f"{path} has schema {run.get('schema')!r}; this version reads {SCHEMA}. "
            f"{again('train', key)}"
        )
    for column in IDENTITY:
        if run.get(column) != getattr(key, column):
            raise MetricsError(
                f"{path} belongs to {column} {getattr(key, column)!r} but says "
                f"{run.get(column)!r}. {again('train', key)}"
            )
    return run


def _device_name(run: dict[str, Any]) -> str:
    """Model of the processor that did the work: times are comparable on equal ones."""
    on_cpu = run["device"]["type"] == "cpu"
    return run["host"]["processor"] if on_cpu else run["device"]["name"]


def _run_row(run: dict[str, Any], path: Path) -> dict[str, Any]:
    try:
        return {
            **{name: run[name] for name in (*IDENTITY, "method", "matrix")},
            **{name: run["settings"][name] for name in SETTINGS},
            **{name: size_text(run["settings"][name]) for name in SIZES},
            # Folds may differ by one patient, so it is none of the shared settings.
            "training_patients": run["settings"]["training_patients"],
            "device": run["device"]["type"],
            "device_name": _device_name(run),
            **{name: run["cost"][name] for name in COST},
            "segments": len(run["segments"]),
            "git_commit": run["git"]["commit"],
            "git_dirty": run["git"]["dirty"],
        }
    except (KeyError, TypeError) as error:
        raise MetricsError(
            f"{path} lacks the entry {error}. It was written by another version: train "
            "this run again."
        ) from error
