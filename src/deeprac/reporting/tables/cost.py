"""What each experiment costs to train."""

import pandas as pd

from deeprac.config import Config
from deeprac.records.runs import COST
from deeprac.reporting import formats
from deeprac.reporting.aggregate import GIB
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    conditions_note,
    extent_note,
    identified,
    row_columns,
)

RATIOS = ("time_ratio", "memory_ratio", "flops_ratio", "saved_ratio")

NOTES = (
    "Means over the runs, that is, per fold. Time: training; epoch: median of the "
    "epochs without the first; waiting: share of the time spent waiting for data. "
    "Memory: peaks of the training process, on the GPU as allocated and reserved by "
    "PyTorch, on the host resident.",
    "FLOP and saved bytes are counted for one training step at the run's real sizes, "
    "not timed: they compare on any machine. Saved: tensors kept for the backward "
    "pass. Ratios are to the plain nnU-Net of the same matrix and training patients, "
    "times on the same device only. Inference is not timed.",
)


def cost_table(config: Config, rows: pd.DataFrame, runs: pd.DataFrame) -> Table:
    """Time, memory, operations and parameters of each experiment.

    Args:
        config: The configuration of the cohort.
        rows: Result of :func:`deeprac.reporting.aggregate.experiment_rows`.
        runs: Columns of summary/runs.csv.
    """
    runs = runs.sort_values(["experiment", "seed", "fold"])
    groups = runs.groupby("experiment")
    means = groups[list(COST)].mean().reindex(rows.experiment)
    means.insert(0, "n_runs", groups.size())
    ratios = rows.set_index("experiment")[["device_name", "n_patients", *RATIOS]]
    table = means.join(ratios).reset_index()
    shown = identified(table, rows)
    return Table(
        name="cost",
        title=f"Cost of training. Cohort {config.cohort.name}.",
        rows=table,
        parts=(Part(_measured(), shown), Part(_counted(), shown)),
        notes=(extent_note(rows), conditions_note(rows), *NOTES),
    )


def _measured() -> tuple[Column, ...]:
    return (
        *row_columns(),
        Column("", "Runs", lambda r: f"{r.n_runs}"),
        Column("Time", "fold", lambda r: formats.duration(r.training_seconds)),
        Column("Time", "ratio", lambda r: formats.ratio(r.time_ratio)),
        Column("Time", "epoch", lambda r: formats.duration(r.epoch_seconds_median)),
        Column("Time", "waiting, %", lambda r: formats.percent(r.data_wait_share)),
        Column("GPU GiB", "allocated", lambda r: formats.gib(r.gpu_peak_allocated_gib)),
        Column("GPU GiB", "reserved", lambda r: formats.gib(r.gpu_peak_reserved_gib)),
        Column("Host", "GiB", lambda r: formats.gib(r.host_peak_gib)),
        Column("Memory", "ratio", lambda r: formats.ratio(r.memory_ratio)),
    )


def _counted() -> tuple[Column, ...]:
    return (
        *row_columns(),
        Column("", "Runs", lambda r: f"{r.n_runs}"),
        Column("FLOP", "T/step", lambda r: formats.amount(r.step_flops / 1e12)),
        Column("FLOP", "ratio", lambda r: formats.ratio(r.flops_ratio)),
        Column(
            "Saved for backward",
            "GiB",
            lambda r: formats.amount(r.step_saved_bytes / GIB),
        ),
        Column("Saved for backward", "ratio", lambda r: formats.ratio(r.saved_ratio)),
        Column("Parameters", "M", lambda r: formats.amount(r.parameters / 1e6)),
        Column("", "Device", lambda r: r.device_name),
    )
