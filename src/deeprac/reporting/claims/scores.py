"""Dice of an arm beside that of another: its mean, and its spread over patients."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE, NAN, Estimate
from deeprac.evaluation.statistics.patients import seed_differences, seed_table
from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.reporting.claims.arms import Pair
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.verdict import Measured, lacking
from deeprac.settings.claims import Claim


def dice_difference(evidence: Evidence, _: Claim, pair: Pair, label: str) -> Measured:
    """Dice of the arm minus the reference's, in points, by patient and seed."""
    cases = evidence.dice[label]
    table = 100 * seed_differences(cases, pair.experiment, pair.reference)
    if table.empty:
        return lacking("no patient has a value in both with the same seed")
    return Measured(two_way_interval(table), tuple(table.mean()))


def dice_sd_difference(
    evidence: Evidence, _: Claim, pair: Pair, label: str
) -> Measured:
    """SD over patients within a training minus that of the reference, in points.

    The mean over the trainings; its interval is of t over the seeds, for the patients
    at hand: an SD is no mean, so that two-way intervals are not of it.
    """
    cases = evidence.dice[label]
    paired = seed_differences(cases, pair.experiment, pair.reference)
    own, other = (
        seed_table(cases[cases.experiment == name]).loc[paired.index, paired.columns]
        for name in (pair.experiment, pair.reference)
    )
    seeds = 100 * (own.std(ddof=1) - other.std(ddof=1))
    if seeds.isna().all():
        return lacking("fewer than two patients have a value in both")
    estimate = t_interval(seeds, n=len(paired))
    return Measured(estimate, tuple(seeds), note="interval over seeds")


def t_interval(values: ArrayLike, *, n: int) -> Estimate:
    """Mean over trainings with the interval of t; one training has none.

    Args:
        values: One number per seed or run.
        n: What the estimate says that it rests on.

    Example:
        >>> found = t_interval([1.0, 3.0], n=4)  # 2 +- 12.71 * 1
        >>> found.value, round(found.low, 1)
        (2.0, -10.7)
    """
    trainings = np.asarray(values, float)
    mean, count = float(trainings.mean()), len(trainings)
    if count < 2:
        return Estimate(mean, NAN, NAN, n)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
    half = float(reach * trainings.std(ddof=1) / np.sqrt(count))
    return Estimate(mean, mean - half, mean + half, n)
