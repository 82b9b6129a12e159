"""What Dice hangs on: sizes of patients, each alone and all at once."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE, NAN, Estimate

FACTORS = {
    "apparent_size": "apparent size",
    "true_size": "true size",
    "label_pixels": "pixels of the label",
}
"""What may explain Dice, each as a logarithm to the base of 2."""

COLLINEAR = 1e8
"""Condition number above which factors cannot be told apart."""


@dataclass(frozen=True)
class Slopes:
    """Lines of Dice on factors, in points of Dice per doubling.

    Attributes:
        alone: by factor, with no other in the line.
        together: by factor, the others held; none where they cannot be told apart.
        explained: share of the variance that all factors explain together.
        n: patients.
    """

    alone: dict[str, Estimate]
    together: dict[str, Estimate]
    explained: float
    n: int


def factors(diagnostics: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Sizes of each patient and label that a line can be drawn on.

    The pixels of a label that a network sees in a slice grow with the label's volume to
    the power of 2/3 and with the square of the magnification, which is apparent over
    true size; only their ratios matter here.

    Args:
        diagnostics: columns case, patient, body_scale (apparent) and size_scale (true,
            NaN unless a phantom).
        cases: columns case, patient, label and reference_volume_ml.

    Returns:
        Columns ``FACTORS`` as logarithms to the base of 2, indexed by label and
        patient, means over the patient's cases; NaN where unknown.
    """
    sizes = diagnostics.drop_duplicates("case")[["case", "body_scale", "size_scale"]]
    table = cases.drop_duplicates(["case", "label"]).merge(sizes, on="case")
    volume = np.log2(table.reference_volume_ml.where(table.reference_volume_ml > 0))
    apparent, true = (
        np.log2(table[name].where(table[name] > 0))
        for name in ("body_scale", "size_scale")
    )
    table = table.assign(
        apparent_size=apparent,
        true_size=true,
        label_pixels=2 / 3 * volume + 2 * (apparent - true),
    )
    return table.groupby(["label", "patient"], sort=False)[list(FACTORS)].mean()


def slopes(dice_points: pd.Series, table: pd.DataFrame) -> Slopes:
    """Fit Dice of patients by least squares, on each factor and on all.

    Args:
        dice_points: Dice in points by patient.
        table: factors by patient; one without any value is left out.

    Returns:
        Estimates over the patients who have all factors and a Dice; intervals are
        Student's, of these trainings.
    """
    known = table.dropna(axis=1, how="all")
    both = known.join(dice_points.rename("dice"), how="inner").dropna()
    values, names = both.dice.to_numpy(float), list(known)
    alone = {
        name: _fitted(both[[name]].to_numpy(float), values)[0][0] for name in names
    }
    found, explained = _fitted(both[names].to_numpy(float), values)
    together = dict(zip(names, found, strict=True)) if len(names) > 1 else {}
    return Slopes(alone, together, explained, len(both))


def _fitted(factors: NDArray, values: NDArray) -> tuple[list[Estimate], float]:
    """Slopes on (n, k) factors with their intervals, and the explained variance."""
    n, count = factors.shape
    unknown = [Estimate(NAN, NAN, NAN, n)] * count
    freedom = n - count - 1
    if freedom < 1 or not count:
        return unknown, NAN
    centred = factors - factors.mean(axis=0)
    inner = centred.T @ centred
    if not inner.diagonal().all() or np.linalg.cond(inner) > COLLINEAR:
        return unknown, NAN
    around = values - values.mean()
    slope = np.linalg.solve(inner, centred.T @ around)
    rest = float(((around - centred @ slope) ** 2).sum())
    error = np.sqrt(rest / freedom * np.linalg.inv(inner).diagonal())
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * error
    whole = float((around**2).sum())
    estimates = [
        Estimate(float(s), float(s - h), float(s + h), n)
        for s, h in zip(slope, half, strict=True)
    ]
    return estimates, 1 - rest / whole if whole else NAN
