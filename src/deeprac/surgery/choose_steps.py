"""Which steps of post-processing a model's bundle has on.

As nnU-Net's own post-processing, they are chosen on held-out predictions: a step stays
where the mean Dice of no class falls by it and that of one rises.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deeprac.evaluation.metrics.overlap import overlap
from deeprac.labels import CohortLabels
from deeprac.surgery.extents import Spacing
from deeprac.surgery.postprocess import CANDIDATES, Postprocessing, postprocess

LEAST_GAIN = 1e-4
"""In mean Dice; a smaller gain is no reason to change what the network said."""


@dataclass(frozen=True)
class HeldOut:
    """One case that the network did not see: label maps [z, y, x] of one grid."""

    prediction: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    spacing_mm: Spacing


def choose(
    cases: Sequence[Callable[[], HeldOut]],
    labels: CohortLabels,
    candidates: Postprocessing = CANDIDATES,
) -> Postprocessing:
    """Choose steps one after another, each on top of those that are kept.

    Args:
        cases: read each case when it is needed; a large cohort does not fit in memory.
        labels: what the numbers mean.
        candidates: the steps that are tried, with their limits.

    Returns:
        The steps that help; all others are off.
    """
    chosen = Postprocessing()
    if not cases:
        return chosen
    best = _mean_dice(cases, labels, chosen)
    for name, limit in candidates.steps.items():
        tried = replace(chosen, **{name: limit})
        dice = _mean_dice(cases, labels, tried)
        gain = (dice - best)[np.isfinite(best)]
        if gain.min(initial=0) >= 0 and gain.max(initial=0) > LEAST_GAIN:
            chosen, best = tried, dice
    return chosen


def _mean_dice(
    cases: Sequence[Callable[[], HeldOut]], labels: CohortLabels, plan: Postprocessing
) -> NDArray[np.float64]:
    """Mean Dice of each foreground label over the cases that show it; else NaN."""
    rows = []
    for read in cases:
        case = read()
        found, _ = postprocess(case.prediction, labels, case.spacing_mm, plan)
        rows.append(
            [
                overlap(found == number, case.truth == number).dice
                for number in labels.foreground.values()
            ]
        )
    dice = np.ma.masked_invalid(rows).mean(axis=0)
    return np.ma.filled(dice, np.nan)
