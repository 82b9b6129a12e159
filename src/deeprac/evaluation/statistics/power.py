"""What a cohort of this size can show at all; the power of the t test is statsmodels'.

The paired t test stands for the signed-rank test, which needs about 5 % more patients
for normal differences and fewer where their tails are heavy (Hollander, Wolfe and
Chicken, Nonparametric Statistical Methods, 2014, section 3.11). The level is that of a
single test: Holm's correction asks for more.
"""

import math
from itertools import count

from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.power import TTestPower

from deeprac.evaluation.statistics.estimates import NAN

ALPHA = 0.05
POWER = 0.8
MOST = 100_000
"""Patients; to need more is as good as never."""
LARGEST_EFFECT = 20
"""Differences in SDs above which two patients are enough."""


def detectable_difference(sd: float, n: int) -> float:
    """Smallest true mean difference that n patients would show with 80 % power.

    Args:
        sd: SD of the paired differences.
        n: number of patients.

    Returns:
        The difference in the unit of ``sd``; NaN where there is none (fewer than two
        patients, or no spread from which to tell).
    """
    if n < 2 or not sd > 0:
        return NAN
    # Twice what is just significant is always enough, and far more is NaN in scipy.
    largest = 2 * stats.t.ppf(1 - ALPHA / 2, n - 1) / math.sqrt(n)
    return float(brentq(lambda effect: _power(effect, n) - POWER, 0, largest)) * sd


def patients_needed(difference: float, sd: float) -> float:
    """Patients with whom a true difference would be shown with 80 % power.

    Args:
        difference: the true mean difference; its sign plays no part.
        sd: SD of the paired differences.

    Returns:
        The number, rounded up; infinite where it is above 100,000, NaN where the spread
        is unknown or zero.
    """
    if not sd > 0 or math.isnan(difference):
        return NAN
    effect = min(abs(difference) / sd, LARGEST_EFFECT)
    # The normal distribution needs a few patients less than Student's.
    quantiles = stats.norm.ppf([1 - ALPHA / 2, POWER])
    if effect == 0 or (fewest := (sum(quantiles) / effect) ** 2) > MOST:
        return math.inf
    numbers = count(max(2, math.floor(fewest)))
    return next(n for n in numbers if _power(effect, n) >= POWER)


def _power(effect: float, n: int) -> float:
    """Power of the paired t test; of its two sides only the true one."""
    return float(TTestPower().power(effect, n, ALPHA / 2, alternative="larger"))
