"""Intervals over patients and trainings: what a method does, not one training of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE, NAN, Estimate
from deeprac.evaluation.statistics.patients import seed_differences


@dataclass(frozen=True)
class Components:
    """Variances of a value: of patients, of seeds, and of a patient in a seed.

    They are in the unit of the values, squared.
    """

    patients: float
    seeds: float
    rest: float

    def precision(self, patients: ArrayLike, seeds: int) -> tuple[NDArray, NDArray]:
        """Standard error and degrees of freedom of a mean over so many of both."""
        n = np.asarray(patients, float)
        squares = seeds * self.patients + self.rest, n * self.seeds + self.rest
        variance, degrees = _precision(*squares, self.rest, n, seeds)
        return np.sqrt(variance), degrees


@dataclass(frozen=True)
class TwoWay:
    """A mean over patients and seeds, both drawn at random.

    Attributes:
        mean: Over all values.
        standard_error: Of the mean; NaN with fewer than two patients or seeds.
        degrees: Degrees of freedom of the standard error, after Satterthwaite.
        patients: How many.
        seeds: How many.
        components: Variances, none below zero; with one seed the patients' alone.
    """

    mean: Any
    standard_error: Any
    degrees: Any
    patients: int
    seeds: int
    components: Components

    @property
    def interval(self) -> Estimate:
        """The mean with its 95 % interval, which one patient or seed has not."""
        return _interval(self.mean, self.standard_error, self.degrees, self.patients)

    def p(self, limit: float = 0.0) -> Any:
        """P value of the two-sided t test that the true mean is the limit.

        Half of it, on the side of the mean, is the p value of the one-sided test.
        Where no value differs from another it is 1 at the mean, else 0.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(self.mean - limit) / self.standard_error
        same = (self.standard_error == 0) & (self.mean == limit)
        return np.where(same, 1.0, 2 * stats.t.sf(t, self.degrees))


def two_way(values: ArrayLike) -> TwoWay:
    """Mean over patients and seeds, and how sure it is.

    The model is value = mean + patient + seed + rest, all of them random and normal.
    With mean squares of patients P, of seeds S and of the rest R over p patients and s
    seeds, the variance of the mean is (P + S - R) / ps; where chance makes that smaller
    than one of P and S alone would, the larger of these stands. Degrees of freedom are
    Satterthwaite's (Searle, Casella & McCulloch, Variance Components, 1992, sections
    4.3 and 6.7), at least those of the seeds or patients alone.

    Args:
        values: (..., patients, seeds), complete; of a comparison the paired
            differences. Leading axes are samples of their own, and all numbers arrays.
    """
    table = np.asarray(values, float)
    patients, seeds = table.shape[-2:]
    if min(patients, seeds) < 2:
        return _one_way(table)
    mean = np.asarray(table.mean((-2, -1)))
    rows, columns = table.mean(-1), table.mean(-2)
    rest = table - rows[..., None] - columns[..., None, :] + mean[..., None, None]
    of_patients = seeds * rows.var(-1, ddof=1)
    of_seeds = patients * columns.var(-1, ddof=1)
    of_rest = (rest**2).sum((-2, -1)) / ((patients - 1) * (seeds - 1))
    variance, degrees = _precision(of_patients, of_seeds, of_rest, patients, seeds)
    components = Components(
        np.maximum(of_patients - of_rest, 0) / seeds,
        np.maximum(of_seeds - of_rest, 0) / patients,
        of_rest,
    )
    return TwoWay(mean, np.sqrt(variance), degrees, patients, seeds, components)


def _one_way(table: NDArray) -> TwoWay:
    """A mean without an interval, of one seed or patient, or of none."""
    patients, seeds = table.shape
    mean = float(table.mean()) if table.size else NAN
    alone = float(table.var(ddof=1)) if patients > 1 and seeds == 1 else NAN
    components = Components(alone, 0.0, 0.0)
    return TwoWay(mean, NAN, NAN, patients, seeds, components)


def _precision(
    of_patients: Any, of_seeds: Any, of_rest: Any, patients: Any, seeds: int
) -> tuple[NDArray, NDArray]:
    """Variance of the mean and its degrees of freedom, of the mean squares."""
    largest = np.maximum(np.maximum(of_patients, of_seeds), of_rest)
    scale = np.where(largest > 0, largest, 1)  # Squares of the smallest would vanish.
    p, s, r = (squares / scale for squares in (of_patients, of_seeds, of_rest))
    total = p + s - r
    freedom = np.maximum(seeds - 1, 1)  # One seed has no mean squares but the first.
    uncertain = p**2 + s**2 * (patients - 1) / freedom + r**2 / freedom
    uncertain = np.where(largest > 0, uncertain, 1) / (patients - 1)
    variance = np.maximum(np.maximum(total, p), s) * scale / (patients * seeds)
    fewest = np.maximum(np.minimum(patients, seeds) - 1, 1)
    return variance, np.maximum(total**2 / uncertain, fewest)


def two_way_interval(values: ArrayLike) -> Estimate:
    """Mean over patients and seeds with its interval; see :func:`two_way`.

    Args:
        values: (patients, seeds), complete.

    Returns:
        The estimate, with n patients; without an interval where there are fewer than
        two patients or seeds.
    """
    return two_way(values).interval


def between_groups(values: ArrayLike, others: ArrayLike) -> Estimate:
    """Mean of one group of patients minus that of another group, of the same seeds.

    The interval is Welch's, with variances and degrees of freedom of :func:`two_way`.
    What a seed does alike to both groups cancels in the difference and not in these
    variances: it is rather too wide.

    Args:
        values: (patients, seeds), complete.
        others: (other patients, seeds), complete.

    Returns:
        The estimate, with n patients of both; without an interval where a group has
        none.
    """
    one, other = two_way(values), two_way(others)
    own, its = one.standard_error**2, other.standard_error**2
    uncertain = own**2 / one.degrees + its**2 / other.degrees
    fewest = np.minimum(one.degrees, other.degrees)
    degrees = fewest if uncertain == 0 else (own + its) ** 2 / uncertain
    mean, n = one.mean - other.mean, one.patients + other.patients
    return _interval(mean, np.sqrt(own + its), degrees, n)


def _interval(mean: Any, standard_error: Any, degrees: Any, n: int) -> Estimate:
    """A mean with the 95 % interval of t."""
    half = stats.t.ppf((1 + CONFIDENCE) / 2, degrees) * standard_error
    return Estimate(float(mean), float(mean - half), float(mean + half), n)


def two_way_difference(
    cases: pd.DataFrame, experiment: str, reference: str
) -> Estimate:
    """Dice of experiment minus reference, paired by patient and seed.

    Args:
        cases: columns experiment, patient, seed, fold and dice of one label.
        experiment: name of the experiment.
        reference: name of the experiment that it is compared with.

    Returns:
        Of :func:`two_way_interval` over :func:`seed_differences`.
    """
    return two_way_interval(seed_differences(cases, experiment, reference))
