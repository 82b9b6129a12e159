"""Dice against the size of the patient: a line per experiment and label."""

import numpy as np
import pandas as pd
from scipy import stats

from deeprac.evaluation.statistics.estimates import NAN


def patient_sizes(diagnostics: pd.DataFrame) -> pd.DataFrame:
    """Size of each patient: physical where all patients' is known, else in the image.

    Args:
        diagnostics: Columns of summary/diagnostics.csv.

    Returns:
        Columns patient, size (mean over the patient's cases) and size_kind (the column
        it is from).
    """
    cases = diagnostics.drop_duplicates("case")
    kind = "size_scale" if cases.size_scale.notna().all() else "body_scale"
    sizes = cases.groupby("patient", sort=False)[kind].mean()
    return sizes.rename("size").reset_index().assign(size_kind=kind)


def with_fits(scores: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Dice beside size, with the line of each experiment and label.

    Args:
        scores: Columns experiment, label, patient, dice.
        sizes: Columns patient, size, size_kind.

    Returns:
        One row per experiment, label and patient with a Dice: dice_percent, size,
        size_kind, n, intercept_percent (Dice at size 1), slope_per_doubling in points
        and slope_se.
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
        n, intercept_percent, slope_per_doubling and its standard error slope_se; NaN
        where the sizes do not differ, the error also of fewer than 3 patients.
    """
    slope = intercept = error = NAN
    if rows["size"].nunique() > 1:
        line = stats.linregress(np.log2(rows["size"]), rows.dice_percent)
        slope, intercept = float(line.slope), float(line.intercept)
        error = float(line.stderr) if len(rows) > 2 else NAN
    return {
        "n": len(rows),
        "intercept_percent": intercept,
        "slope_per_doubling": slope,
        "slope_se": error,
    }
