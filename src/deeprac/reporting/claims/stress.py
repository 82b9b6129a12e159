"""Stress: how much Dice falls when test images are turned or zoomed."""

import pandas as pd

from deeprac.evaluation.statistics.curves import with_upright
from deeprac.evaluation.statistics.patients import complete, seed_table
from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.records.stress import Perturbation
from deeprac.reporting.claims.arms import Pair
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.recovery import missing_rows
from deeprac.reporting.claims.verdict import Measured, lacking
from deeprac.settings.claims import Claim


def stress_change(evidence: Evidence, claim: Claim, pair: Pair, label: str) -> Measured:
    """Dice in the worst condition that counts minus upright, in points.

    Paired by patient and seed; the worst is that of the lowest mean. Both ends of a
    range must have been tested: less would be another claim.
    """
    if why := missing_rows(evidence.stress, "stress", [pair.experiment]):
        return lacking(f"{why}: name it in stress.experiments")
    assert evidence.stress is not None
    table = evidence.stress
    rows = table[(table.experiment == pair.experiment) & (table.label == label)]
    upright = rows[rows.kind == Perturbation.NONE]
    ranges = claim.conditions or {}
    parts = {kind: _within(rows, kind, *ends) for kind, ends in ranges.items()}
    tested = with_upright(rows)
    untested = [
        f"{kind} {end:g}"
        for kind, ends in ranges.items()
        for end in ends
        if _within(tested, kind, end, end).empty
    ]
    if untested or upright.empty:
        lost = ", ".join(untested) or "upright images"
        return lacking(f"summary/stress.csv lacks {lost} of {pair.experiment}")
    before = seed_table(upright)
    changes = {
        condition: complete((100 * (seed_table(own) - before)).dropna(how="all"))
        for condition, own in pd.concat(parts.values()).groupby(["kind", "value"])
    }
    changes = {key: change for key, change in changes.items() if not change.empty}
    if not changes:
        return lacking("no patient has a value upright and changed")
    worst = min(changes, key=lambda key: float(changes[key].to_numpy().mean()))
    found = changes[worst]
    kind, value = worst
    visible = rows[(rows.kind == kind) & (rows.value == value)].visible.mean()
    note = f"{kind} {value:g}, {visible:.1%} visible"
    return Measured(two_way_interval(found), tuple(found.mean()), note=note)


def _within(rows: pd.DataFrame, kind: str, low: float, high: float) -> pd.DataFrame:
    return rows[(rows.kind == kind) & rows.value.between(low - 1e-9, high + 1e-9)]
