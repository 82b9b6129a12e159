"""The paper's tables with our numbers beside the paper's."""

from functools import partial

import pandas as pd

from deeprac.config import Config
from deeprac.reporting import formats
from deeprac.reporting.published import read_published
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.missing import with_missing
from deeprac.reporting.tables.table import (
    MEMORY,
    Column,
    Part,
    Show,
    Table,
    conditions_note,
    convention_note,
    extent_note,
    named_kind,
    number,
    row_columns,
    saved_group,
    timed_note,
    words,
)

TITLES = {
    "table1": "Size and pose: nnU-Net with and without augmentation or an STN that "
    "normalises pose and size",
    "table2": "Region of interest: a learned crop in front of nnU-Net, at the full and "
    "at a reduced network input",
    "all": "All experiments",
}
"""Tables by file name; table1 and table2 follow the paper."""


SCORED, OVER_SEEDS = "Scored patients", "SD over seeds, points"


def _details(rows: pd.DataFrame) -> tuple[Column, ...]:
    saved = saved_group(rows)
    return (
        *row_columns(),
        number("n_cases", "Cases"),
        Column("Folds", ("folds_run", "folds_planned"), "{}/{}".format),
        number("n_seeds", "Seeds"),
        number("kidney_n", "kidney", group=SCORED),
        number("tumour_n", "tumour", group=SCORED),
        *(
            number(f"{label}_dice_seed_sd", label, formats.percent, group=OVER_SEEDS)
            for label in ("kidney", "tumour")
        ),
        number("coverage_min", "min, %", formats.percent, group="Coverage"),
        number("step_tflops", "T/step", formats.amount, group="FLOP"),
        number(
            "flops_ratio", "ratio", formats.ratio, group="FLOP", short=formats.ratio
        ),
        number("step_saved_gib", "GiB", formats.amount, group=saved),
        number("saved_ratio", "ratio", formats.ratio, group=saved),
        words("device", "Device"),
        Column(
            "Budget",
            ("optimiser", "epochs", "iterations_per_epoch"),
            "{}, {:.0f} x {:.0f}".format,
            number=False,
        ),
    )


def build_tables(summary: Summary) -> tuple[Table, ...]:
    """The paper's tables 1 and 2 and the table of all experiments."""
    published, rows = read_published(), summary.rows
    experiments, tables = summary.config.experiments, []
    for name, title in TITLES.items():
        shown, not_run, named = rows, [], list(experiments)
        if name != "all":
            number_ = int(name.removeprefix("table"))
            wanted = published.index[[number_ in row for row in published.tables]]
            shown = rows[rows.published.isin(wanted)].reset_index(drop=True)
            named = [n for n, row in experiments.items() if row.published in wanted]
            not_run = [row for row in wanted if row not in set(shown.published)]
        table = Table(
            name=name,
            title=f"{title}. Cohort {summary.config.cohort.name}.",
            rows=shown,
            parts=(Part(_results(shown), shown), Part(_details(shown), shown)),
            notes=_notes(summary.config, shown, not_run=not_run),
        )
        tables.append(with_missing(table, summary, named))
    return tuple(tables)


def _results(rows: pd.DataFrame) -> tuple[Column, ...]:
    return (
        *row_columns(),
        number("n_patients", "n", short=str),
        *_both("training_seconds", "Time per fold", formats.duration),
        *_both("time_ratio", "Time ratio", formats.ratio),
        *_memory_columns(rows),
        *_dice_columns("kidney"),
        *_dice_columns("tumour"),
    )


def _both(key: str, group: str, show: Show) -> tuple[Column, Column]:
    """Our number and the paper's of the same name."""
    return (
        number(key, "ours", show, group=group, short=show),
        number(f"paper_{key}", "paper", show, group=group, short=show),
    )


def _dice_columns(label: str) -> tuple[Column, Column]:
    keys = f"{label}_dice_mean", f"{label}_dice_training_sd"
    paper = f"paper_{label}_dice_mean", f"paper_{label}_dice_sd"
    group, brief = f"{label.capitalize()} Dice, %", partial(formats.mean_sd, digits=1)

    def mean(mean: float, _: float) -> str:
        return formats.percent_1(mean)

    return (
        Column("ours", keys, formats.mean_sd, group, short=brief),
        Column("paper", paper, formats.mean_sd, group, short=mean),
    )


def _memory_columns(rows: pd.DataFrame) -> tuple[Column, ...]:
    several = rows.memory_kind.nunique() > 1

    def measured(gib: float, kind: str) -> str:
        return formats.gib(gib) + f" {MEMORY[kind]}" * several

    kind = named_kind(rows.memory_kind, MEMORY)
    keys, ratio = ("memory_gib", "memory_kind"), "Memory ratio"
    return (
        Column(kind, keys, measured, "Memory, GiB", short=measured),
        number("paper_memory_gb", "paper, GB", formats.gib, group="Memory, GiB"),
        number("memory_ratio", "ours", formats.ratio, group=ratio),
        number("paper_memory_ratio", "paper", formats.ratio, group=ratio),
    )


def _notes(
    config: Config, rows: pd.DataFrame, *, not_run: list[str]
) -> tuple[str, ...]:
    notes = []
    if not_run:
        notes.append(f"Rows of the paper that were not run: {', '.join(not_run)}.")
    if len(rows):
        notes += [extent_note(rows), conditions_note(rows), timed_note(rows)]
    if rows.matrix_size.astype(str).str.contains("x").any():
        notes.append(
            "Height x width: patches at a common spacing, both planned by nnU-Net "
            "itself."
        )
    return (
        *notes,
        "Dice: mean (SD) in percent, of cases unseen in training; the mean is over "
        "patients and seeds, cases of one patient averaged first, the SD over "
        "patients within a training, mean over the trainings. Scored "
        "patients: those with a Dice.",
        convention_note(config),
        "Coverage: smallest share of a case's reference label inside the network "
        "input. Time: training, mean over the runs. Memory: peak of the training "
        "process, on a GPU what PyTorch reserved, else resident host memory. Step: one "
        "training step at the run's real sizes; saved: tensors kept for the backward "
        "pass. Ratios are to the plain nnU-Net of the same matrix, times on the same "
        "device only.",
        "paper: La Barbera et al., ISBI 2021. The paper's cohort is private; numbers "
        "are not directly comparable.",
    )
