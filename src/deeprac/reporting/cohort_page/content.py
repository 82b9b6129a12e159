"""What the page of a cohort's check holds, as plain data."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deeprac.cohort.check import Check
from deeprac.cohort.consistency import WHOLE
from deeprac.cohort.findings import Severity
from deeprac.cohort.inspection import Inspection
from deeprac.reporting import formats
from deeprac.reporting.style import ContourStyle

MOST_PICTURES = 120
"""Slices on the page: more make it slow to open."""

HEADINGS = {
    Severity.ERROR: ("error", "errors", "Cannot be used; the workflow stops."),
    Severity.WARNING: ("warning", "warnings", "Is used as it is; someone should look."),
    Severity.REPAIRED: (
        "repair",
        "repairs",
        "Was certain and is set right in the cohort's copy.",
    ),
    Severity.NOTE: ("note", "notes", "Choices that were made."),
}
"""One, several, and what a severity means."""


@dataclass(frozen=True)
class Problem:
    """One finding and all cases that have it; "the cohort" where it is about all."""

    check: str
    message: str
    cases: tuple[str, ...]


@dataclass(frozen=True)
class Problems:
    """All findings of one severity."""

    severity: str
    heading: str
    meaning: str
    rows: tuple[Problem, ...]


@dataclass(frozen=True)
class Page:
    """Everything on the page.

    Attributes:
        cohort: Name of the cohort.
        check: What was found, without paths of the machine.
        histograms: A figure as a data URI; empty without a case that can be read.
        pictures: Slices by case as data URIs; cases with findings first.
        window: What the pictures show as black and white, with the unit.
        contours: The labels that are outlined.
    """

    cohort: str
    check: Check
    histograms: str
    pictures: Mapping[str, str]
    window: str
    contours: tuple[ContourStyle, ...]

    @property
    def problems(self) -> tuple[Problems, ...]:
        """Findings by severity, the worst first."""
        return problems(self.check)


def _known(value: float | None, form: str) -> str:
    return formats.MISSING if value is None else format(value, form)


CELLS: dict[str, Callable[[Inspection], str]] = {
    "Size in voxels": lambda case: f"{case.size_x} x {case.size_y} x {case.size_z}",
    "Spacing in mm": lambda case: (
        f"{case.spacing_x_mm:.3g} x {case.spacing_y_mm:.3g} x {case.spacing_z_mm:.3g}"
    ),
    "Orientation": lambda case: case.orientation,
    "Age in years": lambda case: _known(case.age_years, ".1f"),
    "Tumour side": lambda case: case.side,
    "Kidney in ml": lambda case: f"{case.kidney_ml:.1f}",
    "Tumour in ml": lambda case: f"{case.tumour_ml:.1f}",
    "Cyst in ml": lambda case: f"{case.cyst_ml:.1f}",
    "Intensity: 1 %, median, 99 %": lambda case: (
        f"{case.intensity_p1:.0f}, {case.intensity_p50:.0f}, {case.intensity_p99:.0f}"
    ),
    "Kidney's median": lambda case: _known(case.kidney_median, ".0f"),
}
"""Columns of the table of cases behind name, patient and findings."""

HEADS = ("Case", "Patient", "Findings", *CELLS)
WORDS = 8
"""The first columns of the table up to here hold words."""


def verdict(check: Check) -> str:
    """Whether the cohort can be used."""
    if count(check, Severity.ERROR):
        refused, total = len(check.refused), len(check.inspections)
        return (
            f"There are errors: {refused} of {total} cases cannot be used. The "
            "workflow stops before anything is trained."
        )
    if count(check, Severity.WARNING):
        return "There are no errors. Look at the warnings before you train."
    return "There are no errors and no warnings."


def count(check: Check, severity: Severity) -> int:
    """Number of findings of a severity."""
    found = (finding for all_ in check.findings.values() for finding in all_)
    return sum(finding.severity == severity for finding in found)


def extent(check: Check) -> tuple[str, ...]:
    """Cases, patients and findings, counted; patients of cases that can be read."""
    patients = {case.patient for case in check.readable}
    with_tumour = {case.patient for case in check.readable if case.tumour_ml > 0}
    unread = len(check.inspections) - len(check.readable)
    return (
        numbered(len(check.inspections), "case", "cases")
        + f" ({unread} of them unreadable)" * bool(unread),
        f"{numbered(len(patients), 'patient', 'patients')}, {len(with_tumour)} with "
        "tumour",
        *(
            numbered(count(check, severity), one, several)
            for severity, (one, several, _) in HEADINGS.items()
        ),
    )


def numbered(number: int, one: str, several: str) -> str:
    """A number and its noun.

    Example:
        >>> numbered(1, "case", "cases"), numbered(0, "case", "cases")
        ('1 case', '0 cases')
    """
    return f"{number} {one if number == 1 else several}"


def problems(check: Check) -> tuple[Problems, ...]:
    """Findings by severity; alike ones of several cases stand together."""
    cases: dict[tuple[Severity, str, str], list[str]] = defaultdict(list)
    for name, found in check.findings.items():
        for finding in found:
            key = finding.severity, finding.check, finding.message
            cases[key].append("the cohort" if name == WHOLE else name)
    return tuple(
        Problems(
            severity=severity.value,
            heading=numbered(count(check, severity), one, several),
            meaning=meaning,
            rows=tuple(
                Problem(what, message, tuple(names))
                for (of, what, message), names in cases.items()
                if of is severity
            ),
        )
        for severity, (one, several, meaning) in HEADINGS.items()
        if count(check, severity)
    )


def worst_first(check: Check) -> list[Inspection]:
    """Cases that can be read, those with findings first."""
    order = {severity: place for place, severity in enumerate([*Severity, None])}
    return sorted(check.readable, key=lambda case: order[check.worst(case.case)])


def facts(case: Inspection) -> list[str]:
    """What stands below the picture of a case."""
    volumes = [f"kidney {case.kidney_ml:.0f} ml"]
    if case.tumour_ml:
        volumes.append(f"tumour {case.side}, {case.tumour_ml:.0f} ml")
    if case.cyst_ml:
        volumes.append(f"cyst {case.cyst_ml:.0f} ml")
    return volumes if case.age_years is None else [f"{case.age_years:.3g} y", *volumes]


def rows(check: Check) -> tuple[tuple[str, ...], ...]:
    """The table of all cases; of those that cannot be read only the name."""
    lines = []
    for name, case in check.inspections.items():
        found = ", ".join(dict.fromkeys(f.severity.value for f in check.findings[name]))
        patient, cells = "", [""] * len(CELLS)
        if case is not None:
            patient, cells = case.patient, [text(case) for text in CELLS.values()]
        lines.append((name, patient, found, *cells))
    return tuple(lines)
