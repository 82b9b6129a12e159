"""Tables that a user writes by hand or with a spreadsheet: CSV, read strictly."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deeprac.errors import CohortError


@dataclass(frozen=True)
class Row:
    """One row: where it ends in the file, and its cells, stripped, by column.

    Messages name lines, not cells: cells may tell who a patient is.
    """

    line: int
    cells: Mapping[str, str]


def read_rows(
    path: Path, required: Sequence[str], optional: Sequence[str] | None = None
) -> list[Row]:
    """Read the rows of a table whose first line names the columns.

    Rows without any cell filled are left out.

    Args:
        path: the CSV file, in UTF-8, with commas.
        required: columns that must be there, none of their cells empty.
        optional: other columns that may be there; None allows any.

    Raises:
        CohortError: the file cannot be read; columns are missing, unknown or twice;
            cells are missing or surplus.
    """
    header, rows = _parse(path)
    needs = f"It needs the columns {' and '.join(required)}"
    if optional:
        needs += f"; {', '.join(optional)} may be there"
    missing = set(required) - set(header)
    unknown = set(header) - {*required, *(header if optional is None else optional)}
    twice = {name for name in header if header.count(name) > 1}
    if missing or unknown or twice:
        raise CohortError(
            f"{path} has the columns {', '.join(header)}. {needs}, each once, "
            "separated by commas."
        )
    surplus = [row.line for row in rows if None in row.cells]
    if surplus:
        raise CohortError(
            f"{path} has more cells than columns in {lines(surplus)}. Put names with "
            "commas in double quotes."
        )
    for column in required:
        if empty := [row.line for row in rows if not row.cells[column]]:
            raise CohortError(f"{path} has no {column} in {lines(empty)}. Fill it in.")
    return rows


def lines(numbers: Sequence[int], most: int = 8) -> str:
    """Say which lines of a file are meant.

    Example:
        >>> lines([4]), lines([2, 7])
        ('line 4', 'lines 2, 7')
    """
    listed = ", ".join(map(str, numbers[:most])) + ", ..." * (len(numbers) > most)
    return f"line{'s' * (len(numbers) > 1)} {listed}"


def _parse(path: Path) -> tuple[list[str], list[Row]]:
    if not path.is_file():
        raise CohortError(f"{path} is missing. Correct the path.")
    try:
        # Spreadsheets begin UTF-8 with a mark of the byte order.
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            rows = [
                Row(reader.line_num, _cells(header, cells))
                for cells in reader
                if any(cell.strip() for cell in cells)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CohortError(
            f"{path} cannot be read as a table ({error}). Save it as CSV in UTF-8."
        ) from error
    return header, rows


def _cells(header: list[str], cells: list[str]) -> dict[str, str]:
    """Cells by column; surplus ones under None."""
    filled = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
    named = dict(zip(header, filled, strict=False))
    return named | ({None: ""} if len(filled) > len(header) else {})
