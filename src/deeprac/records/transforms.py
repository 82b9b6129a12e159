"""transforms.csv: where the network looked, one row per case and axial slice."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

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

FLAGS = ("fallback", "at_bound")
"""Columns of transforms.csv: whether a slice had no estimate, or one at its bound."""

CROP_FLAGS = ("crop_grown", "crop_fallback")
"""Columns of transforms.csv: whether the crop's window is larger than calibrated, or
follows from nothing that was found. Tables of earlier versions lack them."""

CEILINGS = ("ceiling_kidney", "ceiling_tumour")
"""Columns of transforms.csv: Dice of a perfect network that looks there, in every slice
that of its case; NaN: not known. Tables of earlier versions lack them."""

VOLUME_COLUMNS = tuple(f"v{row}{column}" for row in "123" for column in "1234")
"""Columns of transforms.csv of networks that see whole volumes: volume_from_canonical,
the same in all slices of a case. The other matrices are what it is in each slice."""

SEEN_COLUMNS = tuple(f"u{row}{column}" for row in "123" for column in "1234")
"""The same of volume_from_input. Tables from before volumes were cropped lack them."""

AGAIN = "Run `deeprac predict` again for this fold."


def read_transforms(path: Path, more: Sequence[str] = ()) -> pd.DataFrame:
    """Read and check the transforms of one fold.

    Args:
        path: transforms.csv of a run.
        more: further number columns that must be there.

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


def case_slices(
    transforms: pd.DataFrame, case: str, count: int, path: Path
) -> pd.DataFrame:
    """The rows of a case, slice by slice.

    Args:
        transforms: content of transforms.csv.
        case: name of the case.
        count: number of its slices.
        path: where the table is from.

    Raises:
        MetricsError: A slice has no row, or there are rows of more.
    """
    slices = transforms[transforms.case == case].sort_values("slice")
    if list(slices.slice) != list(range(count)):
        raise MetricsError(
            f"Case {case} has {count} slices, {path} has transforms for {len(slices)}. "
            f"{AGAIN}"
        )
    return slices


def matrices(slices: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    """The ``(n, 2, 3)`` matrices in six columns of n rows."""
    return slices[list(columns)].to_numpy(float).reshape(-1, 2, 3)


def volume_matrix(
    slices: pd.DataFrame, columns: Sequence[str] = VOLUME_COLUMNS
) -> NDArray[np.float64] | None:
    """A ``(3, 4)`` matrix of a volume in a case's rows of transforms.csv.

    None of networks that see slices.

    Args:
        slices: the case's rows.
        columns: ``VOLUME_COLUMNS`` or ``SEEN_COLUMNS``.
    """
    if columns[0] not in slices or slices[columns[0]].isna().any():
        return None
    return slices[list(columns)].iloc[0].to_numpy(float).reshape(3, 4)


class Transformed(Protocol):
    """What a network did to the n slices of a case; matrices are ``(n, 2, 3)``.

    Those of a volume are ``(3, 4)``, or None.
    """

    image_from_input: NDArray
    image_from_canonical: NDArray
    image_from_single: NDArray
    fallback: NDArray[np.bool_]
    at_bound: NDArray[np.bool_]
    crop_grown: NDArray[np.bool_]
    crop_fallback: NDArray[np.bool_]
    volume_from_canonical: NDArray | None
    volume_from_input: NDArray | None


def transform_table(
    case: str, found: Transformed, ceilings: Mapping[str, float]
) -> pd.DataFrame:
    """Rows of transforms.csv of a case, one per slice.

    Args:
        case: name of the case.
        found: what the network did to its slices.
        ceilings: Dice of a perfect network that looks there, kidney and tumour.
    """
    count = len(found.image_from_input)
    parts = {
        INPUT_COLUMNS: found.image_from_input,
        CANONICAL_COLUMNS: found.image_from_canonical,
        SINGLE_COLUMNS: found.image_from_single,
        FLAGS: np.stack([found.fallback, found.at_bound], axis=1).astype(int),
        CROP_FLAGS: np.stack([found.crop_grown, found.crop_fallback], 1).astype(int),
    }
    volumes = {
        VOLUME_COLUMNS: found.volume_from_canonical,
        SEEN_COLUMNS: found.volume_from_input,
    }
    for columns, volume in volumes.items():
        if volume is not None:
            parts[columns] = np.broadcast_to(volume.ravel(), (count, volume.size))
    tables = [
        pd.DataFrame(values.reshape(count, -1), columns=list(columns))
        for columns, values in parts.items()
    ]
    names = pd.DataFrame({"case": case, "slice": np.arange(count)})
    known = {f"ceiling_{title}": dice for title, dice in ceilings.items()}
    return pd.concat([names, *tables], axis=1).assign(**known)
