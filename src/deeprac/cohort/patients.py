"""Which case is of which patient, and how old the patient was: ``cohort.patients``."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deeprac.cohort.tables import Row, lines, read_rows
from deeprac.config import CohortConfig
from deeprac.errors import CohortError

OLDEST_YEARS = 120
"""Ages beyond are slips of the pen."""


@dataclass(frozen=True)
class Patient:
    """The patient of a case in the source's own words, and the age at the scan."""

    name: str
    age_years: float | None = None


def patients_of(config: CohortConfig, own: Mapping[str, Patient]) -> dict[str, Patient]:
    """Patient of every case: from ``cohort.patients``, else as the source says.

    Args:
        config: the cohort's settings.
        own: by case, what the source says itself. An age in the table replaces it.

    Raises:
        CohortError: the table cannot be used, or names of patients collide. No
            message tells a name of the source while ``cohort.pseudonyms`` hides them.
    """
    if config.patients is None:
        places = {f"case {i}": own[key].name for i, key in enumerate(sorted(own), 1)}
        if one := _colliding(places):
            raise CohortError(
                "names of patients must differ by more than case and spaces, but "
                f"those of {' and '.join(one)} (in alphabetical order) do not. Say "
                "with cohort.patients which cases are of one patient."
            )
        return dict(own)
    path = Path(config.patients)
    rows = [r for r in read_rows(path, ("case", "patient")) if r.cells["case"] in own]
    listed = patients_in(rows, path)
    by_case: dict[str, Patient] = {}
    for row, patient in zip(rows, listed, strict=True):
        case = row.cells["case"]
        if case in by_case:
            twice = [r.line for r in rows if r.cells["case"] == case]
            raise CohortError(
                f"{path} lists a case twice, in {lines(twice)}. Keep one row."
            )
        age = own[case].age_years if patient.age_years is None else patient.age_years
        by_case[case] = replace(patient, age_years=age)
    if missing := [case for case in sorted(own) if case not in by_case]:
        raise CohortError(
            f"{path} names no patient for {len(missing)} of {len(own)} cases: "
            f"{_which(missing, sorted(own), hidden=config.pseudonyms)}. Add a row for "
            "each."
        )
    return by_case


def patients_in(rows: list[Row], path: Path) -> list[Patient]:
    """Read the columns patient and, where it is there, age_years of a table.

    Raises:
        CohortError: names that differ only by case or spaces, or an impossible age.
    """
    if one := _colliding({f"line {row.line}": row.cells["patient"] for row in rows}):
        raise CohortError(
            f"{path}: names of patients must differ by more than case and spaces, but "
            f"those in {' and '.join(one)} do not. Write one patient's name alike in "
            "all rows, or rename the other patient."
        )
    return [Patient(row.cells["patient"], age_in(row, path)) for row in rows]


def age_in(row: Row, path: Path) -> float | None:
    """Read the cell age_years; None where it is empty or no such column is there.

    Raises:
        CohortError: the cell is not a number of years.
    """
    text = row.cells.get("age_years", "")
    if not text:
        return None
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not 0 <= age <= OLDEST_YEARS:
        raise CohortError(
            f"{path}: age_years must be a number of years from 0 to {OLDEST_YEARS}, "
            f"not the text in line {row.line}. Correct it, or leave it empty."
        )
    return age


def _colliding(names: Mapping[str, str]) -> tuple[str, str] | None:
    """Two places of names that differ only by case or spaces, else None."""
    first: dict[str, str] = {}
    for place, name in names.items():
        same = first.setdefault("".join(name.casefold().split()), place)
        if names[same] != name:
            return same, place
    return None


def _which(chosen: list[str], cases: list[str], *, hidden: bool, most: int = 8) -> str:
    """Name cases, or where names are hidden, their places in alphabetical order."""
    told = [str(cases.index(case) + 1) if hidden else case for case in chosen[:most]]
    listed = ", ".join(told) + ", ..." * (len(chosen) > most)
    return f"number {listed} in alphabetical order" if hidden else listed
