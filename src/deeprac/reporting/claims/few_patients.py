"""Few training patients: the learned normaliser against augmentation."""

import pandas as pd

from deeprac.evaluation.statistics.patients import paired_difference, patient_dice
from deeprac.labels import FOREGROUND
from deeprac.reporting.claims.claim import Bound, ClaimResult, Quantity, Threshold
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.roles import AUGMENTED, AUGMENTED_WIDE, PLAIN, STN, Role
from deeprac.settings.methods import Experiment

CLAIM = "Few patients"
FEWEST, MOST = 8, 20
THRESHOLD = Threshold(Bound.CLEARLY_ABOVE, 0)
REFERENCES = {
    PLAIN: "plain nnU-Net",
    AUGMENTED: "nnU-Net + augmentation",
    AUGMENTED_WIDE: "nnU-Net + wide augmentation",
}
"""What it has to beat; both augmentations, so that the better one is among them."""

BUDGET = ("epochs", "iterations_per_epoch", "batch_size")


def few_patients(evidence: Evidence) -> list[ClaimResult]:
    """Paired differences at every number of training patients, fewest first.

    Between 8 and 20 patients they have a threshold; the other numbers are reported, to
    show where the advantage ends.
    """
    trained = evidence.runs.groupby("experiment").training_patients.mean()
    rows = sorted(evidence.cast.all_of(STN), key=lambda row: trained[row.name])
    results = []
    if not any(FEWEST <= trained[row.name] <= MOST for row in rows):
        name = f"Dice, {FEWEST} to {MOST} training patients"
        what = Quantity(CLAIM, name, "points", threshold=THRESHOLD)
        lost = evidence.cast.missing(STN) + f" and {FEWEST} to {MOST} training patients"
        results.append(what.not_measured(lost))
    scores = patient_dice(evidence.cases)
    for row in rows:
        count = trained[row.name]
        for role in REFERENCES:
            results += _differences(evidence, scores, row, role, count=count)
    return results


def _differences(
    evidence: Evidence,
    scores: pd.DataFrame,
    experiment: Experiment,
    role: Role,
    *,
    count: float,
) -> list[ClaimResult]:
    """One result per label; none where a number without threshold has no reference."""
    cast, runs = evidence.cast, evidence.runs
    threshold = THRESHOLD if FEWEST <= count <= MOST else None
    reference = cast.same_patients(role, experiment.training_patients)
    lost, note = cast.missing(role, experiment.training_patients), ""
    if reference is None and threshold is None:
        return []
    if reference is not None:
        own, other = (
            runs[runs.experiment == name] for name in (experiment.name, reference)
        )
        first, second = own.iloc[0], other.iloc[0]
        lost = "; ".join(
            f"unequal {name}: {first[name]:g}, {reference} {second[name]:g}"
            for name in BUDGET
            if first[name] != second[name]
        )
        note = _times(own, other)
    results = []
    for label in FOREGROUND:
        name = f"{label.title} Dice, {count:.3g} patients: minus {REFERENCES[role]}"
        what = Quantity(CLAIM, name, "points", experiment.name, threshold)
        if lost:
            results.append(what.not_measured(lost))
            continue
        of_label = scores[scores.label == label.title]
        gain = paired_difference(of_label, experiment.name, reference).scaled(100)
        results.append(what.judged(gain, note))
    return results


def _times(own: pd.DataFrame, other: pd.DataFrame) -> str:
    """The ratio of two experiments' times in words, or why there is none."""
    if set(own.device_name) != set(other.device_name):
        return "training times on different devices"
    timed = [table.training_seconds.dropna() for table in (own, other)]
    if any(times.empty for times in timed):
        return "training times do not compare: shared machine"
    note = f"training time x {timed[0].mean() / timed[1].mean():.2f}"
    if (len(own), len(other)) == (len(timed[0]), len(timed[1])):
        return note
    return f"{note} ({len(timed[0])} and {len(timed[1])} timed runs)"
