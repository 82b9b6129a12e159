"""What so many patients and seeds can show at all, by the two-way t test.

The level is that of a single test: Holm's correction asks for more. With one seed the
test is the paired t test over patients, and all is said of that training alone.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import brentq

from deeprac.evaluation.statistics.estimates import NAN
from deeprac.evaluation.statistics.two_way import Components

ALPHA = 0.05
POWER = 0.8
MOST = 100_000
"""Patients; to need more is as good as never."""
LARGEST_EFFECT = 20
"""Differences in standard errors from which on power is one; scipy's is NaN there."""
STEPS = 200
"""Numbers of patients that are tried at once, evenly in their logarithm."""


def detectable_difference(components: Components, patients: int, seeds: int) -> float:
    """Smallest true mean difference that would be shown with 80 % power.

    Args:
        components: Variances of the paired differences.
        patients: How many.
        seeds: How many trainings of each side.

    Returns:
        The difference in the unit of the values; NaN where there is none (fewer than
        two patients, or no spread from which to tell).
    """
    if patients < 2 or not _spread(components) > 0:
        return NAN
    error, degrees = (float(one) for one in components.precision(patients, seeds))
    # Twice what is just significant is always enough.
    largest = 2 * stats.t.ppf(1 - ALPHA / 2, degrees)
    enough = brentq(lambda shift: _power(shift, degrees) - POWER, 0, largest)
    return float(enough) * error


def patients_needed(difference: float, components: Components, seeds: int) -> float:
    """Patients with whom a true difference would be shown with 80 % power.

    Args:
        difference: The true mean difference; its sign plays no part.
        components: Variances of the paired differences.
        seeds: How many trainings of each side; more patients make up for few of them
            only as far as the spread over seeds allows.

    Returns:
        The number; infinite where it is above 100,000, NaN where the spread is unknown
        or zero.
    """
    if not _spread(components) > 0 or math.isnan(difference):
        return NAN
    tried = np.unique(np.geomspace(2, MOST, STEPS).astype(int))
    for _ in range(2):  # The first number of the grid, then those just below it.
        errors, degrees = components.precision(tried, seeds)
        shown = _power(abs(difference) / errors, degrees) >= POWER
        if not shown.any():
            return math.inf
        first = int(np.argmax(shown))
        tried = np.arange(tried[max(first - 1, 0)], tried[first] + 1)
    return float(tried[-1])


def _spread(components: Components) -> float:
    return components.patients + components.seeds + components.rest


def _power(shift: ArrayLike, degrees: ArrayLike) -> NDArray:
    """Power of the t test; of its two sides only the true one.

    Args:
        shift: True difference in standard errors.
        degrees: Degrees of freedom.
    """
    critical = stats.t.ppf(1 - ALPHA / 2, degrees)
    bounded = np.minimum(shift, critical + LARGEST_EFFECT)
    return np.asarray(stats.nct.sf(critical, degrees, bounded))
