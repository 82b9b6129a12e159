"""What each experiment costs to train and to segment with."""

import pandas as pd

from deeprac.records.inference import PREDICT
from deeprac.records.runs import COST
from deeprac.reporting import formats
from deeprac.reporting.aggregate import GIB
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.missing import with_missing
from deeprac.reporting.tables.table import (
    MEMORY,
    Column,
    Part,
    Table,
    conditions_note,
    extent_note,
    identified,
    named_kind,
    number,
    row_columns,
    saved_group,
    shown_columns,
    timed_note,
    words,
)

RATIOS = ("time_ratio", "memory_ratio", "flops_ratio", "saved_ratio")

ROWS = ("device_name", "n_patients", "n_timed", "memory_kind", "step_precision")
"""What the table has of the rows of experiments beside the ratios."""

MEASURED = (
    *row_columns(),
    number("n_runs", "all", group="Runs"),
    number("n_timed", "timed", group="Runs"),
    number("training_seconds", "fold", formats.duration, group="Time"),
    number("time_ratio", "ratio", formats.ratio, group="Time"),
    number("epoch_seconds_median", "epoch", formats.duration, group="Time"),
    number("data_wait_share", "waiting, %", formats.percent, group="Time"),
    number(
        "predict_seconds", "s per case", "{:.2f}".format, group="Predict", optional=True
    ),
    number("predict_gpu_gib", "GPU GiB", formats.gib, group="Predict", optional=True),
    number("gpu_peak_allocated_gib", "allocated", formats.gib, group="GPU GiB"),
    number("gpu_peak_reserved_gib", "reserved", formats.gib, group="GPU GiB"),
    number("host_peak_gib", "GiB", formats.gib, group="Host"),
)


def _measured(rows: pd.DataFrame) -> tuple[Column, ...]:
    kind = named_kind(rows.memory_kind, MEMORY)
    ratio = number("memory_ratio", kind, formats.ratio, group="Memory ratio")
    return (*shown_columns(MEASURED, rows), ratio)


def _counted(rows: pd.DataFrame) -> tuple[Column, ...]:
    saved = saved_group(rows)
    return (
        *row_columns(),
        number("n_runs", "Runs"),
        number("step_flops", "T/step", formats.in_units(1e12), group="FLOP"),
        number("flops_ratio", "ratio", formats.ratio, group="FLOP"),
        number("step_saved_bytes", "GiB", formats.in_units(GIB), group=saved),
        number("saved_ratio", "ratio", formats.ratio, group=saved),
        number("parameters", "M", formats.in_units(1e6), group="Parameters"),
        words("device_name", "Device"),
    )


NOTES = (
    "Means over the runs, that is, per fold. Time: training, of the network of La "
    "Barbera et al. with the epochs of its transformers; epoch: median of the epochs "
    "without the first; waiting: share of the time spent waiting for data. "
    "Memory: peaks of the training process, on the GPU as allocated and reserved by "
    "PyTorch, on the host resident.",
    "FLOP and saved bytes are counted for one training step at the run's real sizes, "
    "not timed: they compare on any machine. Saved: tensors kept for the backward "
    "pass. Ratios are to the plain nnU-Net of the same matrix and training patients, "
    "times on the same device only.",
    "Not counted: case_poses.csv, the supervision of learned front ends, computed from "
    "the labels once for all runs of a cohort. It took a quarter of a second per case "
    "of 51 slices of 512 x 512 on one core of an AMD EPYC; benchmarks/case_poses.tsv "
    "has the seconds of a cohort.",
)
PREDICTED = (
    "Predict: median over the held-out cases, from the volume in memory to its labels; "
    "its GPU memory: peak of what tensors took."
)
NOT_PREDICTED = "No run has a time of inference that counts."


def cost_table(summary: Summary) -> Table:
    """Time, memory, operations and parameters of each experiment."""
    rows = summary.rows
    # The order of the groups decides the last bit of their means.
    groups = summary.runs.sort_values("experiment", kind="stable").groupby("experiment")
    means = groups[[*COST, *PREDICT]].mean().reindex(rows.experiment)
    means.insert(0, "n_runs", groups.size())
    ratios = rows.set_index("experiment")[[*ROWS, *RATIOS]]
    table = means.join(ratios).reset_index()
    shown = identified(table, rows)
    predicted = summary.runs.predict_seconds.notna().any()
    cost = Table(
        name="cost",
        title=f"Cost of training and inference. Cohort {summary.config.cohort.name}.",
        rows=table,
        parts=(Part(_measured(shown), shown), Part(_counted(shown), shown)),
        notes=(
            *(extent_note(rows), conditions_note(rows), timed_note(rows)),
            *(*NOTES, PREDICTED if predicted else NOT_PREDICTED),
        ),
    )
    return with_missing(cost, summary, summary.config.experiments)
