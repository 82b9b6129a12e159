"""What an arm costs as a multiple of another: of its runs, or at the paper's sizes."""

from dataclasses import replace

import numpy as np
import pandas as pd

from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.reporting.claims.arms import Pair
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.scores import t_interval
from deeprac.reporting.claims.verdict import Measured, lacking
from deeprac.settings.claims import Claim

COLUMNS = {
    "training_time": ("training_seconds", "times: another run shared the machine"),
    "flops": ("step_flops", "no FLOPs in the records of the runs"),
    "saved_bytes": ("step_saved_bytes", "no saved bytes in the records of the runs"),
    "gpu_memory": ("gpu_peak_reserved_gib", "no run on a GPU"),
}
"""Column of runs.csv, and why it has no number."""

MIN_TIMED = 5
"""Timed runs of each arm from which on there is a verdict on times."""

PROTOCOL = {
    "protocol_flops": "step_flops_ratio",
    "protocol_saved_bytes": "step_saved_bytes_ratio",
    "protocol_saved_bytes_mixed": "step_saved_bytes_mixed_ratio",
}
"""Entry of ``training.step.experiment_costs``, against the plain nnU-Net."""


def run_ratio(evidence: Evidence, claim: Claim, pair: Pair, _: str) -> Measured:
    """Cost of the arm's runs over that of the reference's."""
    column, why = COLUMNS[claim.quantity or ""]
    runs = evidence.runs.dropna(subset=[column]).set_index(["seed", "fold"])
    both = [runs[runs.experiment == n] for n in (pair.experiment, pair.reference)]
    if any(side.empty for side in both):
        return lacking(why)
    if claim.quantity == "gpu_memory":
        return _measured_ratio(column, *both)
    if claim.quantity == "training_time":
        found = _measured_ratio(column, *both)
        failed = evidence.failed("", pair.experiment, pair.reference)
        return replace(found, missing=found.missing or failed or _few(found.estimate.n))
    note = "n = {} and {} runs".format(*map(len, both))
    if claim.quantity == "saved_bytes":
        kinds = {str(kind) for side in both for kind in side.step_precision}
        if len(kinds) > 1:
            return lacking("saved bytes were counted in different precisions")
        note = f"in {kinds.pop()}"
    ratio = both[0][column].mean() / both[1][column].mean()
    return Measured(Estimate(float(ratio), NAN, NAN, 0), note=note)


def _measured_ratio(column: str, own: pd.DataFrame, other: pd.DataFrame) -> Measured:
    """Geometric mean over the seeds and folds that both sides have, interval of t."""
    devices = {*own.device_name, *other.device_name}
    if len(devices) > 1:
        return lacking(f"different devices: {', '.join(sorted(devices))}")
    ratios = (own[column] / other[column]).dropna()
    if ratios.empty:
        return lacking("no seed and fold is measured in both")
    n = len(ratios)
    logs = t_interval(np.log(ratios), n=n)
    ends = (float(np.exp(end)) for end in (logs.value, logs.low, logs.high))
    return Measured(Estimate(*ends, n), note="n: runs of each")


def _few(n: int) -> str:
    """Why so many timed runs give no verdict; empty where they are enough."""
    if n >= MIN_TIMED:
        return ""
    return f"{n} timed run{'s' * (n != 1)} of each, {MIN_TIMED} needed"


def protocol_ratio(evidence: Evidence, claim: Claim, pair: Pair, _: str) -> Measured:
    """Cost of a step at the sizes of the protocol over that of the plain nnU-Net."""
    counted = {cost["experiment"]: cost for cost in evidence.costs}
    cost = counted.get(pair.experiment, {})
    ratio = cost.get(PROTOCOL[claim.quantity or ""])
    if ratio is None:
        return lacking("summary/protocol.json does not count it")
    size = f"{cost['matrix_size']} pixels, batch {cost['batch_size']}"
    return Measured(Estimate(float(ratio), NAN, NAN, 0), note=size)
