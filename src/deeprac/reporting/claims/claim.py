"""One claim: its threshold, what was measured, and whether it holds."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from deeprac.evaluation.statistics.estimates import NAN, Estimate


class Status(StrEnum):
    """What a result says."""

    PASS = "pass"
    """The threshold is reached."""
    SHORT = "falls short"
    """The threshold is not reached; ``short_by`` says by how much."""
    NOT_MEASURED = "not measured"
    """An experiment, a file or a second patient is missing; the note says which."""
    REPORTED = "reported"
    """A number without a threshold of its own."""


class Bound(StrEnum):
    """Which side of its limit a measured number has to be on."""

    AT_MOST = "at most"
    """The value does not exceed the limit."""
    AT_LEAST = "at least"
    """The value is not below the limit."""
    CLEARLY_ABOVE = "clearly above"
    """The lower end of the interval lies above the limit."""


@dataclass(frozen=True)
class Threshold:
    """A number to reach.

    Attributes:
        bound: Side of the limit.
        limit: In the unit of the result; NaN if it would have to be measured too.
        remark: Where the limit comes from, for the text.
    """

    bound: Bound
    limit: float
    remark: str = ""

    def short_by(self, measured: Estimate) -> float:
        """How far the measured number is on the wrong side; NaN if unknown."""
        if self.bound is Bound.AT_MOST:
            return measured.value - self.limit
        if self.bound is Bound.AT_LEAST:
            return self.limit - measured.value
        return self.limit - measured.low

    def text(self, unit: str) -> str:
        """The threshold in words."""
        if math.isnan(self.limit):
            return f"{self.bound} {self.remark}"
        limit = f"{self.limit:.3g} {unit}"
        if self.bound is Bound.CLEARLY_ABOVE:
            return f"interval above {limit}"
        return f"{self.bound} {limit}" + (self.remark and f" ({self.remark})")


@dataclass(frozen=True)
class ClaimResult:
    """A row of the table of results; numbers in ``unit``.

    Attributes:
        claim: The claim that it belongs to.
        quantity: What is measured.
        experiment: Name of the experiment; empty where there is none.
        threshold: In words; empty without.
        value: The measured number; NaN if not measured.
        low: Lower end of its 95 % interval; NaN without.
        high: Upper end.
        n: Number of patients; 0 where patients play no part.
        unit: Of all numbers.
        status: Whether the threshold is reached.
        short_by: How far it is missed; NaN unless it falls short.
        note: What stands beside it, or what is missing.
    """

    claim: str
    quantity: str
    experiment: str
    threshold: str
    value: float
    low: float
    high: float
    n: int
    unit: str
    status: Status
    short_by: float
    note: str


@dataclass(frozen=True)
class Quantity:
    """What is measured.

    Attributes:
        claim: The claim that it belongs to.
        name: What is measured, in words.
        unit: Of value, interval, threshold and shortfall.
        experiment: Name of the experiment; empty where there is none.
        threshold: The number to reach; None where it is only reported.
    """

    claim: str
    name: str
    unit: str
    experiment: str = ""
    threshold: Threshold | None = None

    def judged(self, measured: Estimate, note: str = "") -> ClaimResult:
        """A measured number against the threshold; without one it is reported.

        Where the number, or the interval that the threshold speaks of, does not exist,
        it is not measured.
        """
        if self.threshold is None:
            return self._result(measured, Status.REPORTED, note)
        short_by = self.threshold.short_by(measured)
        if math.isnan(short_by):
            few = f"too few patients, n = {measured.n}"
            return self._result(
                measured, Status.NOT_MEASURED, f"{few}; {note}" if note else few
            )
        # An interval must not even touch its limit.
        open_ = self.threshold.bound is Bound.CLEARLY_ABOVE
        if short_by < 0 or (short_by == 0 and not open_):
            return self._result(measured, Status.PASS, note)
        return replace(self._result(measured, Status.SHORT, note), short_by=short_by)

    def not_measured(self, missing: str) -> ClaimResult:
        """A number that is missing, and why."""
        nothing = Estimate(NAN, NAN, NAN, 0)
        return self._result(nothing, Status.NOT_MEASURED, missing)

    def _result(self, measured: Estimate, status: Status, note: str) -> ClaimResult:
        return ClaimResult(
            claim=self.claim,
            quantity=self.name,
            experiment=self.experiment,
            threshold=self.threshold.text(self.unit) if self.threshold else "",
            value=measured.value,
            low=measured.low,
            high=measured.high,
            n=measured.n,
            unit=self.unit,
            status=status,
            short_by=NAN,
            note=note,
        )
