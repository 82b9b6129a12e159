"""Dice against the size of the patient in the picture: a line per experiment, label."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE, NAN


def patient_sizes(diagnostics: pd.DataFrame) -> pd.DataFrame:
    """Apparent size of each patient: the scale of the body in the field of view.

    A scanner's field of view follows the patient, so that the true size is no measure
    of what a network sees: both correlate negatively in the phantoms.

    Args:
        diagnostics: Columns of summary/diagnostics.csv.

    Returns:
        Columns patient and size (mean of body_scale over the patient's cases).
    """
    cases = diagnostics.drop_duplicates("case")
    sizes = cases.groupby("patient", sort=False).body_scale.mean()
    return sizes.rename("size").reset_index()


def with_fits(scores: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Dice beside size, with the line of each experiment and label.

    Args:
        scores: Columns experiment, label, patient, dice.
        sizes: Columns patient, size.

    Returns:
        One row per experiment, label and patient with a Dice: dice_percent, size and
        those of :func:`fit`.
    """
    keys = ["experiment", "label"]
    table = scores.dropna(subset="dice").merge(sizes, on="patient", validate="m:1")
    table = table.assign(dice_percent=100 * table.dice).drop(columns="dice")
    fits = [
        dict(zip(keys, key, strict=True)) | fit(rows)
        for key, rows in table.groupby(keys, sort=False)
    ]
    return table.merge(pd.DataFrame(fits), on=keys)


def fit(rows: pd.DataFrame) -> dict[str, float]:
    """Least-squares line of Dice over the logarithm (base 2) of size.

    Args:
        rows: Columns size and dice_percent of n patients.

    Returns:
        n, intercept_percent (Dice at size 1), slope_per_doubling in points of Dice, its
        standard error slope_se, and slope_low and slope_high (95 %, by t); NaN where
        the sizes do not differ, the errors also of fewer than 3 patients.
    """
    slope = intercept = error = half = NAN
    if rows["size"].nunique() > 1:
        line = stats.linregress(np.log2(rows["size"]), rows.dice_percent)
        slope, intercept = float(line.slope), float(line.intercept)
        if len(rows) > 2:
            # Where all are equal scipy knows no error of a line that fits exactly.
            equal = rows.dice_percent.nunique() == 1
            error = 0.0 if equal else float(line.stderr)
            half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, len(rows) - 2))
    return {
        "n": len(rows),
        "intercept_percent": intercept,
        "slope_per_doubling": slope,
        "slope_se": error,
        "slope_low": slope - half,
        "slope_high": slope + half,
    }


def band(rows: pd.DataFrame, at: NDArray) -> tuple[NDArray, NDArray]:
    """95 % interval of the line itself (by t), at some sizes.

    Args:
        rows: Rows of :func:`with_fits` of one experiment and label, 3 or more.
        at: Sizes.

    Returns:
        Lower and upper end in points of Dice.
    """
    x, line = np.log2(rows["size"].to_numpy(float)), rows.iloc[0]
    heights = line.intercept_percent + line.slope_per_doubling * np.log2(at)
    fitted = line.intercept_percent + line.slope_per_doubling * x
    freedom = len(rows) - 2
    spread = np.sqrt(((rows.dice_percent - fitted) ** 2).sum() / freedom)
    from_centre = (np.log2(at) - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * spread
    half = half * np.sqrt(1 / len(rows) + from_centre)
    return heights - half, heights + half
