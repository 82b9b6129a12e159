"""cases.csv: one row per case of a cohort."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from deeprac.errors import MetricsError
from deeprac.files import write_csv
from deeprac.records.tidy import read_tidy


@dataclass(frozen=True)
class CaseRow:
    """One row of ``cases.csv``; the fields are its columns, in order."""

    case: str
    patient: str
    image: str
    label: str
    size_x: int
    size_y: int
    size_z: int
    spacing_x_mm: float
    spacing_y_mm: float
    spacing_z_mm: float
    age_years: float | None
    side: str
    kidney_ml: float
    tumour_ml: float
    label_sha256: str
    image_sha256: str
    scale: float | None = None
    angle_rad: float | None = None
    shift_x_mm: float | None = None
    shift_y_mm: float | None = None


CASES_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(CaseRow))
"""Columns of ``cases.csv``."""


def read_cases(
    path: Path, columns: tuple[str, ...] = ("case", "patient")
) -> pd.DataFrame:
    """Read cases.csv.

    Args:
        path: The table.
        columns: Columns that must be there.

    Returns:
        One row per case, by case, which is a column too. Names are text even where
        they look like numbers; an empty number is NaN.

    Raises:
        MetricsError: The table is missing, foreign or lists a case twice.
    """
    cases = read_tidy(path, columns, remedy="Run `deeprac cohort`.")
    twice = cases.case[cases.case.duplicated()]
    if len(twice):
        raise MetricsError(
            f"{path} lists case {twice.iloc[0]} twice. Run `deeprac cohort` again."
        )
    return cases.set_index("case", drop=False).rename_axis(None)


def write_cases(path: Path, rows: Iterable[CaseRow]) -> None:
    """Write cases.csv."""
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(CASES_COLUMNS))
    write_csv(path, table)
