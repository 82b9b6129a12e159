"""What may be concluded of a comparison, and from how much.

A verdict is on a method, not on the trainings at hand. It needs enough trainings and
patients that the interval over both holds what it promises, the test within Holm's
correction, and every seed on the same side; else numbers stand without a verdict.
"""

from collections.abc import Collection
from typing import Any

from deeprac.evaluation.statistics.power import ALPHA
from deeprac.settings.reports import NON_INFERIORITY

MIN_SEEDS = 5
"""Seeds from which on there is a verdict. Of two methods that do not differ three seeds
find one better in up to 8 % of comparisons, even over 200 patients; five in up to 6 %
(``benchmarks/coverage.py``; the table is in docs/statistics.md)."""

MIN_PATIENTS = 16
"""Patients from which on there is a verdict: with ten, and differences as skewed as the
Dice of tumours, it is 7 % (see there)."""

SUPERIOR, INFERIOR, NOT_INFERIOR = "superior", "inferior", "non-inferior"
INCONCLUSIVE, NOT_DECIDABLE = "inconclusive", "not decidable"
NOT_RUN, REFUSED = "not run", "refused"
"""Verdicts; ``docs/statistics.md`` says when each is given."""


def undecidable(patients: int, seeds: int) -> str:
    """Why so many patients and seeds give no verdict; empty where they are enough.

    Example:
        >>> undecidable(16, 3)
        '3 seeds, 5 needed'
        >>> undecidable(16, 5)
        ''
    """
    if seeds < MIN_SEEDS:
        alone = "; interval and test are of this training alone" * (seeds == 1)
        return f"{_counted(seeds, 'seed')}, {MIN_SEEDS} needed{alone}"
    if patients < MIN_PATIENTS:
        return f"{_counted(patients, 'patient')}, {MIN_PATIENTS} needed"
    return ""


def verdict(
    row: Any, failed: Collection[str], trainings: int, unsettled: str = ""
) -> tuple[str, str]:
    """Verdict of a comparison in words, and why.

    Args:
        row: n, n_seeds, difference and seeds_above (whose mean difference is above the
            limit), test, margin and two_way_p_holm, as ``planned`` gives them.
        failed: Trainings of both sides that did not learn the label, in words.
        trainings: Number of all trainings of both sides.
        unsettled: Which side has not converged on the label, and why it is known.
    """
    if row.n == 0:
        return NOT_RUN, "no patient has a value in both with the same seed"
    if failed:
        number = f"{len(failed)} of {trainings} trainings did not learn"
        return NOT_DECIDABLE, f"{number}: {', '.join(failed)}"
    if why := undecidable(row.n, row.n_seeds) or unsettled:
        return NOT_DECIDABLE, why
    margin = row.margin if row.test == NON_INFERIORITY else 0.0
    above = row.difference > -margin
    agreeing = row.seeds_above if above else row.n_seeds - row.seeds_above
    p, seeds = (
        f"p after Holm {row.two_way_p_holm:.3g}",
        f"{agreeing} of {row.n_seeds} seeds",
    )
    limit = f"{-100 * margin:+.2f} points" if margin else "zero"
    side = f"{'above' if above else 'below'} {limit}"
    if not row.two_way_p_holm < ALPHA:
        return INCONCLUSIVE, f"{p}, not below {ALPHA}; {seeds} {side}"
    if agreeing < row.n_seeds:
        return INCONCLUSIVE, f"{p}, but only {seeds} {side}"
    better = NOT_INFERIOR if row.test == NON_INFERIORITY else SUPERIOR
    return better if above else INFERIOR, f"{p}; {seeds} {side}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
