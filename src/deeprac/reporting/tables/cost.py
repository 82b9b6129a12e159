"""What each experiment costs to train."""

from deeprac.records.runs import COST
from deeprac.reporting import formats
from deeprac.reporting.aggregate import GIB
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import (
    Part,
    Table,
    conditions_note,
    extent_note,
    identified,
    number,
    row_columns,
    words,
)

RATIOS = ("time_ratio", "memory_ratio", "flops_ratio", "saved_ratio")

MEASURED = (
    *row_columns(),
    number("n_runs", "Runs"),
    number("training_seconds", "fold", formats.duration, group="Time"),
    number("time_ratio", "ratio", formats.ratio, group="Time"),
    number("epoch_seconds_median", "epoch", formats.duration, group="Time"),
    number("data_wait_share", "waiting, %", formats.percent, group="Time"),
    number("gpu_peak_allocated_gib", "allocated", formats.gib, group="GPU GiB"),
    number("gpu_peak_reserved_gib", "reserved", formats.gib, group="GPU GiB"),
    number("host_peak_gib", "GiB", formats.gib, group="Host"),
    number("memory_ratio", "ratio", formats.ratio, group="Memory"),
)
SAVED = "Saved for backward"
COUNTED = (
    *row_columns(),
    number("n_runs", "Runs"),
    number("step_flops", "T/step", formats.in_units(1e12), group="FLOP"),
    number("flops_ratio", "ratio", formats.ratio, group="FLOP"),
    number("step_saved_bytes", "GiB", formats.in_units(GIB), group=SAVED),
    number("saved_ratio", "ratio", formats.ratio, group=SAVED),
    number("parameters", "M", formats.in_units(1e6), group="Parameters"),
    words("device_name", "Device"),
)

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


def cost_table(summary: Summary) -> Table:
    """Time, memory, operations and parameters of each experiment."""
    rows = summary.rows
    # The order of the groups decides the last bit of their means.
    groups = summary.runs.sort_values("experiment", kind="stable").groupby("experiment")
    means = groups[list(COST)].mean().reindex(rows.experiment)
    means.insert(0, "n_runs", groups.size())
    ratios = rows.set_index("experiment")[["device_name", "n_patients", *RATIOS]]
    table = means.join(ratios).reset_index()
    shown = identified(table, rows)
    return Table(
        name="cost",
        title=f"Cost of training. Cohort {summary.config.cohort.name}.",
        rows=table,
        parts=(Part(MEASURED, shown), Part(COUNTED, shown)),
        notes=(extent_note(rows), conditions_note(rows), *NOTES),
    )
