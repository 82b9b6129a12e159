"""cases.csv: one row per case of a cohort."""

from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from deeprac.errors import SplitError
from deeprac.files import NAME_RULE, foreign_names


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
    scale: float | None
    angle_rad: float | None
    shift_x_mm: float | None
    shift_y_mm: float | None


CASES_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(CaseRow))
"""Columns of ``cases.csv``."""


def read_cases(path: Path) -> pd.DataFrame:
    """Read ``cases.csv``; names stay text even where they look like numbers."""
    if not path.is_file():
        raise SplitError(f"{path} is missing. Run `deeprac cohort` first.")
    cases = pd.read_csv(
        path, dtype={"case": str, "patient": str}, keep_default_na=False
    )
    if foreign := foreign_names([*cases.case, *cases.patient]):
        raise SplitError(
            f"{NAME_RULE}; {path} has {foreign[0]!r}. Rename it in the source and run "
            "`deeprac cohort` again."
        )
    return cases
