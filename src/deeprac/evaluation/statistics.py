"""Statistics over patients: means, paired differences and their uncertainty.

The patient is the unit everywhere: the cases of a patient are averaged, then the seeds.
Intervals are bootstrap intervals over patients; they say how much another draw of
patients could differ, not how much another training could: for that stands the spread
over seeds.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 2021
DEGENERATE = 1e-12
"""Resamples that differ by less are all the same up to rounding."""

NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number over patients with its 95 % interval.

    Attributes:
        value: The statistic of the sample; NaN without patients.
        low: Lower end; NaN where no interval exists (fewer than two patients).
        high: Upper end.
        n: Number of patients.
    """

    value: float
    low: float
    high: float
    n: int

    def scaled(self, factor: float) -> "Estimate":
        """The same in another unit; the factor is positive."""
        return Estimate(
            self.value * factor, self.low * factor, self.high * factor, self.n
        )


def patient_means(cases: pd.DataFrame, column: str, *keys: str) -> pd.DataFrame:
    """Mean of a column for each patient: over the patient's cases, then over seeds.

    Args:
        cases: Columns patient, seed, ``column`` and ``keys``; NaN is left out.
        column: What is averaged.
        keys: Columns that are kept apart, such as experiment and label.

    Returns:
        Columns ``keys``, patient and ``column``, in the order of ``cases``; NaN where a
        patient has no value at all.
    """
    groups = [*keys, "patient"]
    by_seed = cases.groupby([*groups, "seed"], sort=False)[column].mean()
    by_patient = by_seed.groupby(level=list(range(len(groups))), sort=False)
    return by_patient.mean().reset_index()


def patient_dice(cases: pd.DataFrame) -> pd.DataFrame:
    """Dice of each patient: mean over the patient's cases, then over seeds.

    Args:
        cases: Columns of summary/cases.csv.

    Returns:
        Columns experiment, label, patient, dice; patients whose label is empty in
        reference and prediction alike have NaN.
    """
    return patient_means(cases, "dice", "experiment", "label")


def mean_interval(values: ArrayLike) -> Estimate:
    """Mean over patients with its bootstrap interval (BCa).

    Args:
        values: One number per patient; NaN is left out.

    Returns:
        The estimate. With fewer than two patients it has no interval; if all values are
        equal the interval is that value, which says nothing about other patients.
    """
    return _estimate((_present(values),), np.mean, method="BCa")


def median_interval(values: ArrayLike) -> Estimate:
    """Median over patients with its bootstrap interval, else as for the mean.

    By percentiles: the jackknife, from which BCa takes its correction, does not work
    for medians.
    """
    return _estimate((_present(values),), np.median, method="percentile")


def paired(
    scores: pd.DataFrame, experiment: str, reference: str, *, column: str = "dice"
) -> pd.DataFrame:
    """Put the patients' values of two experiments side by side.

    Args:
        scores: Columns experiment, patient and ``column``, one row per experiment and
            patient (of one label).
        experiment: Name of the experiment.
        reference: Name of the experiment that it is compared with.
        column: What is compared.

    Returns:
        Columns experiment and reference, one row per patient who has a value in both.
    """
    values = scores.set_index(["experiment", "patient"])[column]
    both = {
        role: values[values.index.get_level_values(0) == name].droplevel(0)
        for role, name in (("experiment", experiment), ("reference", reference))
    }
    return pd.DataFrame(both).dropna()


def paired_difference(
    scores: pd.DataFrame, experiment: str, reference: str, *, column: str = "dice"
) -> Estimate:
    """Mean over patients of experiment minus reference; see ``paired``."""
    pairs = paired(scores, experiment, reference, column=column)
    return mean_interval(pairs.experiment - pairs.reference)


def paired_sd_difference(
    scores: pd.DataFrame, experiment: str, reference: str, *, column: str = "dice"
) -> Estimate:
    """SD over patients (ddof 1) of experiment minus that of reference.

    Patients are resampled as pairs, the interval is by percentiles: BCa is undefined
    where leaving out any one patient changes the SDs alike. Two patients have an SD
    but no interval.
    """
    pairs = paired(scores, experiment, reference, column=column)
    samples = (pairs.experiment.to_numpy(), pairs.reference.to_numpy())
    return _estimate(samples, _sd_difference, method="percentile", fewest=3)


def seed_sd(cases: pd.DataFrame, column: str = "dice") -> float:
    """Spread over seeds: SD (ddof 1) of the seeds' means over patients.

    Args:
        cases: Columns seed, patient and ``column`` of one experiment and label.
        column: What is averaged.

    Returns:
        The SD; NaN with one seed.
    """
    by_patient = cases.groupby(["seed", "patient"])[column].mean()
    return float(by_patient.groupby(level=0).mean().std(ddof=1))


def _present(values: ArrayLike) -> NDArray:
    array = np.asarray(values, float)
    return array[~np.isnan(array)]


def _sd_difference(
    experiment: NDArray, reference: NDArray, axis: int = -1
) -> NDArray | float:
    return np.std(experiment, axis=axis, ddof=1) - np.std(reference, axis=axis, ddof=1)


def _estimate(
    samples: tuple[NDArray, ...],
    statistic: Callable[..., NDArray | float],
    *,
    method: str,
    fewest: int = 2,
) -> Estimate:
    """Bootstrap a statistic over patients; see ``mean_interval`` for bounds."""
    n = len(samples[0])
    if n < fewest:
        value = float(statistic(*samples)) if n >= fewest - 1 else NAN
        return Estimate(value, NAN, NAN, n)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # Equal values make all resamples equal: BCa is undefined then.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            samples,
            statistic,
            paired=len(samples) > 1,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method=method,
            rng=np.random.default_rng(SEED),
        )
    value = float(statistic(*samples))
    if np.ptp(result.bootstrap_distribution) <= DEGENERATE:
        return Estimate(value, value, value, n)
    interval = result.confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), n)
