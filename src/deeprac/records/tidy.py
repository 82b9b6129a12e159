"""Reading tidy CSV tables: columns checked, identifiers kept as text.

Case ``001`` and patient ``NA`` stay what they are; numbers round-trip exactly; an empty
cell of a number column is NaN.
"""

from pathlib import Path

import pandas as pd

from deeprac.errors import MetricsError
from deeprac.files import NAME_RULE, foreign_names
from deeprac.labels import FOREGROUND

TEXT = frozenset(
    (
        *("cohort", "experiment", "method", "matrix", "matrix_size"),
        *("network_input_size", "optimiser", "device", "device_name", "git_commit"),
        *("step_precision", "made_with_sha256"),
        *("case", "patient", "label", "image", "side", "reference", "kind"),
        "split",
    )
)
"""Columns that are names, never numbers; sizes may be a height and width, 384x320."""


def read_tidy(
    path: Path, columns: tuple[str, ...], *, remedy: str, text: frozenset[str] = TEXT
) -> pd.DataFrame:
    """Read a tidy table and check that it holds ``columns``.

    Args:
        path: CSV file with a header.
        columns: columns that must be there; others are kept too.
        remedy: what the user does when the file is missing or foreign.
        text: columns that are names.

    Raises:
        MetricsError: The file is missing, is no table, or lacks a column.
    """
    if not path.is_file():
        raise MetricsError(f"A table is missing: {path}. {remedy}")
    try:
        header = list(pd.read_csv(path, nrows=0).columns)
        table = pd.read_csv(
            path,
            dtype={column: str for column in header if column in text},
            keep_default_na=False,
            na_values={column: [""] for column in header if column not in text},
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise MetricsError(f"{path} is not a table: {error}. {remedy}") from error
    check_columns(table, path, columns, remedy=remedy)
    _check_names(table, path)
    return table


def check_columns(
    table: pd.DataFrame, path: Path, columns: tuple[str, ...], *, remedy: str
) -> None:
    """Check that a table holds ``columns``; arguments as of :func:`read_tidy`.

    Raises:
        MetricsError: A column is missing.
    """
    missing = [column for column in columns if column not in table]
    if missing:
        raise MetricsError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has "
            f"{', '.join(table.columns)}. {remedy}"
        )


def _check_names(table: pd.DataFrame, path: Path) -> None:
    for column in ("case", "patient"):
        if column not in table:
            continue
        foreign = foreign_names(table[column].unique())
        if foreign:
            raise MetricsError(
                f"{NAME_RULE}; {path} has the {column} "
                f"{shortened([repr(name) for name in foreign])}. "
                "Rename it in the source of the cohort and run all stages again."
            )


def foreground_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of kidney and of tumour, which share no voxel; other regions unite them.

    Args:
        table: column ``label``.
    """
    return table[table.label.isin([label.title for label in FOREGROUND])]


def shortened(names: list[str], *, shown: int = 5) -> str:
    """The first names of a list and how many more there are, for messages."""
    listed = ", ".join(names[:shown])
    more = len(names) - shown
    return f"{listed} and {more} more" if more > 0 else listed
