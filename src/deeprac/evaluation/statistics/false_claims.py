"""How likely a claim of superiority is false, by mean, SD and number of patients.

After Christodoulou et al., False promises in medical imaging AI? Assessing validity of
outperformance claims, 2025 (arXiv 2505.04720; "Claims Reloaded"). It needs nothing but
what papers print, and what they do not: the correlation of the two methods over
patients.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def sd_of_difference(sd: ArrayLike, reference_sd: ArrayLike, r: ArrayLike) -> NDArray:
    """SD over patients of the difference of two methods.

    Args:
        sd: SD of the one.
        reference_sd: SD of the other.
        r: their correlation over patients.

    Returns:
        The root of the variance of a difference, in the unit of the SDs.
    """
    one, other, r = (np.asarray(value, float) for value in (sd, reference_sd, r))
    return np.sqrt(one**2 + other**2 - 2 * r * one * other)


def false_claim_probability(
    difference: ArrayLike, sd: ArrayLike, n: ArrayLike
) -> NDArray:
    """Probability that a method is no better than another, given what was observed.

    With normal differences and a prior that says nothing, the true mean difference
    has Student's distribution with n - 1 degrees of freedom around the observed one,
    with the standard error as its scale; the probability is what of it lies at or
    below zero.

    Args:
        difference: observed mean difference, method minus reference; above one half
            where it is negative.
        sd: SD over patients of the differences, in the same unit.
        n: number of patients.

    Returns:
        Probability in 0..1; NaN with fewer than two patients, or where differences do
        not vary at all.

    Example:
        >>> sd = sd_of_difference(23.39, 24.65, 0.8)
        >>> round(float(false_claim_probability(87.12 - 85.52, sd, 80)), 2)
        0.18
    """
    difference, sd, n = (np.asarray(value, float) for value in (difference, sd, n))
    known = (n >= 2) & (sd > 0)
    scale = np.where(known, sd, 1) / np.sqrt(np.where(known, n, 2))
    tail = stats.t.cdf(-difference / scale, np.where(known, n, 2) - 1)
    return np.where(known, tail, np.nan)
