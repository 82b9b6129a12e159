"""Stress: how much Dice falls when test images are turned or zoomed."""

import pandas as pd

from deeprac.evaluation.statistics.estimates import mean_interval
from deeprac.evaluation.statistics.patients import patient_means
from deeprac.labels import FOREGROUND, Label
from deeprac.reporting.claims.claim import Bound, ClaimResult, Quantity, Threshold
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.roles import STN

CLAIM = "Stress"
THRESHOLD = Threshold(Bound.AT_LEAST, -3)
RANGES = {"rotation": (-30.0, 30.0, "degrees"), "scale": (0.6, 1.6, "times")}
"""Conditions that count, by kind: smallest and largest value, and its unit."""


def stress(evidence: Evidence) -> list[ClaimResult]:
    """Change of Dice in the worst condition, per label.

    The learned normaliser has a threshold; all other experiments under stress at the
    matrix, the plain nnU-Net among them, are reported beside it.
    """
    stn = evidence.cast.main(STN)
    lost = evidence.missing(STN, "stress", remedy=": add it to stress.experiments")
    results = []
    if lost:
        quantities = [_quantity(label, stn or "", THRESHOLD) for label in FOREGROUND]
        results = [what.not_measured(lost) for what in quantities]
    found = set() if evidence.stress is None else set(evidence.stress.experiment)
    names = [row.name for row in evidence.cast.experiments if row.name in found]
    for name in sorted(names, key=lambda name: name != stn):
        threshold = THRESHOLD if name == stn else None
        for label in FOREGROUND:
            what = _quantity(label, name, threshold)
            results.append(_worst(evidence.stress, what, label))
    return results


def _quantity(label: Label, experiment: str, threshold: Threshold | None) -> Quantity:
    name = f"{label.title} Dice in the worst condition minus upright"
    return Quantity(CLAIM, name, "points", experiment, threshold)


def _worst(table: pd.DataFrame, what: Quantity, label: Label) -> ClaimResult:
    of_experiment = table[table.experiment == what.experiment]
    of_label = of_experiment[of_experiment.label == label.title]
    untested = [kind for kind in RANGES if not _within(of_label, kind).any()]
    if untested or not (of_label.kind == "none").any():
        lost = f"summary/stress.csv lacks {', '.join(untested) or 'upright images'}"
        return what.not_measured(f"{lost} of {what.experiment} within the range")
    scores = patient_means(of_label, "dice", "kind", "value")
    upright = scores[scores.kind == "none"].set_index("patient").dice
    counted = scores[_within(scores, "rotation") | _within(scores, "scale")]
    changes = {
        condition: mean_interval(
            100 * (rows.set_index("patient").dice - upright).dropna()
        )
        for condition, rows in counted.groupby(["kind", "value"])
    }
    kind, value = min(changes, key=lambda condition: changes[condition].value)
    worst = of_label[(of_label.kind == kind) & (of_label.value == value)]
    tested = []
    for name, (_, _, unit) in RANGES.items():
        values = counted.value[counted.kind == name]
        tested.append(f"{name} {values.min():g} to {values.max():g} {unit}")
    note = f"{kind} {value:g}, {worst.visible.mean():.1%} visible"
    note += f"; tested: {', '.join(tested)}"
    return what.judged(changes[kind, value], note)


def _within(table: pd.DataFrame, kind: str) -> pd.Series:
    low, high, _ = RANGES[kind]
    return (table.kind == kind) & table.value.between(low - 1e-9, high + 1e-9)
