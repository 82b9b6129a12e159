"""Transform recovery: size, pose and position of held-out patients."""

from dataclasses import replace

import pandas as pd

from deeprac.evaluation.statistics.estimates import NAN, median_interval
from deeprac.evaluation.statistics.patients import paired, patient_means
from deeprac.reporting.claims.claim import Bound, ClaimResult, Quantity, Threshold
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.roles import MOMENTS, STN

CLAIM = "Transform recovery"

UNITS = {
    "scale_error": ("scale", "%", 100.0, 3.0),
    "angle_error_deg": ("rotation", "degrees", 1.0, 3.0),
    "centre_error": ("centre", "% of width", 100.0, 2.0),
}
"""Columns: what they are called, their unit, its factor, and the largest median.
The width is that of the slice padded to a square."""


def recovery(evidence: Evidence) -> list[ClaimResult]:
    """Median errors of the learned transform, alone and against the moments'.

    Two results per error: against a number, and against the median of ``moments`` on
    the same patients.
    """
    return [
        result
        for column in UNITS
        for result in (_alone(evidence, column), _against_moments(evidence, column))
    ]


def _alone(evidence: Evidence, column: str) -> ClaimResult:
    stn = evidence.cast.main(STN)
    name, unit, factor, limit = UNITS[column]
    threshold = Threshold(Bound.AT_MOST, limit)
    what = Quantity(CLAIM, f"median {name} error", unit, stn or "", threshold)
    if lost := evidence.missing(STN, "diagnostics"):
        return what.not_measured(lost)
    errors = _errors(evidence.diagnostics, column)
    of_stn = errors[errors.experiment == stn][column] * factor
    return what.judged(median_interval(of_stn))


def _against_moments(evidence: Evidence, column: str) -> ClaimResult:
    stn, moments = (evidence.cast.main(role) for role in (STN, MOMENTS))
    name, unit, factor, _ = UNITS[column]
    threshold = Threshold(Bound.AT_MOST, NAN, "the median of moments")
    title = f"median {name} error, against moments"
    what = Quantity(CLAIM, title, unit, stn or "", threshold)
    lost = [evidence.missing(role, "diagnostics") for role in (STN, MOMENTS)]
    if any(lost):
        return what.not_measured(lost[0] or lost[1])
    errors = _errors(evidence.diagnostics, column)
    pairs = paired(errors, stn, moments, column=column) * factor
    median = float(pairs.reference.median())
    threshold = Threshold(Bound.AT_MOST, median, f"median of {moments}")
    what = replace(what, threshold=threshold)
    return what.judged(median_interval(pairs.experiment))


def _errors(diagnostics: pd.DataFrame, column: str) -> pd.DataFrame:
    """Size of a patient's error: experiment, patient and the column."""
    sizes = diagnostics.assign(**{column: diagnostics[column].abs()})
    return patient_means(sizes, column, "experiment")
