"""The paper's tables with our numbers beside the paper's."""

from collections.abc import Callable

import pandas as pd

from deeprac.config import Config
from deeprac.reporting import formats
from deeprac.reporting.published import read_published
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    conditions_note,
    convention_note,
    extent_note,
    row_columns,
    twice,
)

TITLES = {
    "table1": "Size and pose: nnU-Net with and without augmentation or an STN that "
    "normalises pose and size",
    "table2": "Region of interest: a learned crop in front of nnU-Net, at the full and "
    "at a reduced network input",
    "all": "All experiments",
}
"""Tables by file name; table1 and table2 follow the paper."""


def build_tables(config: Config, rows: pd.DataFrame) -> dict[str, Table]:
    """The paper's tables 1 and 2 and the table of all experiments.

    Args:
        config: The configuration of the cohort.
        rows: Result of :func:`deeprac.reporting.aggregate.experiment_rows`.

    Returns:
        Tables by file name.
    """
    published = read_published()
    chosen = {"all": (rows, ())}
    for number in (1, 2):
        wanted = published.index[published.tables.map(lambda t, n=number: n in t)]
        mine = rows[rows.published.isin(wanted)].reset_index(drop=True)
        not_run = [row for row in wanted if row not in set(mine.published)]
        chosen[f"table{number}"] = (mine, tuple(not_run))
    return {
        name: Table(
            name=name,
            title=f"{TITLES[name]}. Cohort {config.cohort.name}.",
            rows=chosen[name][0],
            parts=(
                Part(_results(chosen[name][0]), chosen[name][0]),
                Part(_details(), chosen[name][0]),
            ),
            notes=_notes(config, chosen[name][0], not_run=chosen[name][1]),
        )
        for name in ("table1", "table2", "all")
    }


def _results(rows: pd.DataFrame) -> tuple[Column, ...]:
    return (
        *row_columns(),
        Column("", "n", *twice(lambda r: f"{r.n_patients}")),
        *_both("Time per fold", "training_seconds", formats.duration),
        *_both("Time ratio", "time_ratio", formats.ratio),
        *_memory_columns(rows),
        *_dice_columns("kidney"),
        *_dice_columns("tumour"),
    )


def _details() -> tuple[Column, ...]:
    return (
        *row_columns(),
        Column("", "Cases", lambda r: f"{r.n_cases}"),
        Column("", "Folds", lambda r: f"{r.folds_run}/{r.folds_planned}"),
        Column("", "Seeds", lambda r: f"{r.n_seeds}"),
        Column("Scored patients", "kidney", lambda r: f"{r.kidney_n}"),
        Column("Scored patients", "tumour", lambda r: f"{r.tumour_n}"),
        Column("Coverage", "min, %", lambda r: formats.percent(r.coverage_min)),
        Column("FLOP", "T/step", lambda r: formats.amount(r.step_tflops)),
        Column("FLOP", "ratio", *twice(lambda r: formats.ratio(r.flops_ratio))),
        Column("Saved for backward", "GiB", lambda r: formats.amount(r.step_saved_gib)),
        Column("Saved for backward", "ratio", lambda r: formats.ratio(r.saved_ratio)),
        Column("", "Device", lambda r: r.device),
        Column("", "Budget", _budget),
    )


def _dice_columns(label: str) -> tuple[Column, ...]:
    mean, sd = f"{label}_dice_mean", f"{label}_dice_sd"
    group = f"{label.capitalize()} Dice, %"
    return (
        Column(
            group,
            "ours",
            lambda r: formats.mean_sd(r[mean], r[sd]),
            lambda r: formats.mean_sd(r[mean], r[sd], digits=1),
        ),
        Column(
            group,
            "paper",
            lambda r: formats.mean_sd(r[f"paper_{mean}"], r[f"paper_{sd}"]),
            lambda r: formats.percent(r[f"paper_{mean}"], digits=1),
        ),
    )


def _memory_columns(rows: pd.DataFrame) -> tuple[Column, ...]:
    units = {"host": "GiB host", "gpu_reserved": "GiB GPU"}
    kinds = list(rows.memory_kind.unique())

    def measured(row: pd.Series) -> str:
        text = formats.gib(row.memory_gib)
        mixed = f" {units[row.memory_kind].split()[1]}"
        return text if len(kinds) == 1 else text + mixed

    name = units[kinds[0]] if len(kinds) == 1 else "GiB"
    return (
        Column("Memory", name, *twice(measured)),
        Column("Memory", "paper, GB", lambda r: formats.gib(r.paper_memory_gb)),
        Column("Memory ratio", "ours", lambda r: formats.ratio(r.memory_ratio)),
        Column("Memory ratio", "paper", lambda r: formats.ratio(r.paper_memory_ratio)),
    )


def _both(group: str, name: str, show: Callable[[float], str]) -> tuple[Column, Column]:
    """Our number and the paper's of the same name."""
    return (
        Column(group, "ours", *twice(lambda row: show(row[name]))),
        Column(group, "paper", *twice(lambda row: show(row[f"paper_{name}"]))),
    )


def _budget(row: pd.Series) -> str:
    return f"{row.optimiser}, {row.epochs:.0f} x {row.iterations_per_epoch:.0f}"


def _notes(
    config: Config, rows: pd.DataFrame, *, not_run: tuple[str, ...]
) -> tuple[str, ...]:
    notes = []
    if not_run:
        notes.append(f"Rows of the paper that were not run: {', '.join(not_run)}.")
    if len(rows):
        notes += [extent_note(rows), conditions_note(rows), *_patches(rows)]
    return (
        *notes,
        "Dice: mean (SD) over patients in percent, out of fold; cases of one patient "
        "are averaged first, then seeds. Scored patients: those with a Dice.",
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


def _patches(rows: pd.DataFrame) -> tuple[str, ...]:
    planned = rows.matrix_size.astype(str).str.contains("x").any()
    text = (
        "Height x width: patches at a common spacing, both planned by nnU-Net itself."
    )
    return (text,) if planned else ()
