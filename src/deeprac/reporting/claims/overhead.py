"""Overhead of one training step at the paper's sizes: counted, not timed."""

from dataclasses import replace
from typing import Any

from deeprac.config import Config
from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.reporting.claims.claim import Bound, ClaimResult, Quantity, Threshold
from deeprac.reporting.roles import PLAIN, STN, STN_CROP_HALF, Cast
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
    counted = {cost["experiment"]: cost for cost in costs if cost["step_flops_ratio"]}
    results = []
    for role, limits in LIMITS.items():
        lost = {"": "config/config.yaml is missing; name it with --protocol"}
        if protocol is not None:
            casts = {cast.same_patients(role, None): cast for cast in _casts(protocol)}
            lost = {name: cast.missing(PLAIN) for name, cast in casts.items() if name}
            lost = lost or {"": f"the protocol has no experiment with {role}"}
        for experiment, missing in lost.items():
            cost = counted.get(experiment)
            for part, limit in limits.items():
                threshold = Threshold(Bound.AT_MOST, limit)
                title = f"{PARTS[part]}, {NAMES[role]}"
                what = Quantity(CLAIM, title, "x plain", threshold=threshold)
                if cost is None:
                    results.append(what.not_measured(missing))
                    continue
                size = f"{cost['matrix_size']}, batch {cost['batch_size']}"
                results.append(
                    replace(what, experiment=experiment).judged(
                        Estimate(cost[part], NAN, NAN, 0),
                        f"matrix {cost['matrix']}: {size}",
                    )
                )
    return results


def _casts(protocol: Config) -> list[Cast]:
    return [Cast(protocol, matrix) for matrix in protocol.matrices]
