"""Mean Dice of a method with each training's own, and the interval over both.

A figure shows these: seeds are data, and no training has the mean of all.
"""

from collections.abc import Sequence

import pandas as pd

from deeprac.evaluation.statistics.estimates import Estimate, mean_interval
from deeprac.evaluation.statistics.patients import ROUNDING, complete, seed_table
from deeprac.evaluation.statistics.two_way import two_way_interval

OVER_BOTH = "95 % interval over patients and seeds (two-way)"
OVER_PATIENTS = "95 % bootstrap interval over patients, of this one training"


def method_means(cases: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Mean Dice of each method, with its interval.

    Args:
        cases: columns ``keys``, patient, seed and dice.
        keys: columns that are kept apart, such as experiment and label.

    Returns:
        One row per combination of ``keys``: n_patients (with a Dice from every seed),
        n_seeds, dice_percent, low_percent and high_percent: of :func:`method_mean`.
    """
    rows = []
    for key, own in cases.groupby(list(keys), sort=False):
        mean = method_mean(own).scaled(100)
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"n_patients": mean.n, "n_seeds": own.seed.nunique()}
            | {"dice_percent": mean.value}
            | {"low_percent": mean.low, "high_percent": mean.high}
        )
    return pd.DataFrame(rows)


def method_mean(cases: pd.DataFrame) -> Estimate:
    """Mean Dice over patients and seeds, both drawn at random.

    Args:
        cases: columns patient, seed and dice of one method.

    Returns:
        Of :func:`two_way_interval`, over the largest part of patients and seeds that
        has no gap. One seed has the bootstrap interval over its patients.
    """
    table = complete(seed_table(cases)).to_numpy(float).round(ROUNDING)
    return two_way_interval(table) if table.shape[1] > 1 else mean_interval(table[:, 0])


def seed_means(cases: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Mean Dice over patients of each training.

    Args:
        cases: as of :func:`method_means`.
        keys: columns that are kept apart.

    Returns:
        Columns ``keys``, seed and dice_percent; NaN where no patient has a Dice.
    """
    by_patient = cases.groupby([*keys, "seed", "patient"], sort=False).dice.mean()
    means = by_patient.groupby(level=list(range(len(keys) + 1)), sort=False).mean()
    return means.mul(100).rename("dice_percent").reset_index()


def interval_name(cases: pd.DataFrame) -> str:
    """What the intervals of :func:`method_means` are over, for captions."""
    seeds = cases.groupby("experiment").seed.nunique()
    names = [OVER_BOTH] * bool((seeds > 1).any())
    names += [OVER_PATIENTS] * bool((seeds == 1).any())
    return "; where there is one seed, ".join(names)
