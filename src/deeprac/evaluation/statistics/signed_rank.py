"""The Wilcoxon signed-rank test of paired differences and what belongs to it.

The test is scipy's. Patients without any difference say nothing about its direction and
are dropped from the ranks, as Wilcoxon did (and R does); how many they are is stated.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from deeprac.evaluation.statistics.estimates import CONFIDENCE, NAN, Estimate


def signed_rank_p(differences: ArrayLike, *, alternative: str = "two-sided") -> float:
    """P value of the Wilcoxon signed-rank test of differences around zero.

    Exact up to 50 differences that are not zero, unless some of them tie; then and
    above, scipy's normal approximation (a full permutation up to 13).

    Args:
        differences: one number per patient, none NaN.
        alternative: ``two-sided``, ``greater`` or ``less``.

    Returns:
        The p value; 1 where all differences are zero, NaN without patients.
    """
    values = np.sort(np.asarray(differences, float))
    if not len(values):
        return NAN
    values = values[values != 0]
    if not len(values):
        return 1.0
    return float(stats.wilcoxon(values, alternative=alternative).pvalue)


def hodges_lehmann(differences: ArrayLike) -> Estimate:
    """Hodges-Lehmann estimate of the typical difference with its exact interval.

    The median of all Walsh averages, that is, of the means of every two differences and
    of each with itself; the interval lies between two of them, chosen by the exact
    distribution of the signed-rank statistic (Hollander, Wolfe and Chicken,
    Nonparametric Statistical Methods, 3rd edition 2014, section 3.2 and 3.3; R's
    ``wilcox.test(conf.int = TRUE, exact = TRUE)``).

    Args:
        differences: one number per patient, none NaN; zeros are kept.

    Returns:
        The estimate. Fewer than six patients have no 95 % interval: from the smallest
        to the largest of five differences covers 93.75 %.
    """
    values = np.asarray(differences, float)
    n = len(values)
    if n == 0:
        return Estimate(NAN, NAN, NAN, 0)
    walsh = np.sort((values[:, None] + values)[np.triu_indices(n)] / 2)
    left_out = _averages_left_out(n)
    low, high = (walsh[left_out], walsh[-1 - left_out]) if left_out >= 0 else (NAN, NAN)
    return Estimate(float(np.median(walsh)), float(low), float(high), n)


def rank_biserial(differences: ArrayLike) -> float:
    """Matched-pairs rank-biserial correlation, the effect size of the test.

    Share of the rank sum in favour of positive differences minus that in favour of
    negative ones (Kerby, Comprehensive Psychology 2014): 1 where all differences that
    are not zero are positive, -1 where all are negative; 0 where all are zero, NaN
    without patients.
    """
    values = np.asarray(differences, float)
    if not len(values):
        return NAN
    values = values[values != 0]
    if not len(values):
        return 0.0
    ranks = stats.rankdata(np.abs(values))
    return float(np.sum(ranks * np.sign(values)) / np.sum(ranks))


def _averages_left_out(n: int) -> int:
    """Walsh averages outside the interval on either side; -1 where it cannot be."""
    below = np.cumsum(_signed_rank_distribution(n))
    return int(np.searchsorted(below, (1 - CONFIDENCE) / 2, side="right")) - 1


@cache
def _signed_rank_distribution(n: int) -> NDArray:
    """Probability of each sum of ranks 0 .. n (n + 1) / 2 of positive differences.

    Rank k counts with probability one half: a product of n polynomials.
    """
    distribution = np.ones(1)
    for rank in range(1, n + 1):
        moved = np.concatenate([np.zeros(rank), distribution])
        moved[: len(distribution)] += distribution
        distribution = moved / 2
    return distribution
