"""What an arm costs as a multiple of another: of its runs, or at the paper's sizes."""

from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.reporting.claims.arms import Pair
from deeprac.reporting.claims.evidence import Evidence
from deeprac.reporting.claims.verdict import Measured, lacking
from deeprac.settings.claims import Claim

COLUMNS = {
    "training_time": ("training_seconds", "times: another run shared the machine"),
    "flops": ("step_flops", "no FLOPs in the records of the runs"),
    "saved_bytes": ("step_saved_bytes", "no saved bytes in the records of the runs"),
    "gpu_memory": ("gpu_peak_reserved_gib", "no run on a GPU"),
}
"""Column of runs.csv, and why it has no number."""

PROTOCOL = {
    "protocol_flops": "step_flops_ratio",
    "protocol_saved_bytes": "step_saved_bytes_ratio",
    "protocol_saved_bytes_mixed": "step_saved_bytes_mixed_ratio",
}
"""Entry of ``training.step.experiment_costs``, against the plain nnU-Net."""


def run_ratio(evidence: Evidence, claim: Claim, pair: Pair, _: str) -> Measured:
    """Mean over the runs of the arm over that of the reference's."""
    column, why = COLUMNS[claim.quantity or ""]
    runs = evidence.runs
    sides = [runs[runs.experiment == n] for n in (pair.experiment, pair.reference)]
    both = [side.dropna(subset=[column]) for side in sides]
    if any(side.empty for side in both):
        return lacking(why)
    note = "n = {} and {} runs".format(*map(len, both))
    if claim.quantity in ("training_time", "gpu_memory"):
        devices = {name for side in both for name in side.device_name}
        if len(devices) > 1:
            return lacking(f"different devices: {', '.join(sorted(devices))}")
    if claim.quantity == "saved_bytes":
        kinds = {str(kind) for side in both for kind in side.step_precision}
        if len(kinds) > 1:
            return lacking("saved bytes were counted in different precisions")
        note = f"in {kinds.pop()}"
    ratio = both[0][column].mean() / both[1][column].mean()
    return Measured(Estimate(float(ratio), NAN, NAN, 0), note=note)


def protocol_ratio(evidence: Evidence, claim: Claim, pair: Pair, _: str) -> Measured:
    """Cost of a step at the sizes of the protocol over that of the plain nnU-Net."""
    counted = {cost["experiment"]: cost for cost in evidence.costs}
    cost = counted.get(pair.experiment, {})
    ratio = cost.get(PROTOCOL[claim.quantity or ""])
    if ratio is None:
        return lacking("summary/protocol.json does not count it")
    size = f"{cost['matrix_size']} pixels, batch {cost['batch_size']}"
    return Measured(Estimate(float(ratio), NAN, NAN, 0), note=size)
