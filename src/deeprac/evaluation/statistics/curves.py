"""Mean Dice of patients along a condition, with its bootstrap interval."""

import pandas as pd

from deeprac.evaluation.statistics.estimates import mean_intervals
from deeprac.evaluation.statistics.patients import patient_means
from deeprac.records.stress import MOVES, NEUTRAL, Perturbation

CONDITION = ["experiment", "label", "kind", "value"]


def stress_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Points of the curves of Dice under stress.

    Args:
        table: Columns of summary/stress.csv.

    Returns:
        One row per experiment, label, kind and value: dice_percent (mean over
        patients), low_percent and high_percent (bootstrap 95 % interval of the mean),
        n_patients (with a Dice), visible (mean share of the label that stays in the
        picture). Unchanged images stand at the neutral value of every kind, of scenes
        only where they were tried.
    """
    upright = table.kind == Perturbation.NONE.value
    tried = {*MOVES, *table.kind} - {Perturbation.NONE}
    copies = [
        table[upright].assign(kind=kind.value, value=neutral)
        for kind, neutral in NEUTRAL.items()
        if kind in tried
    ]
    table = pd.concat([table[~upright], *copies]).sort_values([*CONDITION, "patient"])
    visible = patient_means(table, "visible", *CONDITION)
    points = visible.groupby(CONDITION).visible.mean().reset_index()
    dice = patient_means(table, "dice", *CONDITION).groupby(CONDITION).dice
    estimates = mean_intervals([values for _, values in dice])
    numbers = [(100 * m.value, 100 * m.low, 100 * m.high, m.n) for m in estimates]
    names = ["dice_percent", "low_percent", "high_percent", "n_patients"]
    points[names] = pd.DataFrame(numbers, columns=names)
    return points[[*CONDITION, *names, "visible"]]
