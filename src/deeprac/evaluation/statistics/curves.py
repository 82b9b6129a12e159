"""Mean Dice along a condition, with its interval over patients and seeds."""

import pandas as pd

from deeprac.evaluation.statistics.method_means import method_means
from deeprac.evaluation.statistics.patients import patient_means
from deeprac.records.stress import NEUTRAL, Perturbation

CONDITION = ["experiment", "label", "kind", "value"]


def with_upright(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of summary/stress.csv in which unchanged images stand on every curve.

    A label of which nothing stays in the picture has no Dice: it would be 0 for methods
    that find some and missing for others, who would not be compared on the same cases.

    Args:
        table: Columns of summary/stress.csv.

    Returns:
        The same columns; unchanged images at the neutral value of each kind of change
        that was tried.
    """
    table = table[table.visible != 0]
    upright = table.kind == Perturbation.NONE.value
    tried = set(table.kind)
    copies = [
        table[upright].assign(kind=kind.value, value=neutral)
        for kind, neutral in NEUTRAL.items()
        if kind in tried and kind is not Perturbation.NONE
    ]
    table = pd.concat([table[~upright], *copies])
    return table.sort_values([*CONDITION, "patient"], ignore_index=True)


def stress_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Points of the curves of Dice under stress.

    Args:
        table: Rows of :func:`with_upright`.

    Returns:
        One row per experiment, label, kind and value: columns of ``method_means`` and
        visible (mean share of the label that stays in the picture).
    """
    visible = patient_means(table, "visible", *CONDITION)
    shares = visible.groupby(CONDITION).visible.mean().reset_index()
    return method_means(table, CONDITION).merge(shares, on=CONDITION)
