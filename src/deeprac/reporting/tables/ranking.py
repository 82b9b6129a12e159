"""How stable the ranking of the experiments is over patients and over seeds."""

import pandas as pd

from deeprac.evaluation.metrics.regions import regions_titled
from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.evaluation.statistics.patients import on_common_runs, patient_means
from deeprac.evaluation.statistics.ranking import (
    bootstrap_ranks,
    kendall_tau,
    seed_ranks,
    seeds_tau,
)
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
    *("n_seeds", "seed_rank_low", "seed_rank_high"),
    *("kendall_tau", "kendall_tau_low", "kendall_tau_high"),
    *("seed_tau", "seed_tau_low", "seed_tau_high"),
)

RESAMPLED, SEEDS = "Ranks of resamples", "Ranks of seeds"
READ = (
    number("rank", "Rank", formats.whole, frozen=True),
    *row_columns(),
    number("n", "n", group="Patients"),
    number("n_left_out", "left out", group="Patients"),
    number("mean", "Mean, %", formats.percent),
    Column("95 %", ("rank_low", "rank_high"), "{:.0f} to {:.0f}".format, RESAMPLED),
    number("p_rank_1", "first, %", formats.percent_1, group=RESAMPLED),
    Column(
        "range", ("seed_rank_low", "seed_rank_high"), "{:.0f} to {:.0f}".format, SEEDS
    ),
    number("n_seeds", "seeds", group=SEEDS),
)

NOTES = (
    "Experiments with all training patients, ranked by their mean over the patients "
    f"that all of them have a value for (n). Patients are resampled {RESAMPLES:,} "
    "times and the experiments ranked anew: range of 95 % of the ranks, and share of "
    "the resamples in which an experiment is first (equals share the better rank). "
    "Ranks of seeds: the best and the worst that the trainings of one seed alone "
    "give.",
    "Kendall's tau over patients: agreement of the ranking with those of the "
    "resamples, median and range of 95 %; over seeds: agreement of every two seeds' "
    "rankings, mean and range; 1 is the same order.",
)
FEWER = "No selected experiment trains on all patients of a fold: nothing is ranked."


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
    ranked, parts, nothing = [], [], pd.DataFrame(columns=list(COLUMNS))
    for region in regions_titled(cases.label) if everyone else ():
        for metric in (METRICS[name] for name in RANKED if name in cases):
            table = _ranked(cases[cases.label == region.title], metric.name)
            table = table.assign(label=region.title)[list(COLUMNS)]
            if table["n"].any():
                taus = table.filter(like="tau").iloc[0].map(formats.ratio)
                heading = f"{metric.title}: {region.title.replace('_', ' ')}"
                heading += ", Kendall's tau over patients {} [{}, {}]".format(*taus[:3])
                heading += ", over seeds {} [{}, {}]".format(*taus[3:])
                parts.append(Part(READ, identified(table, rows), heading))
            ranked.append(table)
    return Table(
        name="ranking",
        title=f"Ranking of the experiments and its stability. Cohort "
        f"{config.cohort.name}.",
        rows=pd.concat(ranked, ignore_index=True) if ranked else nothing,
        parts=tuple(parts),
        notes=(
            extent_note(rows),
            *((FEWER,) if not everyone else NOTES),
            convention_note(config),
            *small_note(rows.n_patients.max()),
        ),
    )


def _ranked(cases: pd.DataFrame, metric: str) -> pd.DataFrame:
    common = on_common_runs(cases, metric)
    scores = patient_means(common, metric, "experiment")
    table = bootstrap_ranks(scores, column=metric)
    tau = kendall_tau(scores, column=metric)
    of_seeds = seed_ranks(common, metric)
    ranks, agreement = of_seeds.reindex(table.experiment), seeds_tau(of_seeds)
    return table.assign(
        metric=metric,
        n_seeds=ranks.shape[1],
        seed_rank_low=ranks.min(axis=1).to_numpy(),
        seed_rank_high=ranks.max(axis=1).to_numpy(),
        kendall_tau=tau.value,
        kendall_tau_low=tau.low,
        kendall_tau_high=tau.high,
        seed_tau=agreement.value,
        seed_tau_low=agreement.low,
        seed_tau_high=agreement.high,
    ).sort_values("rank", kind="stable", ignore_index=True)
