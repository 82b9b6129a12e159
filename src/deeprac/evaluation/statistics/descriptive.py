"""What each experiment reached: one row per experiment, label and metric."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deeprac.evaluation.metrics.regions import regions_titled
from deeprac.evaluation.statistics.estimates import NAN, mean_intervals
from deeprac.evaluation.statistics.patients import (
    complete,
    in_order,
    patient_seed_means,
    seed_sd,
    training_sd,
)
from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.records.catalogue import METRICS, Metric

DESCRIBED_COLUMNS = (
    *("experiment", "label", "metric", "n", "n_undefined", "n_partial"),
    *("mean", "training_sd", "n_seeds", "seed_sd", "n_folds", "fold_sd"),
    *("two_way_low", "two_way_high", "low", "high"),
    *("median", "quartile_1", "quartile_3", "worst_5_percent"),
    *("n_values", "failed", "failed_rate"),
    *("n_empty_reference", "false_positive_ml"),
)

KEYS = ["experiment", "label"]
COUNTS = (
    *("n", "n_undefined", "n_partial", "n_values", "failed"),
    *("n_seeds", "n_folds", "n_empty_reference"),
)
EXTENT = ("n_seeds", "n_folds", "n_empty_reference", "false_positive_ml")
WORST = 0.05
"""Share of the patients that do worse than ``worst_5_percent``."""


def describe(
    cases: pd.DataFrame, experiments: Sequence[str], *, failure_dice: float
) -> pd.DataFrame:
    """Describe every metric of every experiment over patients and seeds.

    Args:
        cases: columns of summary/cases.csv in the wanted convention of empty labels,
            rows in any order.
        experiments: names, in the order of the rows.
        failure_dice: a patient whose Dice is below it in a seed counts as a failure.

    Returns:
        Columns ``DESCRIBED_COLUMNS`` (explained in ``config/README.md``), ordered by
        experiment, label and metric, numbers in the unit of the metric. A metric that a
        label never has (lesions of the kidney, for instance) has no rows; a label that
        the whole cohort lacks keeps those of every metric, with n = 0.
    """
    metrics = [metric for name, metric in METRICS.items() if name in cases]
    names = [metric.name for metric in metrics]
    cases = in_order(cases)
    trained = patient_seed_means(cases, names, *KEYS).sort_index()
    values = trained.groupby([*KEYS, "patient"]).mean()
    partial = _partial(cases, values)
    extent = _extent(cases, names)
    labels = [region.title for region in regions_titled(cases.label)]
    rows, samples = [], []
    for key in product(experiments, labels):
        if key not in extent.index:
            continue
        own, shared = values.loc[key], extent.loc[key].to_dict()
        by_seed = trained.loc[key].unstack("seed")
        for metric in metrics:
            sample = own[metric.name].to_numpy(float)
            samples.append(sample)
            row: dict[str, Any] = {"experiment": key[0], "label": key[1]}
            row |= {"metric": metric.name, "n_partial": partial.loc[key, metric.name]}
            row |= _described(sample, metric)
            row |= _of_trainings(by_seed[metric.name], metric, failure_dice)
            row |= {name: shared[name] for name in EXTENT}
            row["fold_sd"] = shared[f"fold_sd/{metric.name}"]
            rows.append(row)
    for row, mean in zip(rows, mean_intervals(samples), strict=True):
        row |= {"n": mean.n, "mean": mean.value, "low": mean.low, "high": mean.high}
    table = pd.DataFrame(rows, columns=list(DESCRIBED_COLUMNS))
    return _without_foreign(table.astype(dict.fromkeys(COUNTS, "Int64")))


def _partial(cases: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Patients with a value whom a case or a seed gave none: a mean of the rest."""
    lacking = (
        cases[values.columns]
        .isna()
        .groupby([cases[name] for name in values.index.names])
    )
    return (lacking.any() & values.notna()).groupby(KEYS).sum()


def _extent(cases: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """What all metrics of an experiment and label share, and spreads of each metric."""
    runs = cases.groupby(KEYS)[["seed", "fold"]].nunique()
    empty = cases[cases.reference_volume_ml == 0].groupby([*KEYS, "patient"])
    false_positives = empty.volume_ml.mean().groupby(KEYS)
    patients = patient_seed_means(cases, names, *KEYS, "fold")
    patients = patients.groupby([*KEYS, "fold", "patient"]).mean()
    folds = patients.groupby([*KEYS, "fold"]).mean()
    table = pd.DataFrame(
        {
            "n_seeds": runs.seed,
            "n_folds": runs.fold,
            "n_empty_reference": false_positives.size(),
            "false_positive_ml": false_positives.mean(),
        }
    ).fillna({"n_empty_reference": 0})
    return table.join(folds.groupby(KEYS).std(ddof=1).add_prefix("fold_sd/"))


def _of_trainings(
    table: pd.DataFrame, metric: Metric, failure_dice: float
) -> dict[str, float]:
    """Numbers of patients and seeds; no failures but of Dice."""
    interval = two_way_interval(complete(table))
    values = table.to_numpy(float)
    present = int(np.count_nonzero(~np.isnan(values)))
    judged = metric.name == "dice" and present > 0
    failed = int(np.count_nonzero(values < failure_dice)) if judged else NAN
    return {
        "training_sd": training_sd(table),
        "seed_sd": seed_sd(table),
        "two_way_low": interval.low,
        "two_way_high": interval.high,
        "n_values": present,
        "failed": failed,
        "failed_rate": failed / present if judged else NAN,
    }


def _described(values: NDArray, metric: Metric) -> dict[str, float]:
    """Numbers over patients, means of the seeds; NaN where no patient has a value."""
    present = np.sort(values[~np.isnan(values)])
    n = len(present)
    quartiles = np.quantile(present, [0.25, 0.5, 0.75]) if n else [NAN] * 3
    worst = {"high": WORST, "low": 1 - WORST}.get(metric.better or "")
    return {
        "n_undefined": len(values) - n,
        **dict(zip(("quartile_1", "median", "quartile_3"), quartiles, strict=True)),
        "worst_5_percent": np.quantile(present, worst) if worst and n else NAN,
    }


def _without_foreign(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out metrics that a label never has although references show it."""
    by = ["label", "metric"]
    never = table.n.groupby([table[key] for key in by]).transform("sum") == 0
    patients = table.n + table.n_undefined
    seen = (table.n_empty_reference < patients).groupby(table.label).transform("any")
    return table[~(never & seen)].reset_index(drop=True)
