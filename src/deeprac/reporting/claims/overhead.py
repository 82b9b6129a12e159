"""Overhead of one training step at the paper's sizes.

FLOPs are counted. Memory is what the GPU reserved where the cohort was trained on one
at these sizes, with this network; else the bytes that are saved for backward, counted.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from deeprac.config import Config
from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.reporting.claims.claim import Bound, ClaimResult, Quantity, Threshold
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.roles import PLAIN, STN, STN_CROP_HALF, Cast, Role
from deeprac.settings.methods import PLANNED, Experiment

CLAIM = "Overhead of a step"
FLOPS, MEMORY = "step_flops_ratio", "memory_ratio"
LIMITS = {
    STN: {FLOPS: 1.05, MEMORY: 1.10},
    STN_CROP_HALF: {FLOPS: 0.30, MEMORY: 0.32},
}
"""Largest cost of a role as a multiple of the plain nnU-Net's."""

SAVED = {
    "step_saved_bytes_ratio": "saved bytes in float32",
    "step_saved_bytes_mixed_ratio": "saved bytes in mixed precision",
}
"""Counted memory; a count of older versions has the first only."""

NAMES = {STN: "pose-size", STN_CROP_HALF: "pose-size and crop at half size"}


def counted_experiments(protocol: Config) -> list[Experiment]:
    """Experiments of the protocol whose steps have to be counted."""
    return [
        protocol.experiments[name]
        for cast in _casts(protocol)
        for role in (PLAIN, *LIMITS)
        if (name := cast.same_patients(role, None)) is not None
    ]


def overhead(
    evidence: Evidence, protocol: Config | None, costs: list[dict[str, Any]]
) -> list[ClaimResult]:
    """Cost of the front ends, at every matrix of the protocol that has them.

    Args:
        evidence: Tables of the cohort.
        protocol: The paper's protocol; None if its file is missing.
        costs: Result of ``deeprac.training.step.experiment_costs`` for
            :func:`counted_experiments`.
    """
    counted = {cost["experiment"]: cost for cost in costs if cost["step_flops_ratio"]}
    results = []
    for role in LIMITS:
        lost = {"": "config/config.yaml is missing; name it with --protocol"}
        if protocol is not None:
            casts = {cast.same_patients(role, None): cast for cast in _casts(protocol)}
            lost = {name: cast.missing(PLAIN) for name, cast in casts.items() if name}
            lost = lost or {"": f"the protocol has no experiment with {role}"}
        for experiment, missing in lost.items():
            cost = counted.get(experiment)
            if protocol is None or cost is None:
                for part, title in ((FLOPS, "FLOPs"), (MEMORY, "memory")):
                    results.append(_quantity(role, part, title).not_measured(missing))
                continue
            parts = _parts(evidence, protocol, role, cost)
            for part, title, value, how in parts:
                what = replace(_quantity(role, part, title), experiment=experiment)
                size = f"{cost['matrix_size']}, batch {cost['batch_size']}"
                note = f"matrix {cost['matrix']}: {size}; {how}"
                results.append(what.judged(Estimate(value, NAN, NAN, 0), note))
    return results


def _quantity(role: Role, part: str, title: str) -> Quantity:
    threshold = Threshold(Bound.AT_MOST, LIMITS[role][part])
    return Quantity(CLAIM, f"{title}, {NAMES[role]}", "x plain", threshold=threshold)


def _parts(
    evidence: Evidence, protocol: Config, role: Role, cost: dict[str, Any]
) -> Iterator[tuple[str, str, float, str]]:
    """Key of the limit, what it is, ratio to the plain nnU-Net, how it was found."""
    yield FLOPS, "FLOPs", cost[FLOPS], "counted"
    ratio, runs = _measured(evidence, protocol, role, cost["matrix"])
    if runs:
        how = f"measured, n = {runs} run{'s' * (runs != 1)}"
        yield MEMORY, "reserved GPU memory", ratio, how
        return
    for key, title in SAVED.items():
        if cost.get(key) is not None:
            yield MEMORY, title, cost[key], "counted"


def _measured(
    evidence: Evidence, protocol: Config, role: Role, matrix: str
) -> tuple[float, int]:
    """Reserved GPU memory of a role over the plain nnU-Net's, and of how many runs.

    Only of runs at the protocol's sizes, with its network, all on one kind of GPU; else
    NaN of none. A planned matrix has the sizes of its cohort, so none is like another.
    """
    config, runs = evidence.cast.config, evidence.runs
    wanted = protocol.matrices[matrix]
    if config.network == protocol.network and wanted.size != PLANNED:
        for name, own in config.matrices.items():
            if (own.size, own.batch_size) != (wanted.size, wanted.batch_size):
                continue
            cast = Cast(config, name)
            names = [cast.same_patients(one, None) for one in (role, PLAIN)]
            first, plain = (runs[runs.experiment == name] for name in names)
            devices = {*first.device_name, *plain.device_name}
            peaks = [table.gpu_peak_reserved_gib for table in (first, plain)]
            known = all(len(peak) and peak.notna().all() for peak in peaks)
            if known and len(devices) == 1:
                return peaks[0].mean() / peaks[1].mean(), len(first)
    return NAN, 0


def _casts(protocol: Config) -> list[Cast]:
    return [Cast(protocol, matrix) for matrix in protocol.matrices]
