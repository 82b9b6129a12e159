"""Which case is of which patient, and how old the patient was: ``cohort.patients``."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deeprac.cohort.tables import Row, by_case, lines, read_rows
from deeprac.errors import CohortError
from deeprac.files import composed
from deeprac.settings.cohort import CohortConfig

OLDEST_YEARS = 120
"""Ages beyond are slips of the pen."""


@dataclass(frozen=True)
class Patient:
    """The patient of a case in the source's own words, and the age at the scan."""

    name: str
    age_years: float | None = None


def patients_of(config: CohortConfig, own: Mapping[str, Patient]) -> dict[str, Patient]:
    """Patient of every case: from ``cohort.patients``, else the source's own.

    An age in the table replaces the source's own.

    Raises:
        CohortError: the table cannot be used, or names of patients collide. No
            message has a name of the source while ``cohort.pseudonyms`` hides them.
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
    case_of = {composed(case): case for case in own}
    rows = read_rows(path, ("case", "patient"))
    known = [row for row in rows if composed(row.cells["case"]) in case_of]
    in_table = patients_in(known, path)
    listed = by_case(known, path, lambda row: case_of[composed(row.cells["case"])])
    if missing := [case for case in sorted(own) if case not in listed]:
        others = [row for row in rows if composed(row.cells["case"]) not in case_of]
        raise CohortError(
            f"{path} names no patient for {len(missing)} of {len(own)} cases: "
            f"{_which(missing, sorted(own), hidden=config.pseudonyms)}. "
            f"{_next_step(others, missing, hidden=config.pseudonyms)}"
        )
    return {
        case: replace(patient, age_years=own[case].age_years)
        if patient.age_years is None
        else patient
        for case, patient in zip(listed, in_table, strict=True)
    }


def _next_step(rows: list[Row], missing: list[str], *, hidden: bool) -> str:
    """What to do about missing rows, also where a spreadsheet read 0012 as 12."""
    case_of = {case.lstrip("0"): case for case in missing if case.isdecimal()}
    lost = [row for row in rows if row.cells["case"].lstrip("0") in case_of]
    if not lost:
        return "Add a row for each."
    example = ""
    if not hidden:
        case = lost[0].cells["case"]
        example = f" (the table has {case}, the folder {case_of[case.lstrip('0')]})"
    return (
        f"{len(lost)} of its rows name no case, but without leading zeros they would, "
        f"in {lines([row.line for row in lost])}{example}: a spreadsheet took the "
        "names for numbers. Format the column as text and write the zeros again."
    )


def patients_in(rows: list[Row], path: Path) -> list[Patient]:
    """Read the columns patient and, where it is there, age_years of a table.

    Raises:
        CohortError: names that differ only by case or spaces, or an impossible age.
    """
    names = [composed(row.cells["patient"]) for row in rows]
    places = {f"line {row.line}": name for row, name in zip(rows, names, strict=True)}
    if one := _colliding(places):
        raise CohortError(
            f"{path}: names of patients must differ by more than case and spaces, but "
            f"those in {' and '.join(one)} do not. Write one patient's name alike in "
            "all rows, or rename the other patient."
        )
    return [
        Patient(name, age_in(row, path)) for row, name in zip(rows, names, strict=True)
    ]


def age_in(row: Row, path: Path, column: str = "age_years") -> float | None:
    """Read the cell of an age; None where it is empty or no such column is there.

    Raises:
        CohortError: the cell is not a number of years.
    """
    text = row.cells.get(column, "")
    if not text:
        return None
    try:
        age = float(text.replace(",", "."))  # 2,5 where numbers have a comma
    except ValueError:
        age = math.nan
    if not 0 <= age <= OLDEST_YEARS:
        raise CohortError(
            f"{path}: {column} must be a number of years from 0 to {OLDEST_YEARS}, "
            f"not the text in line {row.line}. Correct it, or leave it empty."
        )
    return age


def _colliding(names: Mapping[str, str]) -> tuple[str, str] | None:
    """Two places of names that differ only by case or spaces, else None."""
    first: dict[str, str] = {}
    for place, name in names.items():
        same = first.setdefault("".join(composed(name).casefold().split()), place)
        if names[same] != name:
            return same, place
    return None


def _which(chosen: list[str], cases: list[str], *, hidden: bool, most: int = 8) -> str:
    """Name cases, or where names are hidden, their places in alphabetical order."""
    shown = [str(cases.index(case) + 1) if hidden else case for case in chosen[:most]]
    listed = ", ".join(shown) + ", ..." * (len(chosen) > most)
    return f"number {listed} in alphabetical order" if hidden else listed
