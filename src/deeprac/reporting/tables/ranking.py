"""How stable the ranking of the experiments is over patients."""

import pandas as pd

from deeprac.evaluation.metrics.regions import regions_titled
from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.evaluation.statistics.patients import on_common_runs, patient_means
from deeprac.evaluation.statistics.ranking import bootstrap_ranks, kendall_tau
from deeprac.records.catalogue import METRICS
from deeprac.reporting import formats
from deeprac.reporting.roles import longest_trained
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    convention_note,
    extent_note,
    identified,
    number,
    row_columns,
    small_note,
)

RANKED = ("dice", "nsd_2mm")
"""Metrics that rank. Both are 0 where a prediction is empty; distances are undefined
there, and would rank a method better for finding nothing."""

COLUMNS = (
    *("label", "metric", "experiment", "n", "n_left_out", "mean"),
    *("rank", "rank_low", "rank_high", "p_rank_1"),
    *("kendall_tau", "kendall_tau_low", "kendall_tau_high"),
)

RESAMPLED = "Ranks of resamples"
READ = (
    number("rank", "Rank", formats.whole, frozen=True),
    *row_columns(),
    number("n", "n", group="Patients"),
    number("n_left_out", "left out", group="Patients"),
    number("mean", "Mean, %", formats.percent),
    Column("95 %", ("rank_low", "rank_high"), "{:.0f} to {:.0f}".format, RESAMPLED),
    number("p_rank_1", "first, %", formats.percent_1, group=RESAMPLED),
)

NOTES = (
    "Experiments with all training patients, ranked by their mean over the patients "
    "that all of them have a value for (n). Patients are resampled "
    f"{RESAMPLES:,} times and "
    "the experiments ranked anew: range of 95 % of the ranks, and share of the "
    "resamples in which an experiment is first (equals share the better rank).",
    "Kendall's tau: agreement of the ranking with those of the resamples, median and "
    "range of 95 %; 1 is the same order.",
)


def ranking_table(summary: Summary) -> Table:
    """Ranks with their uncertainty.

    Returns:
        One row per label, metric and experiment, columns ``COLUMNS``, best first; to
        read, one part per label and metric.
    """
    config, rows, cases = summary.config, summary.rows, summary.cases
    everyone = [
        name
        for name in longest_trained(config)
        if config.experiments[name].training_patients is None
    ]
    cases = cases[cases.experiment.isin(everyone)]
    ranked, parts = [], []
    for region in regions_titled(cases.label):
        for metric in (METRICS[name] for name in RANKED if name in cases):
            table = _ranked(cases[cases.label == region.title], metric.name)
            table.insert(0, "label", region.title)
            if table["n"].any():
                tau = table.filter(like="tau").iloc[0].map(formats.ratio)
                heading = f"{metric.title}: {region.title.replace('_', ' ')}"
                heading += ", Kendall's tau {} [{}, {}]".format(*tau)
                parts.append(Part(READ, identified(table, rows), heading))
            ranked.append(table)
    return Table(
        name="ranking",
        title=f"Ranking of the experiments and its stability. Cohort "
        f"{config.cohort.name}.",
        rows=pd.concat(ranked, ignore_index=True)[list(COLUMNS)],
        parts=tuple(parts),
        notes=(
            extent_note(rows),
            *NOTES,
            convention_note(config),
            *small_note(rows.n_patients.max()),
        ),
    )


def _ranked(cases: pd.DataFrame, metric: str) -> pd.DataFrame:
    scores = patient_means(on_common_runs(cases, metric), metric, "experiment")
    table = bootstrap_ranks(scores, column=metric)
    tau = kendall_tau(scores, column=metric)
    return table.assign(
        metric=metric,
        kendall_tau=tau.value,
        kendall_tau_low=tau.low,
        kendall_tau_high=tau.high,
    ).sort_values("rank", kind="stable", ignore_index=True)
