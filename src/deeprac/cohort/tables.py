"""Tables that a user writes by hand or with a spreadsheet: CSV, read strictly."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deeprac.errors import CohortError


@dataclass(frozen=True)
class Row:
    """One row: where it ends in the file, and its cells, stripped, by column.

    Messages name lines, not cells: cells may identify a patient.
    """

    line: int
    cells: Mapping[str, str]


def read_rows(
    path: Path, required: Sequence[str], optional: Sequence[str] | None = None
) -> list[Row]:
    """Read the rows of a table whose first line names the columns.

    Rows without any cell filled are left out, and so are columns without a name and
    without any cell filled, which spreadsheets leave behind.

    Args:
        path: the CSV file, in UTF-8, with commas, semicolons or tabs.
        required: columns that must be there, none of their cells empty.
        optional: other columns that may be there; None allows any.

    Raises:
        CohortError: the file cannot be read; columns are missing, unknown or twice;
            cells are missing or surplus.
    """
    header, rows = _parse(path, required)
    needs = f"It needs the columns {' and '.join(required)}"
    if optional:
        needs += f"; {', '.join(optional)} may be there"
    missing = set(required) - set(header)
    unknown = set(header) - {*required, *(header if optional is None else optional)}
    if twice := [name for name in header if header.count(name) > 1]:
        raise CohortError(f"{path} has the column {twice[0]!r} twice. Keep one.")
    if missing or unknown:
        raise CohortError(
            f"{path} has the columns {', '.join(header)}. {needs}, "
            "separated by commas, semicolons or tabs."
        )
    if surplus := [row.line for row in rows if None in row.cells]:
        raise CohortError(
            f"{path} has more cells than columns in {lines(surplus)}. Put names with "
            "commas in double quotes."
        )
    for column in required:
        if empty := [row.line for row in rows if not row.cells[column]]:
            raise CohortError(f"{path} has no {column} in {lines(empty)}. Fill it in.")
    return rows


def by_case(
    rows: Iterable[Row], path: Path, case_of: Callable[[Row], str]
) -> dict[str, Row]:
    """Rows by the name of their case.

    Raises:
        CohortError: two rows are of one case.
    """
    listed: dict[str, list[Row]] = {}
    for row in rows:
        listed.setdefault(case_of(row), []).append(row)
    for same in listed.values():
        if len(same) > 1:
            raise CohortError(
                f"{path} lists a case twice, in {lines([row.line for row in same])}. "
                "Keep one row."
            )
    return {case: row for case, (row,) in listed.items()}


def lines(numbers: Sequence[int], most: int = 8) -> str:
    """Lines of a file in words.

    Example:
        >>> lines([4]), lines([2, 7])
        ('line 4', 'lines 2, 7')
    """
    listed = ", ".join(map(str, numbers[:most])) + ", ..." * (len(numbers) > most)
    return f"line{'s' * (len(numbers) > 1)} {listed}"


SEPARATORS = (",", ";", "\t")
"""What stands between cells: spreadsheets of some countries write semicolons."""


def _parse(path: Path, required: Sequence[str]) -> tuple[list[str], list[Row]]:
    """The columns, and the rows with surplus cells under None."""
    if not path.is_file():
        raise CohortError(f"{path} is missing. Correct the path.")
    try:
        # Spreadsheets begin UTF-8 with a mark of the byte order.
        with path.open(encoding="utf-8-sig", newline="") as stream:
            separator = _separator(stream.readline(), required)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=separator, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            filled = [
                (reader.line_num, [cell.strip() for cell in cells])
                for cells in reader
                if any(cell.strip() for cell in cells)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CohortError(
            f"{path} cannot be read as a table ({error}). Save it as CSV in UTF-8."
        ) from error
    named = [number for number, name in enumerate(header) if name]
    used = {n for _, cells in filled for n, cell in enumerate(cells) if cell}
    width = max(named, default=-1) + 1
    columns = [n for n in range(width) if n in {*named, *used}]
    rows = [
        Row(
            line,
            {header[n]: cells[n] if n < len(cells) else "" for n in columns}
            | ({None: ""} if any(cells[width:]) else {}),
        )
        for line, cells in filled
    ]
    return [header[n] for n in columns], rows


def _separator(first: str, required: Sequence[str]) -> str:
    """What makes the needed columns of the first line, else a comma."""
    for separator in SEPARATORS:
        cells = next(csv.reader([first], delimiter=separator), [])
        if set(required) <= {cell.strip() for cell in cells}:
            return separator
    return SEPARATORS[0]
