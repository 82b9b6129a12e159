"""What makes a result doubtful: each flag with its number, limit and remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What to do with a result; the worst of its flags counts."""

    OK = "ok"
    """No flag."""
    LOOK = "look"
    """Someone must look at what the flag names."""
    DO_NOT_USE = "do not use"
    """The result is most likely wrong."""


@dataclass(frozen=True)
class Flag:
    """One doubt about a result.

    Attributes:
        code: its name, a few lower-case words joined by ``_``.
        verdict: how much it matters, ``look`` or ``do not use``.
        message: what was found, one sentence for a clinician, without a patient's or
            file's name.
        value: the number found; None where it is none.
        limit: the limit that it passed; None where there is none.
        remedy: what to do.
        structure: name of the structure that it is about; empty for all.
    """

    code: str
    verdict: Verdict
    message: str
    remedy: str
    value: float | None = None
    limit: float | None = None
    structure: str = ""


def overall(flags: Iterable[Flag]) -> Verdict:
    """The worst verdict among flags."""
    order = list(Verdict)
    return max((flag.verdict for flag in flags), key=order.index, default=Verdict.OK)
