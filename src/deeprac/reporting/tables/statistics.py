"""The full statistics: every metric of every experiment over patients and seeds."""

from functools import partial

import pandas as pd

from deeprac.evaluation.statistics.descriptive import describe
from deeprac.evaluation.statistics.estimates import NAN, RESAMPLES
from deeprac.records.catalogue import METRICS, Metric
from deeprac.reporting import formats
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    conditions_note,
    convention_note,
    extent_note,
    identified,
    number,
    row_columns,
    small_note,
)

READ = tuple(
    metric for metric in METRICS.values() if metric.better or "error" in metric.name
)
"""Metrics of the readable parts; volumes and numbers of lesions are in the CSV."""

BY_OVERLAP = 3
"""Schema of metrics from which on an overlap is asked of a lesion that is detected."""

LESIONS_NOTE = (
    "Lesions: parts of at least 0.065 ml; one is detected when it and the predicted "
    "ones that touch it have a tenth of their union in common, and one of the "
    "prediction is false when less than a tenth of it lies in the reference. "
    "Sensitivity: detected lesions of all lesions; both are means per case."
)

NOTES = (
    "Mean over patients and seeds: cases of one patient are averaged first, then "
    "seeds. Undefined: patients without a value, who are in no mean. In part: "
    "patients of n for whom a case or seed has no value; theirs is the mean of the "
    "rest, so a distance does not show that a seed found nothing. SD within a "
    "training: over patients, mean over the trainings; over seeds and folds: of "
    "their means, a fold has its own network and its own patients.",
    "95 % of the method: patients and seeds both drawn at random (two-way random "
    "effects), which one seed has not, over the patients with a value from every "
    f"seed. 95 % of these trainings: bootstrap (BCa, {RESAMPLES:,} resamples of the "
    "patients), which says nothing of other seeds. Median, quartiles and worst 5 % "
    "(the 5th percentile, the 95th where less is better): of the patients' means "
    "over seeds.",
    "Shares are in percent. Empty reference: patients with a case whose reference "
    "lacks the label, and the mean predicted volume there.",
)


def statistics_table(summary: Summary) -> Table:
    """The full statistics.

    Returns:
        Rows of :func:`describe` with the convention of empty labels in a column; to
        read, one part per metric and label.
    """
    config, rows = summary.config, summary.rows
    failure_dice = config.statistics.failure_dice
    table = describe(summary.cases, list(rows.experiment), failure_dice=failure_dice)
    table.insert(3, "empty_labels", config.statistics.empty_labels)
    by_overlap = bool((summary.cases.schema >= BY_OVERLAP).all())
    shown = table.assign(sensitivity=_sensitivity(table) if by_overlap else NAN)
    parts = tuple(
        Part(
            _columns(metric, part),
            identified(part, rows),
            f"{metric.heading}: {label.replace('_', ' ')}",
        )
        for metric in READ
        for label, part in shown[shown.metric == metric.name].groupby(
            "label", sort=False
        )
    )
    return Table(
        name="statistics",
        title=f"All metrics over patients and seeds. Cohort {config.cohort.name}.",
        rows=table,
        parts=parts,
        notes=(
            extent_note(rows),
            conditions_note(rows),
            *NOTES,
            f"Failures: patients with a Dice below {failure_dice:g} "
            "(statistics.failure_dice), counted in each seed.",
            convention_note(config),
            *(LESIONS_NOTE,) * by_overlap,
            *small_note(rows.n_patients.max()),
        ),
    )


def _columns(metric: Metric, rows: pd.DataFrame) -> tuple[Column, ...]:
    def column(title: str, template: str, *keys: str, group: str = "") -> Column:
        show = partial(formats.metrics, template, kind=metric.kind)
        return Column(title, keys, lambda *values: show(values), group)

    dice = metric.name == "dice"
    columns = {
        number("n", "n"): True,
        number("n_undefined", "Undefined"): True,
        number("n_partial", "In part"): (rows.n_partial > 0).any(),
        column("Mean", "{}", "mean"): True,
        column("within a training", "{}", "training_sd", group="SD"): True,
        column("over seeds", "{}", "seed_sd", group="SD"): True,
        column("over folds", "{}", "fold_sd", group="SD"): True,
        column("method", "[{}, {}]", "two_way_low", "two_way_high", group="95 %"): True,
        column("these trainings", "[{}, {}]", "low", "high", group="95 %"): True,
        column(
            "Median [IQR]", "{} [{}, {}]", "median", "quartile_1", "quartile_3"
        ): True,
        column("Worst 5 %", "{}", "worst_5_percent"): metric.better,
        Column("Failures", ("failed", "n_values"), "{} of {}".format): dice,
        number("sensitivity", "Sensitivity, %", formats.percent_1): (
            rows.sensitivity.notna().any()
        ),
    }
    empty = dice and (rows.n_empty_reference > 0).any()
    ml = partial(formats.metric, kind="ml")
    columns |= {
        number("n_empty_reference", "n", group="Empty reference"): empty,
        number(
            "false_positive_ml", "predicted, ml", ml, group="Empty reference"
        ): empty,
    }
    return (*row_columns(), *(column for column, has in columns.items() if has))


def _sensitivity(table: pd.DataFrame) -> pd.Series:
    """Detected lesions of all lesions, in the rows of the detected ones; else NaN."""
    key = ["experiment", "label"]
    lesions = table[table.metric == "reference_lesions"].set_index(key)["mean"]
    lesions = table[key].join(lesions, on=key)["mean"]
    return (table["mean"] / lesions).where(table.metric == "detected_lesions")
