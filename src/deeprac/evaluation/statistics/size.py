"""Dice against the size of the patient: a line per experiment and label."""

import numpy as np
import pandas as pd

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
    x, y = np.log2(rows["size"].to_numpy(float)), rows.dice_percent.to_numpy(float)
    away = x - x.mean()
    spread = (away**2).sum()
    slope = intercept = error = NAN
    if spread > 0:
        slope = (away * y).sum() / spread
        intercept = y.mean() - slope * x.mean()
        if len(x) > 2:
            rest = ((y - intercept - slope * x) ** 2).sum() / (len(x) - 2)
            error = np.sqrt(rest / spread)
    return {
        "n": len(x),
        "intercept_percent": float(intercept),
        "slope_per_doubling": float(slope),
        "slope_se": float(error),
    }
