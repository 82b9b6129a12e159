"""Cohorts of images and labels anywhere, listed in a CSV file.

Columns image and label are paths of NIfTI, NRRD or MetaImage files, relative to the
CSV's folder; a label may be a segmentation of 3D Slicer. Columns case, patient and
age_years may be there.
"""

from pathlib import Path

from deeprac.cohort.case_files import CaseFiles, label_file, listed
from deeprac.cohort.endings import without_ending
from deeprac.cohort.patients import Patient, age_in, patients_in
from deeprac.cohort.reader import ListedCase
from deeprac.cohort.tables import Row, lines, read_rows
from deeprac.errors import CohortError
from deeprac.files import on_disk
from deeprac.settings.cohort import CohortConfig

OPTIONAL = ("case", "patient", "age_years")
"""Columns that the CSV may have beside image and label."""


def open_pairs(config: CohortConfig) -> dict[str, ListedCase]:
    """Read the CSV file and the table of patients.

    Raises:
        CohortError: one of them cannot be used: columns that are missing or unknown,
            empty cells, a case or a file that is listed twice.
    """
    path = config.source_path
    rows = read_rows(path, ("image", "label"), OPTIONAL)
    if not rows:
        raise CohortError(f"{path} lists no pairs. Add a row for each case.")
    _refuse_files_listed_twice(rows, path)
    by_case = _rows_by_case(rows, path)
    patients = _patients(by_case, config)
    return listed(
        config,
        {
            case: CaseFiles(
                image=_file(row, "image", path),
                label=label_file(_file(row, "label", path), config.number_names),
                patient=patients[case],
            )
            for case, row in by_case.items()
        },
    )


def _file(row: Row, column: str, path: Path) -> Path:
    """Where a file lies: paths are relative to the table's folder."""
    return on_disk(path.parent / row.cells[column])


def _rows_by_case(rows: list[Row], path: Path) -> dict[str, Row]:
    """Rows by the case's name: the column case, else the image's file."""
    has_names = "case" in rows[0].cells
    if has_names:
        _refuse_empty(rows, "case", path)
    by_case: dict[str, Row] = {}
    for row in rows:
        image = Path(row.cells["image"])
        case = row.cells["case"] if has_names else without_ending(image)
        if (first := by_case.setdefault(case, row)) is not row:
            what = "the same case" if has_names else "images of the same file name"
            raise CohortError(
                f"{path} lists {what} in {lines([first.line, row.line])}. Give every "
                "case a name of its own in the column case."
            )
    return by_case


def _refuse_files_listed_twice(rows: list[Row], path: Path) -> None:
    line_of: dict[Path, int] = {}
    for row in rows:
        files = [_file(row, column, path).resolve() for column in ("image", "label")]
        if files[0] == files[1]:
            raise CohortError(
                f"{path}: image and label in line {row.line} are the same file. "
                "Correct the paths."
            )
        for file in files:
            if (first := line_of.setdefault(file, row.line)) != row.line:
                raise CohortError(
                    f"{path} lists a file twice, in {lines([first, row.line])}. Keep "
                    "one."
                )


def _refuse_empty(rows: list[Row], column: str, path: Path) -> None:
    if empty := [row.line for row in rows if not row.cells[column]]:
        raise CohortError(
            f"{path} has no {column} in {lines(empty)}. Fill it in, or leave out the "
            "column."
        )


def _patients(by_case: dict[str, Row], config: CohortConfig) -> dict[str, Patient]:
    """The patients by the CSV; without the column, each case is one."""
    path, rows = config.source_path, list(by_case.values())
    if "patient" not in rows[0].cells:
        return {case: Patient(case, age_in(row, path)) for case, row in by_case.items()}
    if config.patients is not None:
        raise CohortError(
            f"{path} has a column patient, and cohort.patients is set too. Leave one "
            "of them out."
        )
    _refuse_empty(rows, "patient", path)
    return dict(zip(by_case, patients_in(rows, path), strict=True))
