"""Transform recovery: size, pose and position of held-out patients."""

from dataclasses import replace

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
    stn, moments = (evidence.cast.main(role) for role in (STN, MOMENTS))
    lost = evidence.missing(STN, "diagnostics")
    lost_beside = lost or evidence.missing(MOMENTS, "diagnostics")
    results = []
    for column, (name, unit, factor, limit) in UNITS.items():
        threshold = Threshold(Bound.AT_MOST, limit)
        alone = Quantity(CLAIM, f"median {name} error", unit, stn or "", threshold)
        threshold = Threshold(Bound.AT_MOST, NAN, "the median of moments")
        title = f"{alone.name}, against moments"
        beside = replace(alone, name=title, threshold=threshold)
        if lost or evidence.diagnostics is None:
            results += [what.not_measured(lost) for what in (alone, beside)]
            continue
        sizes = evidence.diagnostics.assign(
            **{column: evidence.diagnostics[column].abs()}
        )
        errors = patient_means(sizes, column, "experiment")
        of_stn = errors[errors.experiment == stn][column] * factor
        results.append(alone.judged(median_interval(of_stn)))
        if lost_beside:
            results.append(beside.not_measured(lost_beside))
            continue
        pairs = paired(errors, stn, moments, column=column) * factor
        median = float(pairs.reference.median())
        threshold = Threshold(Bound.AT_MOST, median, f"median of {moments}")
        beside = replace(beside, threshold=threshold)
        results.append(beside.judged(median_interval(pairs.experiment)))
    return results
