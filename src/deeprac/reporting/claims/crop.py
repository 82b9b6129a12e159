"""The learned crop: what it covers, and the spread of Dice with and without it."""

from dataclasses import replace

import pandas as pd

from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.evaluation.statistics.patients import paired_sd_difference, patient_dice
from deeprac.front_ends import LEARNED_CROPS
from deeprac.labels import FOREGROUND, Label
from deeprac.reporting.claims.claim import Bound, ClaimResult, Quantity, Threshold
from deeprac.reporting.claims.evidence import Evidence
from deeprac.settings.methods import Experiment

CLAIM = "Crop"
COVERAGE, MISSED = Threshold(Bound.AT_LEAST, 99.5), Threshold(Bound.AT_MOST, 0)
SPREAD = Threshold(Bound.AT_MOST, 1)


def crop(evidence: Evidence) -> list[ClaimResult]:
    """Coverage, missed cases and change of the SD of Dice of every learned crop."""
    cast = evidence.cast
    crops = [row for row in cast.experiments if cast.role(row).crop in LEARNED_CROPS]
    if not crops:
        lost = f"no selected experiment at matrix {cast.matrix} with a learned crop"
        return [_covered("").not_measured(lost)]
    scores = patient_dice(evidence.cases)
    results = []
    for experiment in crops:
        results += _coverage(evidence.diagnostics, experiment.name)
        for label in FOREGROUND:
            results.append(_spread(evidence, experiment, label, scores))
    return results


def _covered(experiment: str) -> Quantity:
    return Quantity(CLAIM, "smallest coverage of a case", "%", experiment, COVERAGE)


def _coverage(diagnostics: pd.DataFrame | None, name: str) -> list[ClaimResult]:
    covered = _covered(name)
    missed = Quantity(CLAIM, "missed cases, all seeds", "cases", name, MISSED)
    lost = "summary/diagnostics.csv is missing"
    cases = pd.DataFrame()
    if diagnostics is not None:
        lost = f"summary/diagnostics.csv has no coverage of {name}"
        its_cases = diagnostics[diagnostics.experiment == name]
        cases = its_cases.dropna(subset=["coverage"])
    if cases.empty:
        return [covered.not_measured(lost), missed.not_measured(lost)]
    n = cases.patient.nunique()
    worst = cases.loc[cases.coverage.idxmin()]
    below = int((100 * cases.coverage < COVERAGE.limit).sum())
    note = f"{worst.case}, seed {worst.seed}; {below} of {len(cases)} below"
    smallest = Estimate(100 * worst.coverage, NAN, NAN, n)
    count = Estimate(float(cases.missed.astype(float).sum()), NAN, NAN, n)
    return [
        covered.judged(smallest, note),
        missed.judged(count, f"of {len(cases)}"),
    ]


def _spread(
    evidence: Evidence, experiment: Experiment, label: Label, scores: pd.DataFrame
) -> ClaimResult:
    """Change of the SD over patients; the tumour's has a threshold."""
    cast, name = evidence.cast, f"SD of {label.title} Dice minus without crop"
    uncropped = replace(cast.role(experiment), crop="none", network_input=1.0)
    reference = cast.same_patients(uncropped, experiment.training_patients)
    threshold = SPREAD if label is Label.TUMOUR else None
    what = Quantity(CLAIM, name, "points", experiment.name, threshold)
    if reference is None:
        lost = cast.missing(uncropped, experiment.training_patients)
        return what.not_measured(lost)
    of_label = scores[scores.label == label.title]
    change = paired_sd_difference(of_label, experiment.name, reference).scaled(100)
    return what.judged(change, f"without crop: {reference}")
