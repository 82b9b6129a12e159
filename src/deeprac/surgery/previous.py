"""The change since an earlier result of the same patient.

Tumours are numbered by size, so that ``tumour_1`` of two time points need not be one
tumour: sums of a side are compared, and kidneys.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from deeprac.errors import SurgeryError
from deeprac.surgery.rows import TUMOURS, Row, as_table, value_of

COMPARED = (
    *(TUMOURS, f"{TUMOURS}_left", f"{TUMOURS}_right"),
    *("kidney", "kidney_left", "kidney_right"),
)
"""Structures whose volumes are compared, where both results have them."""

TABLE = "measures.csv"
"""The table beside ``result.json``."""


def read_previous(result: Path) -> pd.DataFrame:
    """The measures of an earlier result.

    Args:
        result: its ``result.json``, beside its other files.

    Raises:
        SurgeryError: it is no such result, or its measures were changed.
    """
    try:
        files = json.loads(result.read_text(encoding="utf-8"))["files"]
        expected = files[TABLE]["sha256"]
        content = (result.parent / TABLE).read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SurgeryError(
            f"--previous is no result.json with {TABLE} beside it "
            f"({type(error).__name__}). Give the result.json of a complete output "
            "folder of deeprac segment or deeprac measure."
        ) from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise SurgeryError(
            f"--previous: {TABLE} beside it is not the one that result.json lists. "
            "Give a folder that was not changed, or make the result again."
        )
    return pd.read_csv(result.parent / TABLE)


def with_changes(measures: pd.DataFrame, previous: pd.DataFrame) -> pd.DataFrame:
    """Add the rows ``change_ml`` and ``change_percent`` to a table of measures.

    Args:
        measures: of now.
        previous: of the earlier time point.
    """
    return pd.concat(
        [measures, as_table(_changes(measures, previous))], ignore_index=True
    )


def _changes(measures: pd.DataFrame, previous: pd.DataFrame) -> Iterator[Row]:
    for name in COMPARED:
        now, before = (value_of(t, name, "volume_ml") for t in (measures, previous))
        change = now - before
        if pd.notna(change):
            note = f"{before:.1f} ml before"
            yield Row(name, "change_ml", change, note)
            if before > 0:
                yield Row(name, "change_percent", 100 * change / before, note)
