"""The one rule by which a claim is reached, missed or not decidable."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from deeprac.evaluation.statistics.estimates import NAN, Estimate
from deeprac.evaluation.statistics.verdicts import undecidable
from deeprac.settings.claims import Bound


class Verdict(StrEnum):
    """What is known of a claim."""

    REACHED = "reached"
    """It holds."""
    MISSED = "missed"
    """It does not hold."""
    NOT_DECIDABLE = "not decidable"
    """What was run does not tell, and why."""


@dataclass(frozen=True)
class Measured:
    """A number of a claim.

    Attributes:
        estimate: The number with its interval and patients, in the quantity's unit.
        seeds: The same of each seed alone; empty where no training plays a part.
        worst: Whether it is the worst of all cases, so that one counts against it.
        missing: Why there is no number, or too few runs of it; empty where it may
            decide.
        note: What stands beside it.
    """

    estimate: Estimate = field(default_factory=lambda: Estimate(NAN, NAN, NAN, 0))
    seeds: tuple[float, ...] = ()
    worst: bool = False
    missing: str = ""
    note: str = ""


def lacking(why: str) -> Measured:
    """No number, and why."""
    return Measured(missing=why)


def decided(
    measured: Measured, bound: Bound, rule: str, gate: str = ""
) -> tuple[Verdict, str]:
    """The verdict on a number, and why.

    A number of trainings needs as many seeds and patients as a comparison
    (``evaluation.statistics.verdicts``) and trainings that pass the gates; but where it
    is the worst of all cases, one beyond the bound is enough to miss it. By the rule
    *point* the number decides. By the rule *interval* its 95 % interval and every seed
    have to be on one side of the bound.

    Args:
        measured: The number.
        bound: What is claimed of it.
        rule: point or interval.
        gate: Which trainings did not learn or converge; empty where all are known to
            have, or not known not to.
    """
    number = measured.estimate
    if measured.missing:
        return Verdict.NOT_DECIDABLE, measured.missing
    if math.isnan(number.value):
        return Verdict.NOT_DECIDABLE, "no patient has a value"
    held = bound.holds(number.value)
    why = ""
    if measured.seeds and (held or not measured.worst):
        why = gate or undecidable(number.n, len(measured.seeds))
    if rule == "interval" and not why:
        why = _divided(measured, bound)
    if why:
        return Verdict.NOT_DECIDABLE, why
    if held:
        return Verdict.REACHED, ""
    by = f"by {abs(number.value - bound.limit):.3g} {bound.unit}"
    return Verdict.MISSED, by if number.value != bound.limit else "equal to the bound"


def _divided(measured: Measured, bound: Bound) -> str:
    """Why an interval and its seeds do not decide; empty where they do."""
    number = measured.estimate
    if math.isnan(number.low):
        return "no interval"
    held = bound.holds(number.value)
    if any(bound.holds(end) is not held for end in (number.low, number.high)):
        return "the interval holds the bound"
    others = sum(bound.holds(seed) is not held for seed in measured.seeds)
    return f"{others} of {len(measured.seeds)} seeds say otherwise" if others else ""


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of several conditions: missed if one is, reached only if all are.

    Example:
        >>> print(together([Verdict.REACHED, Verdict.NOT_DECIDABLE]))
        not decidable
    """
    found = set(verdicts)
    for verdict in (Verdict.MISSED, Verdict.NOT_DECIDABLE):
        if verdict in found:
            return verdict
    return Verdict.REACHED
