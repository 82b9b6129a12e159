"""run.json, who computed a run and at what cost, and summary/runs.csv, made of it."""

from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.errors import MetricsError
from deeprac.files import read_json
from deeprac.fitting import size_text
from deeprac.records.inference import PREDICT
from deeprac.records.run_key import IDENTITY, RunKey

RUN_SCHEMA = 1
"""Version of the entries of run.json."""

TRAINING_DICE = "training_dice"
"""Entry of run.json with the final network's Dice on slices of training patients, by
label; those of older versions lack it."""

PRETRAINING = "pretraining"
"""Entry of run.json with the training that it started from (``Source.identity``); not
there where it started from scratch."""

OTHER_CASES = "other_cases"
"""Entry of run.json with the cases of another cohort that a share of its slices came
from (``OtherCases.identity``); not there where it trained on its own cohort alone."""

SIZES = ("matrix_size", "network_input_size")
SETTINGS = (
    *SIZES,
    *("batch_size", "epochs", "iterations_per_epoch", "optimiser", "learning_rate"),
)
"""Settings that all runs of an experiment share."""

COST = (
    *("training_seconds", "epoch_seconds_median", "data_wait_share"),
    *("gpu_peak_allocated_gib", "gpu_peak_reserved_gib", "host_peak_gib"),
    *("step_flops", "step_saved_bytes", "parameters"),
)
"""What a run cost to train."""

TIMES = (
    *("training_seconds", "epoch_seconds_median", "data_wait_share"),
    "predict_seconds",
)
"""What says nothing of a run that shared its machine."""

FLOAT32, MIXED = "float32", "mixed"
"""Precisions in which saved bytes are counted; the first before run.json named it.
Mixed: half where autocast says so, as on a GPU."""

RUN_COLUMNS = (
    *("cohort", "experiment", "method", "matrix", *SIZES, "batch_size", "fold", "seed"),
    *("training_patients", "device", "device_name"),
    *("epochs", "iterations_per_epoch", "optimiser", "learning_rate"),
    *(*COST, "step_precision", *PREDICT),
    *("segments", "shared_machine", "git_commit", "git_dirty"),
)
"""Columns of summary/runs.csv: one row per run. Times are there of all runs, those that
shared their machine too; :func:`without_shared_times` leaves them out."""


def read_run(path: Path, key: RunKey) -> dict[str, Any]:
    """Read run.json.

    Raises:
        MetricsError: It is missing, of another schema or of another run.
    """
    if not path.is_file():
        raise MetricsError(
            f"The run's own record is missing: {path}. {key.again('train')}"
        )
    run = read_json(path)
    if run.get("schema") != RUN_SCHEMA:
        raise MetricsError(
            f"{path} has schema {run.get('schema')!r}; this version reads "
            f"{RUN_SCHEMA}. {key.again('train')}"
        )
    for column in IDENTITY:
        if run.get(column) != getattr(key, column):
            raise MetricsError(
                f"{path} belongs to {column} {getattr(key, column)!r} but says "
                f"{run.get(column)!r}. {key.again('train')}"
            )
    return run


def run_row(run: dict[str, Any], path: Path) -> dict[str, Any]:
    """Row of runs.csv: ``RUN_COLUMNS`` but ``PREDICT`` and ``shared_machine``.

    Args:
        run: content of run.json.
        path: where it is from.

    Raises:
        MetricsError: An entry is missing.
    """
    try:
        on_cpu = run["device"]["type"] == "cpu"
        # Of what did the work: times are comparable on equal ones.
        name = run["host"]["processor"] if on_cpu else run["device"]["name"]
        return {
            **{name: run[name] for name in (*IDENTITY, "method", "matrix")},
            **{name: run["settings"][name] for name in SETTINGS},
            **{name: size_text(run["settings"][name]) for name in SIZES},
            # Folds may differ by one patient, so it is none of the shared settings.
            "training_patients": run["settings"]["training_patients"],
            "device": run["device"]["type"],
            "device_name": name,
            **{name: run["cost"][name] for name in COST},
            "step_precision": run["cost"].get("step_precision", FLOAT32),
            "segments": len(run["segments"]),
            "git_commit": run["git"]["commit"],
            "git_dirty": run["git"]["dirty"],
        }
    except (KeyError, TypeError) as error:
        raise MetricsError(
            f"{path} lacks the entry {error}. It was written by another version: train "
            "this run again."
        ) from error


def without_shared_times(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs.csv with ``TIMES`` empty where the machine was shared."""
    shared = runs.shared_machine.astype(bool)
    times = list(TIMES)
    return runs.assign(**runs[times].mask(shared))
