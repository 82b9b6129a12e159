"""The full statistics: every metric of every experiment over patients."""

import pandas as pd

from deeprac.config import Config
from deeprac.evaluation.statistics.descriptive import describe
from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.records.catalogue import METRICS, Metric
from deeprac.reporting import formats
from deeprac.reporting.tables.table import (
    Cell,
    Column,
    Part,
    Table,
    conditions_note,
    convention_note,
    extent_note,
    identified,
    row_columns,
    small_note,
)

READ = tuple(
    metric for metric in METRICS.values() if metric.better or "error" in metric.name
)
"""Metrics of the readable parts; volumes and numbers of lesions are in the CSV."""

NOTES = (
    "Over patients: cases of one patient are averaged first, then seeds. Undefined: "
    "patients without a value, who are in no mean. In part: patients of n for whom a "
    "case or seed has no value; theirs is the mean of the rest, so a distance does not "
    "show that a seed found nothing. 95 %: bootstrap interval of the mean (BCa, "
    f"{RESAMPLES:,} resamples of the patients). Worst 5 %: the 5th "
    "percentile, the 95th where less is better. SD over seeds and folds: of their "
    "means; a fold has its own network and its own patients.",
    "Shares are in percent. Empty reference: patients with a case whose reference "
    "lacks the label, and the mean predicted volume there.",
)


def statistics_table(config: Config, rows: pd.DataFrame, cases: pd.DataFrame) -> Table:
    """The full statistics.

    Args:
        config: The configuration of the cohort.
        rows: Result of :func:`deeprac.reporting.aggregate.experiment_rows`.
        cases: Columns of summary/cases.csv in the configuration's convention.

    Returns:
        Rows of :func:`describe` with the convention of empty labels in a column; to
        read, one part per metric and label.
    """
    failure_dice = config.statistics.failure_dice
    table = describe(cases, list(rows.experiment), failure_dice=failure_dice)
    table.insert(3, "empty_labels", config.statistics.empty_labels)
    parts = tuple(
        Part(_columns(metric, part), identified(part, rows), _heading(metric, label))
        for metric in READ
        for label, part in table[table.metric == metric.name].groupby(
            "label", sort=False
        )
    )
    return Table(
        name="statistics",
        title=f"All metrics over patients. Cohort {config.cohort.name}.",
        rows=table,
        parts=parts,
        notes=(
            extent_note(rows),
            conditions_note(rows),
            *NOTES,
            f"Failure: Dice below {failure_dice:g} (statistics.failure_dice), among "
            "the patients with a value.",
            convention_note(config),
            *small_note(rows.n_patients.max()),
        ),
    )


def _heading(metric: Metric, label: str) -> str:
    return f"{metric.heading}: {label.replace('_', ' ')}"


def _columns(metric: Metric, rows: pd.DataFrame) -> tuple[Column, ...]:
    def shown(template: str, *names: str) -> Cell:
        return lambda r: formats.metrics(template, [r[n] for n in names], metric.kind)

    columns = [
        *row_columns(),
        Column("", "n", lambda r: f"{r.n}"),
        Column("", "Undefined", lambda r: f"{r.n_undefined}"),
    ]
    if (rows.n_partial > 0).any():
        columns.append(Column("", "In part", lambda r: f"{r.n_partial}"))
    columns += [
        Column("", "Mean (SD)", shown("{} ({})", "mean", "sd")),
        Column("", "95 %", shown("[{}, {}]", "low", "high")),
        Column(
            "",
            "Median [IQR]",
            shown("{} [{}, {}]", "median", "quartile_1", "quartile_3"),
        ),
    ]
    if metric.better:
        columns.append(Column("", "Worst 5 %", shown("{}", "worst_5_percent")))
    if metric.name == "dice":
        columns.append(Column("", "Failures", _failures))
    columns += [
        Column("SD over", "seeds", shown("{}", "seed_sd")),
        Column("SD over", "folds", shown("{}", "fold_sd")),
    ]
    if metric.name == "dice" and (rows.n_empty_reference > 0).any():
        columns += [
            Column("Empty reference", "n", lambda r: f"{r.n_empty_reference}"),
            Column(
                "Empty reference",
                "predicted, ml",
                lambda r: formats.metric(r.false_positive_ml, "ml"),
            ),
        ]
    return tuple(columns)


def _failures(row: pd.Series) -> str:
    if row.n == 0:
        return formats.MISSING
    return f"{row.failures} ({formats.percent(row.failure_rate, digits=1)} %)"
