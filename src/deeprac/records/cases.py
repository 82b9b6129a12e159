"""cases.csv: one row per case of a cohort, and the manifest that guards it.

A table that was cut short, by a full disk or a broken copy, is one of a smaller cohort:
every stage after it would go on, with fewer patients. ``manifest.json`` beside it has
its rows and its checksum.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from deeprac.errors import MetricsError
from deeprac.files import csv_text, read_json, sha256_of, write_json, write_text
from deeprac.records.case_split import CV, SPLIT, TEST, of_split
from deeprac.records.tidy import read_tidy


@dataclass(frozen=True)
class CaseRow:
    """One row of ``cases.csv``; the fields are its columns, in order.

    The last one, ``split``, is written where a case is a test case.
    """

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
    split: str = CV


CASES_COLUMNS: tuple[str, ...] = tuple(
    field.name for field in fields(CaseRow) if field.name != SPLIT
)
"""Columns of every ``cases.csv``."""

MANIFEST = "manifest.json"
"""Beside ``cases.csv``."""


def read_cases(
    path: Path, columns: tuple[str, ...] = ("case", "patient")
) -> pd.DataFrame:
    """Read cases.csv.

    Args:
        path: the table.
        columns: columns that must be there.

    Returns:
        One row per case, by case, which is a column too. Names are text even where
        they look like numbers; an empty number is NaN.

    Raises:
        MetricsError: The table is missing, foreign, not as it was written, or lists a
            case twice.
    """
    cases = read_tidy(path, columns, remedy="Run `deeprac cohort`.")
    _check_manifest(path, len(cases))
    twice = cases.case[cases.case.duplicated()]
    if len(twice):
        raise MetricsError(
            f"{path} lists case {twice.iloc[0]} twice. Run `deeprac cohort` again."
        )
    return cases.set_index("case", drop=False).rename_axis(None)


def write_cases(path: Path, rows: Iterable[CaseRow]) -> None:
    """Write cases.csv, after its manifest."""
    table = pd.DataFrame([asdict(row) for row in rows], columns=[*CASES_COLUMNS, SPLIT])
    if of_split(table, TEST).empty:
        table = table.drop(columns=SPLIT)
    text = csv_text(table)
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_json(
        path.with_name(MANIFEST), {path.name: {"rows": len(table), "sha256": digest}}
    )
    write_text(path, text)


def _check_manifest(path: Path, rows: int) -> None:
    """Refuse a table that is not as it was written.

    Cohorts of older versions have no manifest, but their ``dataset.json`` has the
    number of cases.
    """
    manifest, dataset = (path.with_name(name) for name in (MANIFEST, "dataset.json"))
    if manifest.is_file():
        written = read_json(manifest)[path.name]
        same = sha256_of(path) == written["sha256"]
        expected = written["rows"]
    elif dataset.is_file():
        expected = read_json(dataset)["numTraining"]
        same = rows == expected
    else:
        return
    if not same:
        raise MetricsError(
            f"{path} is not as it was written: it has {rows} rows and was written with "
            f"{expected}. It was cut short or changed. Delete it and run `deeprac "
            "cohort` again, which keeps the finished cases."
        )
