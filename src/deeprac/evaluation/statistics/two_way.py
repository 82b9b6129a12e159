"""Intervals over patients and trainings: what a method does, not one training of it."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE, NAN, Estimate
from deeprac.evaluation.statistics.patients import ROUNDING


def two_way_interval(values: ArrayLike) -> Estimate:
    """Mean over patients and seeds, both drawn at random, with its interval.

    The model is value = mean + patient + seed + rest, all of them random and normal.
    With mean squares of patients P, of seeds S and of the rest R over p patients and s
    seeds, the variance of the mean is (P + S - R) / ps; where chance makes that smaller
    than one of P and S alone would, the larger of these stands. Degrees of freedom are
    Satterthwaite's (Searle, Casella & McCulloch, Variance Components, 1992, sections
    4.3 and 6.7), at least those of the seeds or patients alone.

    Args:
        values: (patients, seeds), complete; of a comparison the paired differences.

    Returns:
        The estimate, with n patients; without an interval where there are fewer than
        two patients or seeds.
    """
    table = np.asarray(values, float)
    patients, seeds = table.shape
    mean = float(table.mean()) if table.size else NAN
    if min(patients, seeds) < 2:
        return Estimate(mean, NAN, NAN, patients)
    rows, columns = table.mean(1), table.mean(0)
    rest = table - rows[:, None] - columns + mean
    of_patients = seeds * rows.var(ddof=1)
    of_seeds = patients * columns.var(ddof=1)
    freedom = (patients - 1) * (seeds - 1)
    of_rest = (rest**2).sum() / freedom
    total = of_patients + of_seeds - of_rest
    uncertain = (
        of_patients**2 / (patients - 1)
        + of_seeds**2 / (seeds - 1)
        + of_rest**2 / freedom
    )
    variance = max(total, of_patients, of_seeds) / table.size
    if variance == 0:
        return Estimate(mean, mean, mean, patients)
    fewest = min(patients, seeds) - 1
    degrees = max(total**2 / uncertain, fewest)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, degrees) * np.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, patients)


def two_way_difference(
    cases: pd.DataFrame, experiment: str, reference: str
) -> Estimate:
    """Dice of experiment minus reference, paired by patient and seed.

    Args:
        cases: columns experiment, patient, seed and dice of one label.
        experiment: name of the experiment.
        reference: name of the experiment that it is compared with.

    Returns:
        Of :func:`two_way_interval`, over the seeds that both have and the patients who
        have a value in both with each of them.
    """
    means = cases.groupby(["experiment", "patient", "seed"]).dice.mean()
    tables = []
    for name in (experiment, reference):
        own = means[means.index.get_level_values(0) == name].droplevel(0)
        tables.append(own.unstack("seed"))
    difference = (tables[0] - tables[1]).dropna(axis=1, how="all").dropna()
    return two_way_interval(difference.to_numpy(float).round(ROUNDING))
