"""transforms.csv: where the network looked, one row per case and axial slice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deeprac.errors import MetricsError
from deeprac.records.tidy import read_tidy

INPUT_COLUMNS = ("a11", "a12", "a13", "a21", "a22", "a23")
"""Columns of transforms.csv: image_from_input."""

CANONICAL_COLUMNS = ("c11", "c12", "c13", "c21", "c22", "c23")
"""Columns of transforms.csv: image_from_canonical."""

SINGLE_COLUMNS = ("s11", "s12", "s13", "s21", "s22", "s23")
"""Columns of transforms.csv: image_from_canonical that each slice alone would say."""

AGAIN = "Run `deeprac predict` again for this fold."


def read_transforms(path: Path, more: Sequence[str] = ()) -> pd.DataFrame:
    """Read and check the transforms of one fold.

    Args:
        path: transforms.csv of a run.
        more: Further number columns that must be there.

    Returns:
        Columns case, slice and the matrices image_from_input (``INPUT_COLUMNS``) and
        image_from_canonical (``CANONICAL_COLUMNS``), row-major.

    Raises:
        MetricsError: The file is missing, lists a slice twice or is not finite.
    """
    numbers = [*INPUT_COLUMNS, *CANONICAL_COLUMNS, *more]
    table = read_tidy(path, ("case", "slice", *numbers), remedy=AGAIN)
    twice = table[table.duplicated(["case", "slice"])]
    if len(twice):
        case, z = twice.iloc[0][["case", "slice"]]
        raise MetricsError(f"{path} lists slice {z} of case {case} twice. {AGAIN}")
    if not np.isfinite(table[numbers].to_numpy(float)).all():
        raise MetricsError(
            f"{path} holds a transform that is not finite. The training diverged: see "
            "training.csv of the run."
        )
    return table


def case_matrices(
    transforms: pd.DataFrame, case: str, columns: Sequence[str] = INPUT_COLUMNS
) -> dict[int, NDArray]:
    """The ``(2, 3)`` matrix of each slice of a case, by slice index."""
    rows = transforms[transforms.case == case]
    matrices = rows[list(columns)].to_numpy(float).reshape(-1, 2, 3)
    return dict(zip(rows.slice.astype(int), matrices, strict=True))
