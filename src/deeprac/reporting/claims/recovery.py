"""Transform recovery: size, pose and position of held-out patients."""

import pandas as pd

from deeprac.evaluation.statistics.estimates import median_interval
from deeprac.evaluation.statistics.patients import paired, patient_means
from deeprac.reporting.claims.claim import (
    Bound,
    ClaimResult,
    Quantity,
    Threshold,
    judged,
    not_measured,
)
from deeprac.reporting.claims.evidence import ERRORS, Evidence
from deeprac.reporting.roles import MOMENTS, STN, Role

CLAIM = "Transform recovery"

UNITS = dict(
    zip(
        ERRORS,
        (
            ("scale", "%", 100.0, 3.0),
            ("rotation", "degrees", 1.0, 3.0),
            ("centre", "% of width", 100.0, 2.0),
        ),
        strict=True,
    )
)
"""Columns: what they are called, their unit, its factor, and the largest median.
The width is that of the slice padded to a square."""


def recovery(evidence: Evidence) -> list[ClaimResult]:
    """Median errors of the learned transform, alone and against the moments'.

    Two results per error: against a number, and against the median of ``moments`` on
    the same patients.
    """
    stn = evidence.cast.main(STN)
    lost = _missing(evidence, STN)
    results = []
    for column, (name, unit, factor, limit) in UNITS.items():
        what = Quantity(CLAIM, f"median {name} error", unit, stn or "")
        threshold = Threshold(Bound.AT_MOST, limit)
        if lost:
            results.append(not_measured(what, threshold, lost))
        else:
            errors = _errors(evidence.diagnostics, column)
            mine = errors[errors.experiment == stn][column] * factor
            results.append(judged(what, median_interval(mine), threshold))
        results.append(_against_moments(evidence, column))
    return results


def _missing(evidence: Evidence, role: Role) -> str:
    """Say what is missing of a role; empty where it is there."""
    name = evidence.cast.main(role)
    if name is None:
        return evidence.cast.missing(role)
    if evidence.diagnostics is None:
        return "summary/diagnostics.csv is missing"
    if name not in set(evidence.diagnostics.experiment):
        return f"summary/diagnostics.csv has no row of {name}"
    return ""


def _errors(diagnostics: pd.DataFrame, column: str) -> pd.DataFrame:
    """Size of a patient's error: experiment, patient and the column."""
    sizes = diagnostics.assign(**{column: diagnostics[column].abs()})
    return patient_means(sizes, column, "experiment")


def _against_moments(evidence: Evidence, column: str) -> ClaimResult:
    stn, moments = (evidence.cast.main(role) for role in (STN, MOMENTS))
    name, unit, factor, _ = UNITS[column]
    what = Quantity(CLAIM, f"median {name} error, against moments", unit, stn or "")
    lost = _missing(evidence, STN) or _missing(evidence, MOMENTS)
    if lost:
        unknown = Threshold(Bound.AT_MOST, float("nan"), "the median of moments")
        return not_measured(what, unknown, lost)
    errors = _errors(evidence.diagnostics, column)
    pairs = paired(errors, stn, moments, column=column) * factor
    threshold = Threshold(
        Bound.AT_MOST, float(pairs.reference.median()), f"median of {moments}"
    )
    return judged(what, median_interval(pairs.experiment), threshold)
