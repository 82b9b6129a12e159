"""The change since an earlier result of the same patient.

Tumours are numbered by size, so that ``tumour_1`` of two time points need not be one
tumour: sums of a side are compared, and kidneys.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.errors import SurgeryError
from deeprac.surgery.anatomy import Kind
from deeprac.surgery.flags import Flag, Verdict
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.result import read_result
from deeprac.surgery.rows import TUMOURS, Row, as_table, value_of

COMPARED = (
    *(TUMOURS, f"{TUMOURS}_left", f"{TUMOURS}_right"),
    *("kidney", "kidney_left", "kidney_right"),
)
"""Structures whose volumes are compared, where both results have them."""

TABLE = "measures.csv"
"""The table beside ``result.json``."""


@dataclass(frozen=True)
class Previous:
    """An earlier result of the same patient.

    Attributes:
        measures: its table.
        overall: its verdict.
        timepoint: when its CT was taken; None where nobody said it.
        sha256: of its ``result.json``.
    """

    measures: pd.DataFrame
    overall: str
    timepoint: str | None
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """What tells which result it was."""
        kept = ("overall", "timepoint", "sha256")
        return {name: getattr(self, name) for name in kept}


def read_previous(path: Path) -> Previous:
    """Read an earlier result.

    Args:
        path: its ``result.json``, beside its other files.

    Raises:
        SurgeryError: it is no such result, of another schema, or its measures were
            changed.
    """
    try:
        result = read_result(path)
        expected = result.files[TABLE]["sha256"]
        content, seal = (path.parent / TABLE).read_bytes(), path.read_bytes()
    except (OSError, KeyError, TypeError) as error:
        raise SurgeryError(
            f"--previous is a result.json with {TABLE} beside it; the one given is not "
            f"({type(error).__name__}). Give the result.json of a complete output "
            "folder of deeprac segment or deeprac measure."
        ) from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise SurgeryError(
            f"--previous: {TABLE} beside it is not the one that result.json lists. "
            "Give a folder that was not changed, or make the result again."
        )
    return Previous(
        measures=pd.read_csv(io.BytesIO(content)),
        overall=result.overall,
        timepoint=result.provenance.get("timepoint"),
        sha256=hashlib.sha256(seal).hexdigest(),
    )


def previous_flags(previous: Previous) -> tuple[Flag, ...]:
    """A doubt about every change where the earlier result is not to be used."""
    useless = previous.overall == Verdict.DO_NOT_USE
    return LIMITS["previous_result"].flags(
        int(useless), "the earlier result, with which volumes are compared, is no use"
    )


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
        if name not in {*measures.structure, *previous.structure}:
            continue
        now, before = (_volume_ml(table, name) for table in (measures, previous))
        change = now - before
        if pd.notna(change):
            note = f"{before:.1f} ml before"
            yield Row(name, "change_ml", change, note)
            if before > 0:
                yield Row(name, "change_percent", 100 * change / before, note)


def _volume_ml(table: pd.DataFrame, name: str) -> float:
    """The volume of a structure; 0 of tumours on a side that is known to have none."""
    volume_ml = value_of(table, name, "volume_ml")
    kidney = name.replace(TUMOURS, Kind.KIDNEY)
    if pd.isna(volume_ml) and name != kidney and kidney in set(table.structure):
        return 0.0
    return volume_ml
