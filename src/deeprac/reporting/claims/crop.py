"""The learned crop: what it covers, and the spread of Dice with and without it."""

from dataclasses import replace

import pandas as pd

from deeprac.config import Experiment
from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.evaluation.statistics.patients import paired_sd_difference, patient_dice
from deeprac.labels import FOREGROUND, Label
from deeprac.reporting.claims.claim import (
    Bound,
    ClaimResult,
    Quantity,
    Threshold,
    judged,
    not_measured,
)
from deeprac.reporting.claims.evidence import Evidence

CLAIM = "Crop"
COVERAGE = Threshold(Bound.AT_LEAST, 99.5)
MISSED = Threshold(Bound.AT_MOST, 0)
SPREAD = Threshold(Bound.AT_MOST, 1)


def crop(evidence: Evidence) -> list[ClaimResult]:
    """Coverage, missed cases and change of the SD of Dice of every learned crop."""
    cast = evidence.cast
    crops = [row for row in cast.experiments if cast.role(row).crop == "stn"]
    if not crops:
        what = Quantity(CLAIM, "smallest coverage of a case", "%")
        lost = f"no selected experiment at matrix {cast.matrix} with crop stn"
        return [not_measured(what, COVERAGE, lost)]
    scores = patient_dice(evidence.cases)
    results = []
    for experiment in crops:
        results += _coverage(evidence.diagnostics, experiment.name)
        for label in FOREGROUND:
            results.append(_spread(evidence, experiment, label, scores))
    return results


def _coverage(diagnostics: pd.DataFrame | None, name: str) -> list[ClaimResult]:
    covered = Quantity(CLAIM, "smallest coverage of a case", "%", name)
    missed = Quantity(CLAIM, "missed cases, all seeds", "cases", name)
    lost = ""
    if diagnostics is None:
        lost = "summary/diagnostics.csv is missing"
    else:
        its_cases = diagnostics[diagnostics.experiment == name]
        covered_cases = its_cases.dropna(subset=["coverage"])
        if covered_cases.empty:
            lost = f"summary/diagnostics.csv has no coverage of {name}"
    if lost:
        wanted = ((covered, COVERAGE), (missed, MISSED))
        return [not_measured(what, threshold, lost) for what, threshold in wanted]
    n = covered_cases.patient.nunique()
    worst = covered_cases.loc[covered_cases.coverage.idxmin()]
    below = int((100 * covered_cases.coverage < COVERAGE.limit).sum())
    note = f"{worst.case}, seed {worst.seed}; {below} of {len(covered_cases)} below"
    smallest = Estimate(100 * worst.coverage, NAN, NAN, n)
    count = Estimate(float(covered_cases.missed.astype(float).sum()), NAN, NAN, n)
    return [
        judged(covered, smallest, COVERAGE, note),
        judged(missed, count, MISSED, f"of {len(covered_cases)}"),
    ]


def _spread(
    evidence: Evidence, experiment: Experiment, label: Label, scores: pd.DataFrame
) -> ClaimResult:
    """Change of the SD over patients; the tumour's has a threshold."""
    cast, name = evidence.cast, f"SD of {label.title} Dice minus without crop"
    uncropped = replace(cast.role(experiment), crop="none", network_input=1.0)
    reference = cast.same_patients(uncropped, experiment.training_patients)
    threshold = SPREAD if label is Label.TUMOUR else None
    what = Quantity(CLAIM, name, "points", experiment.name)
    if reference is None:
        lost = cast.missing(uncropped, experiment.training_patients)
        return not_measured(what, threshold, lost)
    of_label = scores[scores.label == label.title]
    change = paired_sd_difference(of_label, experiment.name, reference).scaled(100)
    return judged(what, change, threshold, f"without crop: {reference}")
