"""Claims: what is said of a method, and the number that decides it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from deeprac.errors import ConfigError
from deeprac.shipped import shipped
from deeprac.strict import parse_yaml

Arm = str | dict[str, Any]
"""Name of a method, or the properties of a method by key, the others at their
defaults."""


@dataclass(frozen=True)
class Subject:
    """What a quantity is a number of.

    Attributes:
        title: In words.
        unit: Of the number and of its bound.
        against: Whether it compares two arms: never (False), always (True), or as the
            claim has it (None).
        labels: Whether it is of one label.
        conditions: Whether it is of images under stress, within stated limits.
    """

    title: str
    unit: str
    against: bool | None = True
    labels: bool = False
    conditions: bool = False


PERCENT, POINTS, TIMES, WIDTH = "%", "points", "x", "% of width"

QUANTITIES = {
    "dice_difference": Subject("difference of Dice", POINTS, labels=True),
    "dice_sd_difference": Subject("difference of the SD of Dice", POINTS, labels=True),
    "scale_error": Subject("error of the scale", PERCENT, against=None),
    "angle_error": Subject("error of the rotation", "degrees", against=None),
    "centre_error": Subject("error of the centre", WIDTH, against=None),
    "coverage": Subject("smallest coverage of a case", PERCENT, against=False),
    "missed": Subject("missed cases of all seeds", "cases", against=False),
    "stress_change": Subject(
        "Dice in the worst condition minus upright",
        POINTS,
        against=False,
        labels=True,
        conditions=True,
    ),
    "training_time": Subject("time of training", TIMES),
    "flops": Subject("FLOPs of a step", TIMES),
    "saved_bytes": Subject("bytes saved for backward", TIMES),
    "gpu_memory": Subject("reserved GPU memory", TIMES),
    "protocol_flops": Subject("FLOPs, the protocol's sizes", TIMES, against=False),
    "protocol_saved_bytes": Subject(
        "bytes saved in float32, the protocol's sizes", TIMES, against=False
    ),
    "protocol_saved_bytes_mixed": Subject(
        "bytes saved in mixed precision, the protocol's sizes", TIMES, against=False
    ),
}
"""Everything that a claim can be about; ``config/README.md`` explains each."""


@dataclass(frozen=True)
class Bound:
    """The limit of a claim, and its side: at_least, at_most, above or below."""

    side: str
    limit: float
    unit: str

    def holds(self, number: float) -> bool:
        """Whether a number is on the claimed side.

        Example:
            >>> Bound("above", 0, "%").holds(0), Bound("at_least", 0, "%").holds(0)
            (False, True)
        """
        if number == self.limit:
            return self.side in ("at_least", "at_most")
        return bool(number > self.limit) == (self.side in ("at_least", "above"))

    def __str__(self) -> str:
        return f"{self.side.replace('_', ' ')} {self.limit:g} {self.unit}"


@dataclass(frozen=True)
class Claim:
    """One condition of a claim; a claim holds where all of its conditions do.

    Attributes:
        claim: The sentence; entries of one sentence are its conditions.
        undecided: Why it cannot be decided yet; then it has nothing else.
        quantity: Key of ``QUANTITIES``.
        arms: The methods that it is about; each one that was run is judged.
        against: The methods that each of them is compared with.
        labels: kidney, tumour or both.
        bound: The limit as written: its side with the number, and unit.
        rule: point judges the number itself, interval its whole 95 % interval.
        training_patients: Fewest and most; None for the experiment with most.
        conditions: By kind of stress the smallest and largest value that counts.
        steps: Training steps of the arms and of what they are compared with; None for
            the same number, the largest that was run.
        dimensions: Of the matrices that count, 2 or 3; None for both.
    """

    claim: str
    undecided: str | None
    quantity: str | None
    arms: tuple[Arm, ...]
    against: tuple[Arm, ...]
    labels: tuple[str, ...]
    bound: dict[str, Any] | None
    rule: Literal["point", "interval"]
    training_patients: tuple[int, int] | None
    conditions: dict[str, tuple[float, float]] | None
    steps: tuple[int, int] | None
    dimensions: int | None

    def __post_init__(self) -> None:
        if wrong := list(self._objections()):
            raise ConfigError(f"report.claims: {self.claim!r} {'; '.join(wrong)}")

    def _objections(self) -> Iterator[str]:
        """What is missing, or too much, for its quantity."""
        given = (self.quantity, self.bound, self.arms, self.against, self.labels)
        if self.undecided is not None:
            if any(given):
                yield "is undecided and has a quantity all the same: leave one out"
            return
        if not all(given[:3]) or self.quantity is None:
            yield "needs quantity, arms and bound, or undecided: give them"
            return
        subject = QUANTITIES[self.quantity]
        for key, wanted in (
            ("against", subject.against),
            ("labels", subject.labels),
            ("conditions", subject.conditions),
        ):
            if wanted is not None and bool(getattr(self, key)) != wanted:
                verb = "needs" if wanted else "has no"
                remedy = "give it" if wanted else "leave it out"
                yield f"is of {self.quantity}, which {verb} {key}: {remedy}"
        if self.steps and not self.against:
            yield "has steps of two sides and no against: give it, or leave steps out"
        if self.limit.unit != subject.unit:
            yield (
                f"has a bound in {self.limit.unit!r}, but {self.quantity} is in "
                f"{subject.unit!r}: give the bound in that unit"
            )

    @property
    def limit(self) -> Bound:
        """The bound; a claim that is undecided has none."""
        assert self.bound is not None
        (side,) = self.bound.keys() - {"unit"}
        return Bound(side, self.bound[side], self.bound["unit"])


def unknown_arms(claims: Iterable[Claim], methods: Mapping[str, Any]) -> list[str]:
    """Say which claims name a method that neither the user nor DeePRAC has.

    Args:
        claims: The claims.
        methods: The user's methods by name.
    """
    errors = []
    for claim in claims:
        for arm in (*claim.arms, *claim.against):
            if isinstance(arm, dict) or arm in methods or arm in _shipped_methods():
                continue
            known = ", ".join(dict.fromkeys([*methods, *_shipped_methods()]))
            errors.append(
                f"report.claims: {claim.claim!r} is about the unknown method {arm!r}; "
                f"known are {known}"
            )
    return errors


@cache
def _shipped_methods() -> frozenset[str]:
    """A configuration may leave methods out: a claim about them was not run."""
    text = shipped("config/methods.yaml").read_text(encoding="utf-8")
    return frozenset(parse_yaml(text))
