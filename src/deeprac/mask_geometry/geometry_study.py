"""The study of a folder of masks: every case measured, tables, figure, provenance."""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import SimpleITK as sitk
import torch
from tqdm import tqdm

from deeprac.files import (
    atomic_folder,
    csv_text,
    manifest_entry,
    write_json,
    write_text,
)
from deeprac.mask_geometry.annotators import AGREEMENT_COLUMNS, agreement_rows
from deeprac.mask_geometry.ceilings import ceilings, common_shares, some_slices
from deeprac.mask_geometry.frame_boxes import coverage_rows, measure_boxes
from deeprac.mask_geometry.masks import Masks
from deeprac.mask_geometry.window_table import window_table
from deeprac.provenance import git_state, software
from deeprac.windows import SHAPES

SCHEMA = 1
"""Version of the folder's manifest."""

MANIFEST = "release.json"

Case = TypeVar("Case")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class GeometryTables:
    """What is written, a file each.

    Attributes:
        cases: one row per case.
        windows: one row per kind of window, margin and sizing.
        coverage: one row per case, shape and size.
        ceilings: one row per case and way of sampling.
        agreement: one row per case and pair of annotators.
    """

    cases: pd.DataFrame
    windows: pd.DataFrame
    coverage: pd.DataFrame
    ceilings: pd.DataFrame
    agreement: pd.DataFrame

    def files(self) -> dict[str, str]:
        """Content by name of the file."""
        tables = {field.name: getattr(self, field.name) for field in fields(self)}
        return {f"{name}.csv": csv_text(table) for name, table in tables.items()}


def geometry_tables(masks: Sequence[Masks], *, workers: int = 1) -> GeometryTables:
    """Measure all cases.

    Args:
        masks: of the cases.
        workers: processes that measure cases at the same time.

    Raises:
        CohortError: a mask cannot be used.
    """
    with tempfile.TemporaryDirectory() as kept, _each(workers) as each:
        measured = list(each(partial(_measure, kept=Path(kept)), masks, "boxes"))
        cases = _table(row for row, _, _ in measured)
        sizes = common_shares(cases)
        one_by_one = [cases.iloc[[index]] for index in range(len(cases))]
        through = partial(_ceilings, kept=Path(kept), sizes=sizes)
        found = list(each(through, one_by_one, "ceilings"))
    return GeometryTables(
        cases,
        window_table(cases).round(6),
        _table(row for _, rows, _ in measured for row in rows),
        _table(row for rows in found for row in rows),
        _table((row for _, _, rows in measured for row in rows), AGREEMENT_COLUMNS),
    )


def _measure(masks: Masks, *, kept: Path) -> tuple[dict[str, Any], Rows, Rows]:
    """Rows of cases.csv, coverage.csv and agreement.csv; some slices are kept."""
    label, name = masks.read(), {"case": masks.case}
    boxes = measure_boxes(label)
    slices = some_slices(sitk.GetArrayFromImage(label))
    np.savez_compressed(kept / f"{masks.case}.npz", slices)
    drawn = {
        annotator: sitk.GetArrayFromImage(masks.read(annotator))
        for annotator in (masks.annotators if len(masks.annotators) > 1 else ())
    }
    return (
        name | boxes.row,
        [name | row for row in coverage_rows(boxes, SHAPES)],
        [name | row for row in agreement_rows(drawn)],
    )


def _ceilings(case: pd.DataFrame, *, kept: Path, sizes: dict[str, float]) -> Rows:
    name = case.case.item()
    with np.load(kept / f"{name}.npz") as stored:
        rows = ceilings(stored["arr_0"], case, sizes)
        return [{"case": name} | row for row in rows]


def _table(
    rows: Iterable[dict[str, Any]], columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Rows at the precision that is written; without any, only the columns."""
    return pd.DataFrame(list(rows), columns=columns).round(6)


@contextmanager
def _each(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A way to call a function with every case, in their order, with progress."""

    def shown(results: Iterable[Any], title: str, total: int) -> Iterator[Any]:
        yield from tqdm(results, desc=title, total=total, unit="case")

    if workers <= 1:
        yield lambda work, cases, title: shown(map(work, cases), title, len(cases))
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=_alone) as pool:
        yield lambda work, cases, title: shown(pool.map(work, cases), title, len(cases))


def _alone() -> None:
    """One thread per worker: there is a worker per core."""
    torch.set_num_threads(1)


def made_by() -> dict[str, Any]:
    """Code and packages; asked before minutes in which the checkout may change."""
    return {"git": git_state(), "software": software()}


def write_study(
    tables: GeometryTables, folder: Path, provenance: dict[str, Any], *, note: str
) -> None:
    """Write tables and manifest into a new folder.

    Args:
        tables: what was measured.
        folder: new; no file of it is there before all are.
        provenance: of ``made_by``.
        note: source and licence of the masks, for whoever reads the numbers.
    """
    files = tables.files()
    with atomic_folder(folder) as working:
        for name, text in files.items():
            write_text(working / name, text)
        write_json(
            working / MANIFEST,
            {
                "schema": SCHEMA,
                "name": folder.name,
                "what": "geometry of label masks: counts, lengths and shares",
                "cases": len(tables.cases),
                "note": note,
                **provenance,
                "files": {
                    name: manifest_entry(text.encode()) for name, text in files.items()
                },
            },
        )
