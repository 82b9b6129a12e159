"""Overhead of one training step at the paper's sizes: counted, not timed."""

from typing import Any

from deeprac.config import Config
from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.reporting.claims.claim import Bound, ClaimResult, Quantity, Threshold
from deeprac.reporting.roles import PLAIN, STN, STN_CROP_HALF, Cast, Role
from deeprac.settings.methods import Experiment

CLAIM = "Overhead of a step"
PARTS = {"step_flops_ratio": "FLOPs", "step_saved_bytes_ratio": "saved bytes"}
LIMITS = {
    STN: {"step_flops_ratio": 1.05, "step_saved_bytes_ratio": 1.10},
    STN_CROP_HALF: {"step_flops_ratio": 0.30, "step_saved_bytes_ratio": 0.32},
}
"""Largest cost of a role as a multiple of the plain nnU-Net's."""

NAMES = {STN: "pose-size", STN_CROP_HALF: "pose-size and crop at half size"}


def counted_experiments(protocol: Config) -> list[Experiment]:
    """Experiments of the protocol whose steps have to be counted."""
    return [
        protocol.experiments[name]
        for cast in _casts(protocol)
        for role in (PLAIN, *LIMITS)
        if (name := cast.same_patients(role, None)) is not None
    ]


def overhead(protocol: Config | None, costs: list[dict[str, Any]]) -> list[ClaimResult]:
    """Cost of the front ends, at every matrix of the protocol that has them.

    Args:
        protocol: The paper's protocol; None if its file is missing.
        costs: Result of ``deeprac.training.step.experiment_costs`` for
            :func:`counted_experiments`.
    """
    if protocol is None:
        lost = "config/config.yaml is missing; name it with --protocol"
        return [result for role in LIMITS for result in _lost(role, lost)]
    results = []
    for role in LIMITS:
        casts = [cast for cast in _casts(protocol) if cast.same_patients(role, None)]
        if not casts:
            results += _lost(role, f"the protocol has no experiment with {role}")
        for cast in casts:
            results += _matrix(cast, role, costs)
    return results


def _casts(protocol: Config) -> list[Cast]:
    return [Cast(protocol, matrix) for matrix in protocol.matrices]


def _matrix(cast: Cast, role: Role, costs: list[dict[str, Any]]) -> list[ClaimResult]:
    name = cast.same_patients(role, None)
    record = next((cost for cost in costs if cost["experiment"] == name), None)
    if record is None or record["step_flops_ratio"] is None:
        return _lost(role, cast.missing(PLAIN))
    size = f"{record['matrix_size']}, batch {record['batch_size']}"
    note = f"matrix {cast.matrix}: {size}"
    return [
        _quantity(role, part, name).judged(Estimate(record[part], NAN, NAN, 0), note)
        for part in PARTS
    ]


def _quantity(role: Role, part: str, experiment: str) -> Quantity:
    name = f"{PARTS[part]}, {NAMES[role]}"
    threshold = Threshold(Bound.AT_MOST, LIMITS[role][part])
    return Quantity(CLAIM, name, "x plain", experiment, threshold)


def _lost(role: Role, missing: str) -> list[ClaimResult]:
    return [_quantity(role, part, "").not_measured(missing) for part in PARTS]
