"""What was found in a case: errors, doubts, repairs and choices."""

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.errors import CohortError


class Severity(StrEnum):
    """How much a finding matters; the worst first."""

    ERROR = "error"
    """The case cannot be used; the workflow stops."""
    WARNING = "warning"
    """The case is used as it is, but someone should look at it."""
    REPAIRED = "repaired"
    """Something certain was wrong and was set right in the cohort's copy."""
    NOTE = "note"
    """A choice that was made, such as the DICOM series."""


@dataclass(frozen=True)
class Finding:
    """One thing found in one case.

    ``check`` is the name of the check in a few lower-case words, such as ``affine`` or
    ``label values``; ``message`` is a sentence without the name of the case, without
    its full stop, without anything that identifies the patient or the file.
    """

    severity: Severity
    check: str
    message: str

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Finding":
        """A finding from the JSON object that ``asdict`` made of one."""
        return cls(Severity(stored["severity"]), stored["check"], stored["message"])

    @classmethod
    def error(cls, check: str, message: str) -> "Finding":
        """What keeps the case from being used."""
        return cls(Severity.ERROR, check, message)

    @classmethod
    def warning(cls, check: str, message: str) -> "Finding":
        """A doubt."""
        return cls(Severity.WARNING, check, message)

    @classmethod
    def repaired(cls, check: str, message: str) -> "Finding":
        """What was set right."""
        return cls(Severity.REPAIRED, check, message)

    @classmethod
    def note(cls, check: str, message: str) -> "Finding":
        """A choice."""
        return cls(Severity.NOTE, check, message)

    def about(self, part: str) -> "Finding":
        """The same, its message beginning with the file or part that it is about."""
        return replace(self, message=f"{part}: {self.message}")


class CaseError(CohortError):
    """A case that cannot be used, with everything that was found in it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Take all findings; the message lists the errors among them."""
        self.findings = tuple(findings)
        errors = [f.message for f in self.findings if f.severity is Severity.ERROR]
        super().__init__("; ".join(errors) + ".")

    @classmethod
    def of(cls, check: str, *messages: str) -> "CaseError":
        """Errors of one check."""
        return cls(Finding.error(check, message) for message in messages)

    def about(self, part: str) -> "CaseError":
        """The same, each message beginning with the file or part that it is about."""
        return CaseError(finding.about(part) for finding in self.findings)


class ForeignError(Exception):
    """A library failed over one of a case's files; its cause is the library's error."""

    def __init__(self, which: str) -> None:
        """Take which file it was: image or label."""
        super().__init__(which)
        self.which = which


def unforeseen(error: Exception, report: str = "") -> CaseError:
    """The error of a case over whose files a library failed.

    Its message has the kind of the library's error and the line that raised it, not
    that error's message, which may name a file; ``report`` says where that is written.
    """
    which = f"the {error.which}: " if isinstance(error, ForeignError) else ""
    cause = error.__cause__ if isinstance(error, ForeignError) else error
    report = report and f"{report}. "
    if isinstance(cause, MemoryError):
        text = f"it needs more memory than there is. {report}Use fewer workers"
        return CaseError.of("memory", f"{which}{text}")
    if isinstance(cause, OSError):
        reason = cause.strerror or type(cause).__name__
        text = f"a file cannot be read ({reason}). {report}Correct it"
        return CaseError.of("file", f"{which}{text}")
    cause = cause or error
    line = traceback.extract_tb(cause.__traceback__)[-1]
    place = f"{Path(line.filename).name}, line {line.lineno} ({line.name})"
    return CaseError.of(
        "file",
        f"{which}reading ended with {type(cause).__name__} in {place}. {report}Export "
        "the file again; if it is sound, report the error",
    )


def refuse_errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings.

    Raises:
        CaseError: an error is among them.
    """
    findings = tuple(findings)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise CaseError(findings)
    return findings


def in_words(findings: Iterable[Finding]) -> list[str]:
    """Each finding as one line.

    Example:
        >>> in_words([Finding.note("series", "the series by rule: 40 slices")])
        ['note: the series by rule: 40 slices']
    """
    return [f"{finding.severity}: {finding.message}" for finding in findings]


COLUMNS = ("case", "severity", "check", "message")
"""Columns of ``problems.csv``."""


def table(findings: Mapping[str, Iterable[Finding]]) -> pd.DataFrame:
    """All findings of a cohort, by case, as ``problems.csv`` lists them.

    Returns:
        One row per finding: the worst first, then by case, then as they were found.

    Example:
        >>> doubt = Finding(Severity.WARNING, "padding", "the image is padded")
        >>> table({"a": [doubt], "b": CaseError.of("file", "no label").findings})
          case severity    check              message
        0    b    error     file             no label
        1    a  warning  padding  the image is padded
    """
    worst_first = list(Severity)
    rows = [
        {"case": case} | asdict(finding)
        for case in sorted(findings)
        for finding in findings[case]
    ]
    rows.sort(key=lambda row: worst_first.index(row["severity"]))
    return pd.DataFrame(rows, columns=list(COLUMNS))
