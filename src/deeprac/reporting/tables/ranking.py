"""How stable the ranking of the experiments is over patients and over seeds."""

from itertools import product

import pandas as pd

from deeprac.config import Config
from deeprac.evaluation.gates import failures
from deeprac.evaluation.metrics.regions import regions_titled
from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.evaluation.statistics.patients import on_common_runs, patient_means
from deeprac.evaluation.statistics.ranking import (
    bootstrap_ranks,
    composite_ranks,
    kendall_tau,
    scheme_ranks,
    seed_ranks,
    seeds_tau,
)
from deeprac.records.catalogue import METRICS
from deeprac.reporting import formats
from deeprac.reporting.roles import trained_as_usual, usual_steps
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

COMPOSITE = "kits_classes"
"""What stands for the label in the rows of the composite rank."""

COMPOSITE_READ = (
    number("rank", "Rank", formats.whole, frozen=True),
    *row_columns(),
    number("n", "Patients"),
    number("dice", "Dice", formats.percent, group="Mean, %"),
    number("nsd", "surface Dice", formats.percent, group="Mean, %"),
    number("tumour_dice", "tumour Dice", formats.percent, group="Mean, %"),
    number("rank_dice", "Dice", formats.whole, group="Ranks of"),
    number("rank_nsd", "surface Dice", formats.whole, group="Ranks of"),
)

COLUMNS = (
    *("label", "metric", "experiment", "n", "n_left_out", "mean"),
    *("rank", "rank_low", "rank_high", "p_rank_1", "rank_median", "rank_of_ranks"),
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
    number("rank_median", "medians", formats.whole, group="Ranks by"),
    number("rank_of_ranks", "patients' ranks", formats.whole, group="Ranks by"),
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
    "give. Ranks by medians over patients, and by the mean of the ranks that each "
    "patient gives, are two other schemes of challengeR: where they differ from the "
    "first, the order is a choice.",
    "Composite: as the challenge KiTS23 ranks, by the mean of the ranks of mean Dice "
    "and mean surface Dice at KiTS23's tolerances over its classes; of equals the "
    "better tumour Dice is first.",
    "Kendall's tau over patients: agreement of the ranking with those of the "
    "resamples, median and range of 95 %; over seeds: agreement of every two seeds' "
    "rankings, mean and range; 1 is the same order.",
)
UNDECIDABLE = "The order is not decidable: {}."
SHARED_STEPS = "Ranked are trainings of {:,} steps, as most experiments have."
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
        for name in trained_as_usual(config)
        if config.experiments[name].training_patients is None
    ]
    cases = cases[cases.experiment.isin(everyone)]
    failed = failures(summary.gates, *everyone) if everyone else ""
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
    composite = _composite(cases)
    if len(composite):
        heading = "Composite of KiTS23: {}".format(", ".join(_kits_titles(cases)))
        heading = heading.replace("_", " ")
        parts.insert(0, Part(COMPOSITE_READ, identified(composite, rows), heading))
        named = composite.assign(label=COMPOSITE, metric="composite")
        ranked.append(named.reindex(columns=list(COLUMNS)))
    return Table(
        name="ranking",
        title=f"Ranking of the experiments and its stability. Cohort "
        f"{config.cohort.name}.",
        rows=pd.concat(ranked, ignore_index=True) if ranked else nothing,
        parts=tuple(parts),
        notes=(
            extent_note(rows),
            *((UNDECIDABLE.format(failed),) if failed else ()),
            *((FEWER,) if not everyone else NOTES),
            *_steps_note(config),
            convention_note(config),
            *small_note(rows.n_patients.max()),
        ),
    )


def _steps_note(config: Config) -> tuple[str, ...]:
    """Which trainings are ranked, where there are others."""
    if len(trained_as_usual(config)) == len(config.run.experiments):
        return ()
    return (SHARED_STEPS.format(usual_steps(config)),)


def _kits_titles(cases: pd.DataFrame) -> list[str]:
    """Labels of the cases that are classes of KiTS23."""
    regions = regions_titled(cases.label)
    return [region.title for region in regions if region.kits_tolerance_mm is not None]


def _composite(cases: pd.DataFrame) -> pd.DataFrame:
    """The composite rank, best first; no rows without surface Dice or patients."""
    titles = _kits_titles(cases)
    if "nsd_kits" not in cases or not titles:
        return pd.DataFrame()
    values = {}
    for metric, title in product(("dice", "nsd_kits"), titles):
        common = on_common_runs(cases[cases.label == title], metric)
        means = patient_means(common, metric, "experiment")
        values[metric, title] = means.set_index(["experiment", "patient"])[metric]
    wide = pd.DataFrame(values)
    # All experiments on the patients for whom all have all classes.
    having = wide.notna().all(axis=1).groupby("patient").sum()
    patients = having.index[having == cases.experiment.nunique()]
    whole = wide[wide.index.get_level_values("patient").isin(patients)]
    mean = whole.groupby("experiment", sort=False).mean()
    ranked = composite_ranks(
        pd.DataFrame(
            {
                "dice": mean["dice"].mean(axis=1),
                "nsd": mean["nsd_kits"].mean(axis=1),
                "tumour_dice": mean["dice", "tumour"],
                "n": len(patients),
            }
        ).reset_index()
    )
    return ranked.sort_values("rank", kind="stable", ignore_index=True)


def _ranked(cases: pd.DataFrame, metric: str) -> pd.DataFrame:
    common = on_common_runs(cases, metric)
    scores = patient_means(common, metric, "experiment")
    table = bootstrap_ranks(scores, column=metric)
    tau = kendall_tau(scores, column=metric)
    table = table.merge(scheme_ranks(scores, column=metric))
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
