"""The budget curve: whether more steps would change what a method reaches.

A training's curve that has become flat proves nothing, as the learning rate has decayed
by its end whatever is left to learn. So every budget is trained on its own, with a
schedule of its own, and compared with one of at least twice the steps.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pandas as pd

from deeprac.evaluation.gates import failures
from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.evaluation.statistics.patients import seed_table
from deeprac.evaluation.statistics.two_way import two_way_difference, two_way_interval

CHANGE = 0.005
"""Change of mean Dice, as a share, below which a method has converged."""
LONGER = 2
"""Times the steps that a budget is compared with, at least."""

CONVERGED, NOT_CONVERGED = "converged", "not converged"
NOT_DECIDABLE = "not decidable"

NO_CHANGE = Estimate(NAN, NAN, NAN, 0)


@dataclass(frozen=True)
class Verdict:
    """Whether a method has converged at a budget.

    Attributes:
        change: of mean Dice, as a share, to the larger budget; NaN where not known.
        change_low: lower end of its 95 % interval over patients and seeds.
        change_high: upper end.
        verdict: ``converged``, ``not converged`` or ``not decidable``.
        reason: why.
    """

    change: float
    change_low: float
    change_high: float
    verdict: str
    reason: str


COLUMNS = (
    *("experiment", "steps", "n", "n_seeds", "dice", "low", "high"),
    *("compared_steps", *Verdict.__annotations__),
)
"""Of :func:`budget_rows`."""


def budget_rows(
    cases: pd.DataFrame, gates: pd.DataFrame, curve: Mapping[int, str]
) -> pd.DataFrame:
    """Dice of one method and label by budget, and where it has converged.

    Args:
        cases: columns experiment, seed, patient and dice of one label.
        gates: of :func:`deeprac.evaluation.gates.judged`, of these trainings and this
            label.
        curve: the method's experiments by their number of steps.

    Returns:
        One row per budget, smallest first: experiment, steps, n, n_seeds, dice with low
        and high (two-way interval over patients and seeds, of the patients who have a
        value with every seed), the steps that it is compared with, and ``Verdict``.
        Shares in 0..1.
    """
    rows = []
    for steps, experiment in sorted(curve.items()):
        own = cases[cases.experiment == experiment]
        dice = two_way_interval(seed_table(own).dropna())
        larger = min((s for s in curve if s >= LONGER * steps), default=None)
        to = None if larger is None else curve[larger]
        rows.append(
            {
                "experiment": experiment,
                "steps": steps,
                "n": dice.n,
                "n_seeds": own.seed.nunique(),
                "dice": dice.value,
                "low": dice.low,
                "high": dice.high,
                "compared_steps": larger,
                **asdict(_verdict(cases, gates, experiment, to)),
            }
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"compared_steps": "Int64", "change": float})


def _verdict(
    cases: pd.DataFrame, gates: pd.DataFrame, experiment: str, larger: str | None
) -> Verdict:
    """Of an experiment, by the one with the larger budget where there is one."""
    change = NO_CHANGE
    if larger is not None:
        change = two_way_difference(cases, larger, experiment)
    verdict, reason = _judged(gates, experiment, larger, change)
    return Verdict(change.value, change.low, change.high, verdict, reason)


def _judged(
    gates: pd.DataFrame, experiment: str, larger: str | None, change: Estimate
) -> tuple[str, str]:
    if failed := failures(gates, experiment):
        return NOT_CONVERGED, failed
    if larger is None:
        return NOT_DECIDABLE, f"nothing was trained {LONGER} times as long"
    if failed := failures(gates, larger):
        return NOT_DECIDABLE, failed
    if pd.isna(change.low):
        return NOT_DECIDABLE, "fewer than two patients or seeds with both"
    size = f"{100 * abs(change.value):.2f} points, "
    if abs(change.value) < CHANGE:
        return CONVERGED, f"{size}less than {100 * CHANGE:g}"
    return NOT_CONVERGED, f"{size}not less than {100 * CHANGE:g}"
