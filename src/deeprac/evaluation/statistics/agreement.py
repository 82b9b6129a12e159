"""Agreement of predicted and reference volumes (Bland and Altman)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE, NAN


@dataclass(frozen=True)
class Agreement:
    """Bias and limits of agreement with their 95 % intervals (low, high)."""

    n: int
    bias: float
    bias_interval: tuple[float, float] = (NAN, NAN)
    limits: tuple[float, float] = (NAN, NAN)
    lower_interval: tuple[float, float] = (NAN, NAN)
    upper_interval: tuple[float, float] = (NAN, NAN)


def volume_differences(cases: pd.DataFrame) -> pd.DataFrame:
    """Predicted minus reference volume of each patient and seed.

    Args:
        cases: Columns of summary/cases.csv, one label.

    Returns:
        Columns experiment, patient, seed, predicted_ml, reference_ml (means over the
        patient's cases), difference_ml and difference_percent of the reference (NaN
        without one).
    """
    keys = ["experiment", "patient", "seed"]
    volumes = cases.groupby(keys, sort=False)[["volume_ml", "reference_volume_ml"]]
    table = volumes.mean().reset_index()
    table.columns = [*keys, "predicted_ml", "reference_ml"]
    difference = table.predicted_ml - table.reference_ml
    present = table.reference_ml.where(table.reference_ml > 0)
    return table.assign(
        difference_ml=difference, difference_percent=100 * difference / present
    )


def agreement(data: pd.DataFrame) -> Agreement:
    """Bias and 95 % limits of agreement of one training.

    With several seeds the variance of a single difference is that of the patients'
    means and 1 - 1/m of the variance within patients, m the seeds (Bland and Altman,
    Journal of Biopharmaceutical Statistics 2007, section 3). The interval of the bias
    is by t over patients; standard error of a limit: SD times the root of
    1/n + 1.96^2 / (2 (n - 1)) (Bland and Altman, Statistical Methods in Medical
    Research 1999, section 3.3).

    Args:
        data: Columns patient, seed and difference; NaN is left out.

    Returns:
        The numbers in the unit of ``difference``; NaN but for the bias with one
        patient, all NaN without any.
    """
    by_patient = data.dropna(subset="difference").groupby("patient").difference
    means, within, seeds = by_patient.mean(), by_patient.var(), by_patient.count()
    n = len(means)
    bias = float(means.mean()) if n else NAN
    if n < 2:
        return Agreement(n, bias)
    within_share = (within.fillna(0) * (1 - 1 / seeds)).mean()
    sd = float(np.sqrt(means.var() + within_share))
    z = stats.norm.ppf(0.5 + CONFIDENCE / 2)
    t = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)
    around_bias = t * float(means.std()) / np.sqrt(n)
    around_limit = t * sd * np.sqrt(1 / n + z**2 / (2 * (n - 1)))
    lower, upper = bias - z * sd, bias + z * sd
    return Agreement(
        n=n,
        bias=bias,
        bias_interval=(bias - around_bias, bias + around_bias),
        limits=(lower, upper),
        lower_interval=(lower - around_limit, lower + around_limit),
        upper_interval=(upper - around_limit, upper + around_limit),
    )
