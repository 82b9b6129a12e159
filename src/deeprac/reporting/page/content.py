"""The tables on the page by tab, in their order."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from deeprac.config import Config
from deeprac.evaluation.cohort import QUANTITIES, STATISTICS
from deeprac.files import csv_text
from deeprac.records.catalogue import METRICS
from deeprac.reporting import formats
from deeprac.reporting.aggregate import GIB
from deeprac.reporting.page.document import PageTable
from deeprac.reporting.page.failures import REASONS, counted, failures
from deeprac.reporting.page.tables import from_frame, from_table
from deeprac.reporting.roles import used_matrices
from deeprac.reporting.style import experiment_style
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables import all_tables
from deeprac.reporting.tables.table import (
    Column,
    Show,
    convention_note,
    number,
    shown_columns,
    words,
)

TAB_OF = {"statistics": "statistics", "comparisons": "statistics"}
TAB_OF |= {"ranking": "statistics", "cost": "cost"}
TAB_OF |= {"gates": "statistics", "budget": "statistics", "mechanism": "statistics"}
"""Tabs of the tables that are no results."""

MOST_ROWS = 7_000
"""Rows of cases that the page holds, about 5 MB."""

QUANTITY_TITLES = {
    "age_years": "Age, years",
    "size_x": "Size left-right, voxels",
    "size_y": "Size anterior-posterior, voxels",
    "size_z": "Slices",
    "spacing_x_mm": "Spacing left-right, mm",
    "spacing_y_mm": "Spacing anterior-posterior, mm",
    "spacing_z_mm": "Slice spacing, mm",
    "kidney_ml": "Kidney, ml",
    "tumour_ml": "Tumour, ml",
}

COSTS = (
    number("training_seconds", "Training, s", "{:.1f}".format),
    number("epoch_seconds_median", "Epoch, s", "{:.1f}".format),
    number("data_wait_share", "Waiting for data, %", formats.percent_1),
    number("gpu_peak_allocated_gib", "GPU allocated, GiB", formats.gib),
    number("gpu_peak_reserved_gib", "GPU reserved, GiB", formats.gib),
    number("host_peak_gib", "Host, GiB", formats.gib),
    number("step_flops", "FLOP per step, T", formats.in_units(1e12)),
    number("step_saved_bytes", "Saved, GiB per step", formats.in_units(GIB)),
    number("parameters", "Parameters", "{:.0f}".format),
    words("step_precision", "Saved in"),
    number("predict_seconds", "Predict, s per case", "{:.2f}".format, optional=True),
    number("predict_gpu_gib", "Predict, GPU GiB", formats.gib, optional=True),
    number("segments", "Segments", "{:.0f}".format),
    words("shared_machine", "Shared machine", show=lambda is_: "yes" if is_ else "no"),
)
"""The costs in runs.csv."""

RUNS = (
    words("experiment", "Experiment"),
    number("fold", "Fold"),
    number("seed", "Seed"),
    words("matrix_size", "Matrix"),
    words("network_input_size", "Input"),
    number("batch_size", "Batch", "{:.0f}".format),
    number("training_patients", "Training patients", "{:.0f}".format),
    *COSTS,
    words("device_name", "Device"),
)


def page_tables(
    summary: Summary, cohort: pd.DataFrame
) -> dict[str, tuple[PageTable, ...]]:
    """All tables of the page by tab; ``cohort`` holds the columns of its summary."""
    tabs: dict[str, list[PageTable]] = {
        "cohort": list(cohort_tables(cohort)),
        "results": [],
        "statistics": [],
        "cases": [_noted(cases_table(summary), summary)],
        "failures": [_noted(table, summary) for table in failure_tables(summary)],
        "cost": [],
    }
    for name, table in all_tables(summary).items():
        shown = from_table(table)
        if shown.grids:  # else there is nothing to see: no selected method crops
            tabs[TAB_OF.get(name, "results")].append(shown)
    tabs["cost"].append(_noted(runs_table(summary.runs), summary))
    return {tab: tuple(tables) for tab, tables in tabs.items()}


def _noted(table: PageTable, summary: Summary) -> PageTable:
    """A table of the page alone, which says too where results are partial."""
    return replace(table, notes=(*filter(None, (summary.partial,)), *table.notes))


def cohort_tables(cohort: pd.DataFrame) -> Iterator[PageTable]:
    """The cohort's distributions, and its tumours by side."""
    counts = cohort[cohort.statistic == "n"].set_index("quantity").value
    n = f"n = {counts['patients']} patients, {counts['cases']} cases."
    wide = cohort[cohort.quantity.isin(QUANTITIES)].pivot(
        index="quantity", columns="statistic", values="value"
    )
    known = [name for name in QUANTITIES if name in wide.index]
    wide = wide.loc[known, list(STATISTICS)].astype(float)
    yield from_frame(
        wide.rename(QUANTITY_TITLES).reset_index(),
        (
            words("quantity", "Quantity"),
            number("n", "Cases with a value", "{:.0f}".format),
            number("min", "Minimum", "{:.4g}".format),
            number("median", "Median", "{:.4g}".format),
            number("max", "Maximum", "{:.4g}".format),
        ),
        name="cohort",
        title="Distributions over all cases of the cohort",
        n=n,
        csv=csv_text(cohort),
    )
    sides = cohort[cohort.quantity == "side"]
    if len(sides):
        yield from_frame(
            sides.assign(value=sides.value.astype(int)),
            (words("statistic", "Side of the tumour"), number("value", "Cases")),
            name="sides",
            title="Cases by side of the tumour",
            n=n,
        )


def cases_table(summary: Summary) -> PageTable:
    """Rows of cases.csv with every metric."""
    cases, more = _lowest(summary.cases)
    return from_frame(
        cases,
        _case_columns(cases, summary.config),
        name="cases",
        title="Every case, label and run",
        n=f"{len(summary.cases)} rows{more}. {summary.extent}.",
        notes=(
            f"{convention_note(summary.config)} NSD: surface Dice.",
            "Shares in percent, as on all of this page; the downloaded file has them "
            "between 0 and 1 at full precision. Filters of number columns take <, >, "
            "<=, >=, = before a number, as shown; names are searched for what is "
            "written.",
        ),
        opens=_opens(cases),
        tall=True,
    )


def failure_tables(summary: Summary) -> Iterator[PageTable]:
    """Failures one by one, and how many there are."""
    cases, threshold = summary.cases, summary.config.statistics.failure_dice
    rows = failures(cases, threshold=threshold)
    shown, more = _lowest(rows)
    yield from_frame(
        counted(rows, cases),
        (
            words(
                "experiment",
                "Method",
                show=named(summary.config).__getitem__,
                frozen=True,
            ),
            words("label", "Label", show=_spaced),
            number("n", "Rows (n)"),
            *(number(reason, reason[0].upper() + reason[1:]) for reason in REASONS),
        ),
        name="failure_counts",
        title="Number of failures by experiment and label",
        n=f"{len(cases)} rows. {summary.extent}.",
        notes=(
            "Missed: reference without prediction. False positive: prediction without "
            "reference. Undefined: Dice does not exist, since neither has the label. "
            f"Low Dice: below {formats.percent(threshold, digits=0)} %. Cut off: part "
            "of the reference lies outside the network's input. One row of n is a "
            "case of one fold and seed; a row can fail in several ways.",
        ),
    )
    yield from_frame(
        shown,
        (
            words("reasons", "How it failed", frozen=True),
            *_case_columns(shown, summary.config),
        ),
        name="failures",
        title="Failures, worst first",
        n=f"{len(rows)} of {len(cases)} rows failed; of n = "
        f"{cases.patient.nunique()} patients, {rows.patient.nunique()} in some way"
        f"{more}.",
        opens=_opens(shown),
        tall=True,
    )


def runs_table(runs: pd.DataFrame) -> PageTable:
    """What every run cost."""
    return from_frame(
        runs,
        shown_columns(RUNS, runs),
        name="runs",
        title="Cost of every run",
        n=f"n = {len(runs)} runs.",
        csv=csv_text(runs),
        tall=True,
        notes=(
            "Training: all epochs with their validation, without start-up; epoch: "
            "their median, without the first. Memory: "
            "peak of the training process. Step: one training step at the run's real "
            "sizes, counted and not timed; saved: tensors kept for the backward pass. "
            "Shared machine: another run was trained beside it, and its times, which "
            "do not compare, are left out. Predict: median over the held-out cases.",
        ),
    )


def _lowest(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows that the page has room for, in their order, and what is said of it."""
    if len(rows) <= MOST_ROWS:
        return rows, ""
    place = np.argsort(np.argsort(rows.dice.to_numpy(), kind="stable"))
    return rows[place < MOST_ROWS], (
        f"; the {MOST_ROWS:,} with the lowest Dice are here, all in summary/cases.csv"
    )


def _opens(cases: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    return tuple(zip(cases.case, cases.experiment, strict=True))


def named(config: Config) -> dict[str, str]:
    """The method of each experiment in words, with its matrix where there are several.

    Two experiments of the same words have their own names behind these.
    """
    several = len(used_matrices(config)) > 1
    titles = {
        name: experiment_style(config, name).name
        + f" ({config.experiments[name].matrix})" * several
        for name in config.run.experiments
    }
    twice = Counter(titles.values())
    return {
        name: title + f" ({name})" * (twice[title] > 1)
        for name, title in titles.items()
    }


def _spaced(label: str) -> str:
    return label.replace("_", " ")


def _case_columns(cases: pd.DataFrame, config: Config) -> Iterator[Column]:
    method = named(config).__getitem__
    yield words("experiment", "Method", show=method, frozen=True)
    yield words("case", "Case", frozen=True)
    yield words("label", "Label", show=_spaced, frozen=True)
    yield words("patient", "Patient")
    yield number("fold", "Fold")
    yield number("seed", "Seed")
    for name, metric in METRICS.items():
        if name in cases:
            show: Show = partial(formats.metric, kind=metric.kind)
            whole = metric.kind == "count"  # of one case
            yield number(name, metric.heading, formats.whole if whole else show)
