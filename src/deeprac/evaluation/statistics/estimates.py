"""Numbers over patients with their bootstrap intervals; the bootstrap is scipy's."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 2021
DEGENERATE = 1e-12
"""Resamples that differ by less are all the same up to rounding."""

DECIMALS = 12
"""To which means of resamples are rounded: those of the same patients are the same."""

NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number over patients with its 95 % interval.

    Attributes:
        value: the statistic of the sample; NaN without patients.
        low: lower end; NaN where no interval exists (fewer than two patients).
        high: upper end.
        n: number of patients.
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


def mean_interval(values: ArrayLike) -> Estimate:
    """Mean over patients with its bootstrap interval (BCa, Efron 1987).

    Args:
        values: one number per patient, in any order; NaN is left out.

    Returns:
        The estimate. With fewer than two patients it has no interval; if all values are
        equal the interval is that value, which says nothing about other patients.
    """
    return mean_intervals([values])[0]


def mean_intervals(columns: Sequence[ArrayLike]) -> list[Estimate]:
    """:func:`mean_interval` of many columns, in a fraction of the time.

    Columns of the same number of patients share one set of resamples.

    Args:
        columns: each one number per patient; NaN is left out column by column.
    """
    present = [_present(values) for values in columns]
    by_n: dict[int, list[int]] = defaultdict(list)
    for index, values in enumerate(present):
        by_n[len(values)].append(index)
    found: dict[int, Estimate] = {}
    for n, indices in by_n.items():
        rows = np.stack([present[index] for index in indices])
        means = (rows @ _shares(n)).round(DECIMALS) if n else None
        estimates = _estimates(rows, _mean, method="BCa", resampled=means)
        found |= dict(zip(indices, estimates, strict=True))
    return [found[index] for index in range(len(present))]


def median_interval(values: ArrayLike) -> Estimate:
    """Median over patients with its bootstrap interval, else as for the mean.

    By percentiles: the jackknife, from which BCa takes its correction, does not work
    for medians.
    """
    return _estimates(_present(values)[None], np.median, method="percentile")[0]


def _mean(values: NDArray, axis: int = -1) -> NDArray:
    return np.mean(values, axis=axis).round(DECIMALS)


def _present(values: ArrayLike) -> NDArray:
    """The values that exist, sorted: the order of rows changes no resample."""
    array = np.asarray(values, float)
    return np.sort(array[~np.isnan(array)])


def _estimates(
    sample: NDArray,
    statistic: Callable[..., NDArray],
    *,
    method: str,
    resampled: NDArray | None = None,
) -> list[Estimate]:
    """Bootstrap a statistic over patients; see ``mean_interval`` for bounds.

    Args:
        sample: array (columns, patients).
        statistic: reduces the axis ``axis``.
        method: scipy's name of the kind of interval.
        resampled: the statistic of the resamples, (columns, ``RESAMPLES``), where there
            is a faster way to it.
    """
    columns, n = sample.shape
    if not n:
        return [Estimate(NAN, NAN, NAN, n)] * columns
    values = [float(value) for value in statistic(sample, axis=-1)]
    if n == 1:
        return [Estimate(value, NAN, NAN, n) for value in values]
    if resampled is None:
        resampled = statistic(sample[..., _resamples(n)], axis=-1)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # Equal values make all resamples equal: BCa is undefined then.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            (sample,),
            statistic,
            axis=-1,
            vectorized=True,
            n_resamples=0,
            bootstrap_result=SimpleNamespace(bootstrap_distribution=resampled),
            confidence_level=CONFIDENCE,
            method=method,
        )
    low, high = result.confidence_interval
    equal = np.ptp(resampled, axis=-1) <= DEGENERATE
    low, high = (np.where(equal, values, end) for end in (low, high))
    ends = zip(values, low.tolist(), high.tolist(), strict=True)
    return [Estimate(value, bottom, top, n) for value, bottom, top in ends]


@lru_cache(maxsize=1)
def _resamples(n: int) -> NDArray[np.int64]:
    """Patients of all resamples, as scipy draws them; drawn once for many columns."""
    return np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))


@lru_cache(maxsize=1)
def _shares(n: int) -> NDArray[np.float64]:
    """Share of each patient in each resample, (n, ``RESAMPLES``): a mean is a sum."""
    numbered = _resamples(n) + n * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(numbered.ravel(), minlength=n * RESAMPLES)
    return counts.reshape(RESAMPLES, n).T / n
