"""The paper's tables with our numbers beside the paper's."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from deeprac.reporting import formats
from deeprac.reporting.published import read_published

TITLES = {
    "table1": "Size and pose: nnU-Net with and without augmentation or an STN that "
    "normalises pose and size",
    "table2": "Region of interest: a learned crop in front of nnU-Net, at the full and "
    "at a reduced network input",
    "all": "All experiments",
}
"""Tables by file name; table1 and table2 follow the paper."""


Cell = Callable[[pd.Series], str]
"""Makes the text of one cell from a row of the tidy table."""

METHOD_WIDTH = 34
"""Characters of a method's label that the terminal shows."""


@dataclass(frozen=True)
class Column:
    """One column of a readable table.

    Attributes:
        group: Heading that neighbouring columns share.
        name: Heading of the column.
        cell: Makes the text of a row.
        short: The same in the terminal; None leaves the column out there.
    """

    group: str
    name: str
    cell: Cell
    short: Cell | None = None


@dataclass(frozen=True)
class Table:
    """One table: tidy rows at full precision, readable columns, notes.

    Attributes:
        name: File name.
        title: Caption.
        rows: Tidy rows, one per experiment.
        results: Columns in the paper's layout.
        details: Columns of a second part below: extent, coverage, cost of a step.
        notes: Sentences below.
    """

    name: str
    title: str
    rows: pd.DataFrame
    results: tuple[Column, ...]
    details: tuple[Column, ...]
    notes: tuple[str, ...]


def build_tables(rows: pd.DataFrame, *, cohort: str) -> dict[str, Table]:
    """The paper's tables 1 and 2 and the table of all experiments.

    Args:
        rows: Result of :func:`deeprac.reporting.aggregate.experiment_rows`.
        cohort: Name of the cohort.

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
            title=f"{TITLES[name]}. Cohort {cohort}.",
            rows=chosen[name][0],
            results=_results(chosen[name][0]),
            details=_details(),
            notes=_notes(chosen[name][0], not_run=chosen[name][1]),
        )
        for name in ("table1", "table2", "all")
    }


def _results(rows: pd.DataFrame) -> tuple[Column, ...]:
    return (
        *row_columns(),
        Column("", "n", *_twice(lambda r: f"{r.n_patients}")),
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
        Column("FLOP", "ratio", *_twice(lambda r: formats.ratio(r.flops_ratio))),
        Column("Saved for backward", "GiB", lambda r: formats.amount(r.step_saved_gib)),
        Column("Saved for backward", "ratio", lambda r: formats.ratio(r.saved_ratio)),
        Column("", "Device", lambda r: r.device),
        Column("", "Budget", _budget),
    )


def row_columns() -> tuple[Column, ...]:
    """What says which experiment a row is."""

    def matrix(row: pd.Series) -> str:
        return f"{row.matrix_size}"

    def method(row: pd.Series) -> str:
        label = row.method_label
        fits = len(label) <= METHOD_WIDTH
        return label if fits else label[: METHOD_WIDTH - 1] + "…"

    return (
        Column(
            "", "Matrix", lambda r: f"{matrix(r)}, batch {r.batch_size:.0f}", matrix
        ),
        Column("", "Input", *_twice(lambda r: f"{r.network_input_size}")),
        Column("", "Method", lambda r: r.method_label, method),
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
        Column("Memory", name, *_twice(measured)),
        Column("Memory", "paper, GB", lambda r: formats.gib(r.paper_memory_gb)),
        Column("Memory ratio", "ours", lambda r: formats.ratio(r.memory_ratio)),
        Column("Memory ratio", "paper", lambda r: formats.ratio(r.paper_memory_ratio)),
    )


def _both(group: str, name: str, show: Callable[[float], str]) -> tuple[Column, Column]:
    """Our number and the paper's of the same name."""
    return (
        Column(group, "ours", *_twice(lambda row: show(row[name]))),
        Column(group, "paper", *_twice(lambda row: show(row[f"paper_{name}"]))),
    )


def _twice(cell: Cell) -> tuple[Cell, Cell]:
    """The same text everywhere."""
    return cell, cell


def _budget(row: pd.Series) -> str:
    return f"{row.optimiser}, {row.epochs:.0f} x {row.iterations_per_epoch:.0f}"


def _notes(rows: pd.DataFrame, *, not_run: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    if not_run:
        notes.append(f"Rows of the paper that were not run: {', '.join(not_run)}.")
    if len(rows):
        notes += [extent_note(rows), conditions_note(rows), *_patches(rows)]
    return (
        *notes,
        "Dice: mean (SD) over patients in percent, out of fold; cases of one patient "
        "are averaged first, then seeds. Scored patients: where "
        "reference and prediction are both empty, Dice is undefined and "
        "left out; where exactly one is empty it is 0.",
        "Coverage: smallest share of a case's reference label inside the network "
        "input. Time: training, mean over the runs. Memory: peak of the training "
        "process, on a GPU what PyTorch reserved, else resident host memory. Step: one "
        "training step at the run's real sizes; saved: tensors kept for the backward "
        "pass. Ratios are to the plain nnU-Net of the same matrix, times on the same "
        "device only.",
        "paper: La Barbera et al., ISBI 2021. The paper's cohort is private; numbers "
        "are not directly comparable.",
    )


def extent_note(rows: pd.DataFrame) -> str:
    """How many patients, cases, folds and seeds the rows rest on."""

    def text(column: str) -> str:
        values = sorted(rows[column].unique())
        return " to ".join(str(value) for value in {values[0]: 0, values[-1]: 0})

    return (
        f"n = {text('n_patients')} patients, {text('n_cases')} cases; "
        f"{text('folds_run')} of {text('folds_planned')} folds run, seeds: "
        f"{text('n_seeds')}."
    )


def _patches(rows: pd.DataFrame) -> tuple[str, ...]:
    planned = rows.matrix_size.astype(str).str.contains("x").any()
    text = (
        "Height x width: patches at a common spacing, both planned by nnU-Net itself."
    )
    return (text,) if planned else ()


def conditions_note(rows: pd.DataFrame) -> str:
    """On what and for how long the rows were trained."""
    devices = " / ".join(rows.device_name.unique())
    budgets = " / ".join(
        dict.fromkeys(
            f"{row.optimiser}, learning rate {row.learning_rate:g}, {row.epochs:.0f} "
            f"epochs of {row.iterations_per_epoch:.0f} iterations"
            for _, row in rows.iterrows()
        )
    )
    return f"Device: {devices}. Budget: {budgets}."
