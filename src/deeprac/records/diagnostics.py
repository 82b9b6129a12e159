"""diagnostics.csv: what the front end of a run did to each case."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from deeprac.records.run_key import IDENTITY
from deeprac.records.tidy import read_tidy

NAMES = (*IDENTITY, "case", "patient")
"""What diagnostics have from the metrics of the same case."""

DIAGNOSTIC_COLUMNS = (
    *NAMES,
    *("slices", "labelled_slices", "reference"),
    *("scale_error", "angle_error_deg", "centre_error"),
    *("scale_ratio", "angle_difference_deg", "shift_x", "shift_y"),
    *("body_scale", "reference_angle_deg", "reference_x", "reference_y", "size_scale"),
    *("spread_scale", "spread_angle_deg", "spread_centre"),
    *("fallback_slices", "at_bound_slices", "coverage", "missed", "crop_side"),
)
"""Columns of diagnostics.csv and summary/diagnostics.csv: one row per run and case."""

LATER_COLUMNS = ("crop_grown", "crop_fallback", "ceiling_kidney", "ceiling_tumour")
"""Further columns of both; tables of earlier versions lack some, and have NaN."""

ANGLE_ERRORS = ("angle_error_deg", "tilt_x_deg", "tilt_y_deg")
"""Errors about the axes z, x and y; of slices only the first has values."""

VOLUME_COLUMNS = ("tilt_x_deg", "tilt_y_deg", "shift_z", "reference_z")
"""Further columns where networks see whole volumes; of slices they are empty."""


def having_values(table: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """Those of the columns that a table has with a value in any row."""
    return [name for name in columns if name in table and table[name].notna().any()]


def read_diagnostics(path: Path, *, remedy: str) -> pd.DataFrame:
    """Read diagnostics.csv or summary/diagnostics.csv; see :func:`read_tidy`."""
    table = read_tidy(path, DIAGNOSTIC_COLUMNS, remedy=remedy)
    return table.assign(
        **{name: float("nan") for name in LATER_COLUMNS if name not in table}
    )
