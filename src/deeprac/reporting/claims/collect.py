"""Every claim against what was measured, in the order of the file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeprac.config import Config
from deeprac.config_files import resolve
from deeprac.errors import ConfigError
from deeprac.evaluation.statistics.comparisons import training_steps
from deeprac.files import read_json
from deeprac.reporting.claims.arms import Pair, pairs
from deeprac.reporting.claims.crop import crop
from deeprac.reporting.claims.evidence import Evidence, read_evidence
from deeprac.reporting.claims.overhead import PROTOCOL, protocol_ratio, run_ratio
from deeprac.reporting.claims.recovery import recovery
from deeprac.reporting.claims.scores import dice_difference, dice_sd_difference
from deeprac.reporting.claims.stress import stress_change
from deeprac.reporting.claims.verdict import Measured, Verdict, decided, lacking
from deeprac.reporting.summary import Summary
from deeprac.settings.claims import QUANTITIES, Claim

Measure = Callable[[Evidence, Claim, Pair, str], Measured]

MEASURES: dict[str, Measure] = {
    "dice_difference": dice_difference,
    "dice_sd_difference": dice_sd_difference,
    **dict.fromkeys(("scale_error", "angle_error", "centre_error"), recovery),
    **dict.fromkeys(("coverage", "missed"), crop),
    "stress_change": stress_change,
    **dict.fromkeys(("training_time", "flops", "saved_bytes", "gpu_memory"), run_ratio),
    **dict.fromkeys(PROTOCOL, protocol_ratio),
}
"""How each quantity is measured."""

Costs = list[dict[str, Any]]
"""Result of ``deeprac.training.step.experiment_costs``."""


@dataclass(frozen=True)
class ClaimResult:
    """A row of the table of claims; numbers in ``unit``.

    Attributes:
        claim: The sentence.
        quantity: What is measured.
        label: Whose Dice; empty where no label is meant.
        experiment: The arm; empty where none was run.
        against: What it is compared with; empty without.
        cohort: Name of the cohort.
        verdict: reached, missed or not decidable.
        why: What decided, or is missing; empty where the claim is reached.
        value: The number; NaN where there is none.
        low: Lower end of its 95 % interval; NaN without.
        high: Upper end.
        unit: Of all numbers.
        n: Patients, or measured runs of each arm; 0 where neither plays a part.
        seeds: Seeds; 0 where trainings play no part.
        bound: What is claimed of the number.
        rule: point or interval.
        note: What stands beside it.
    """

    claim: str
    quantity: str
    label: str
    experiment: str
    against: str
    cohort: str
    verdict: Verdict
    why: str
    value: float
    low: float
    high: float
    unit: str
    n: int
    seeds: int
    bound: str
    rule: str
    note: str


def judged(evidence: Evidence) -> list[ClaimResult]:
    """Every claim of the configuration, each with all arms that were run."""
    claims = evidence.config.report.claims
    return [result for claim in claims for result in _results(evidence, claim)]


def cohort_claims(summary: Summary) -> list[ClaimResult]:
    """The same of a cohort, with the counted protocol where its results have it.

    Raises:
        MetricsError: A table is foreign.
        ConfigError: So is summary/protocol.json.
    """
    path = summary.layout.summary_protocol
    protocol, costs = read_protocol(path) if path.is_file() else (None, [])
    return judged(read_evidence(summary, protocol, costs))


def _results(evidence: Evidence, claim: Claim) -> Iterator[ClaimResult]:
    if claim.undecided is not None:
        yield _result(evidence, claim, Pair(missing=claim.undecided), "")
        return
    of_protocol = claim.quantity in PROTOCOL
    config = evidence.protocol if of_protocol else evidence.config
    if config is None:
        why = "no step of the protocol is counted: run `snakemake claims`"
        yield _result(evidence, claim, Pair(missing=why), "")
        return
    trained = {} if of_protocol else evidence.trained
    for pair in pairs(config, claim, trained):
        for label in claim.labels or ("",):
            yield _result(evidence, claim, pair, label)


def _result(evidence: Evidence, claim: Claim, pair: Pair, label: str) -> ClaimResult:
    measured = _measured(evidence, claim, pair, label)
    verdict, why, subject = Verdict.NOT_DECIDABLE, measured.missing, None
    if claim.quantity is not None:
        subject = QUANTITIES[claim.quantity]
        gate = "" if pair.missing else _gate(evidence, claim, pair, label)
        verdict, why = decided(measured, claim.limit, claim.rule, gate)
    number = measured.estimate
    notes = measured.note, _untested(evidence, claim, pair, label, verdict)
    return ClaimResult(
        claim=claim.claim,
        quantity=subject.title if subject else "",
        label=label,
        experiment=pair.experiment,
        against=pair.reference,
        cohort=evidence.config.cohort.name,
        verdict=verdict,
        why=why,
        value=number.value,
        low=number.low,
        high=number.high,
        unit=subject.unit if subject else "",
        n=number.n,
        seeds=len(measured.seeds),
        bound=str(claim.limit) if subject else "",
        rule=claim.rule if subject else "",
        note="; ".join(filter(None, notes)),
    )


def _gate(evidence: Evidence, claim: Claim, pair: Pair, label: str) -> str:
    """Why trainings of a pair say nothing of their methods; empty where they do.

    A claim that names its steps speaks of these, converged or not; one about something
    else than Dice needs trainings that learned all labels.
    """
    failed = evidence.failed(label, *pair.sides)
    if failed or claim.steps is not None or not label:
        return failed
    return evidence.unsettled(label, *pair.sides)


def _untested(
    evidence: Evidence, claim: Claim, pair: Pair, label: str, verdict: Verdict
) -> str:
    """Say whose convergence on a label nothing tells, where there is a verdict."""
    if not label or claim.steps is not None or verdict is Verdict.NOT_DECIDABLE:
        return ""
    names = evidence.summary.untested(*pair.sides, label=label)
    return f"convergence not tested: {', '.join(names)}" if names else ""


def _measured(evidence: Evidence, claim: Claim, pair: Pair, label: str) -> Measured:
    if pair.missing or claim.quantity is None:
        return lacking(pair.missing)
    if claim.quantity not in PROTOCOL:
        if evidence.summary.partial:
            return lacking(f"partial results: {evidence.summary.partial}")
        steps = training_steps(evidence.runs)
        if claim.steps is None and len({steps[name] for name in pair.sides}) > 1:
            budgets = ", ".join(f"{name} {steps[name]}" for name in pair.sides)
            return lacking(
                f"refused: trained for different numbers of steps: {budgets}"
            )
        if label and label not in evidence.dice:
            return lacking(f"the cohort has no {label}")
    return MEASURES[claim.quantity](evidence, claim, pair, label)


def read_protocol(path: Path) -> tuple[Config, Costs]:
    """Read what `deeprac cost --output` wrote: the protocol and the cost of its steps.

    Raises:
        ConfigError: It is no such file.
    """
    content = read_json(path)
    if not isinstance(content, dict) or set(content) != {"config", "costs"}:
        raise ConfigError(
            f"{path} must hold a configuration and its costs. Write it with `deeprac "
            "cost --config config/config.yaml --output ...`."
        )
    return Config.from_resolved(resolve(content["config"])), content["costs"]
