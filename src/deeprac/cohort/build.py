"""Writing a cohort folder case by case: resumable, every problem told at once.

A case is finished when its sidecar ``.done/{case}.json`` carries the hash of everything
that it depends on; it is written after the files. ``frames.csv``, the grids of the
sources, and ``cases.csv`` come last.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from deeprac import files
from deeprac.cohort.case import COLUMNS, CaseRow, Source, write_case
from deeprac.cohort.formats import open_source
from deeprac.cohort.frame import FRAME_COLUMNS, SourceFrame, frames_table
from deeprac.config import CohortConfig
from deeprac.errors import CohortError
from deeprac.labels import Label


def build_cohort(
    config: CohortConfig, folder: Path, *, workers: int = 1
) -> list[CaseRow]:
    """Write all cases of a cohort, then ``dataset.json`` and ``cases.csv``.

    Args:
        config: the cohort's settings.
        folder: the cohort folder.
        workers: processes that make cases at the same time.

    Returns:
        One row per case, in the source's order.

    Raises:
        CohortError: listing every problem of every case; what could be made is kept.
    """
    source = open_source(config)
    names = source.names()
    # The table says that the cohort is complete: no old one may outlive a problem.
    for table in ("cases.csv", "frames.csv"):
        (folder / table).unlink(missing_ok=True)
    _remove_leftovers(folder)
    _remove_strangers(folder, names)
    rows: dict[str, CaseRow] = {}
    problems: dict[str, str] = {}
    todo = []
    for name in names:
        row = _finished(source, name, folder)
        if row is None:
            todo.append(name)
        else:
            rows[name] = row
    for name, row, problem in tqdm(
        _make_all(source, todo, folder, workers), total=len(todo), desc="cohort"
    ):
        if row is None:
            problems[name] = problem
        else:
            rows[name] = row
    if problems:
        listed = "\n".join(f"  {name}: {problems[name]}" for name in sorted(problems))
        raise CohortError(
            f"{len(problems)} of {len(names)} cases cannot be used; correct them and "
            f"run the same command again:\n{listed}"
        )
    ordered = [rows[name] for name in names]
    files.write_json(folder / "dataset.json", dataset_json(len(ordered)))
    frames = {name: _frame(folder, name) for name in names}
    files.write_csv(folder / "frames.csv", frames_table(frames))
    table = pd.DataFrame([asdict(row) for row in ordered], columns=list(COLUMNS))
    files.write_csv(folder / "cases.csv", table)
    return ordered


def dataset_json(cases: int) -> dict[str, Any]:
    """nnU-Net's description of a cohort of that many cases."""
    return {
        "channel_names": {"0": "CT"},
        "labels": {label.title: int(label) for label in Label},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }


Made = tuple[str, CaseRow | None, str]
"""Name, row or None, and the problem."""


def _make_all(
    source: Source, names: Sequence[str], folder: Path, workers: int
) -> Iterator[Made]:
    """Make cases, as they become ready.

    Raises:
        CohortError: a process was killed from outside.
    """
    if workers <= 1 or len(names) <= 1:
        for name in names:
            yield _make(source, name, folder)
        return
    with _pool(min(workers, len(names))) as pool:
        # The source goes along: opening one may mean to list a whole archive.
        futures = [pool.submit(_make, source, name, folder) for name in names]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise CohortError(
                "a process that made cases was killed, most likely for want of memory. "
                "Finished cases are kept: run the same command again with fewer "
                "workers."
            ) from error


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes whose waiting work is dropped on an error."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _make(source: Source, name: str, folder: Path) -> Made:
    """Load and write one case; a case that cannot be used is told, not raised."""
    fingerprint = _settings_sha256(source, name)
    try:
        case = source.load(name)
        row = write_case(case, folder)
    except CohortError as error:
        return name, None, str(error)
    sidecar = {
        "settings_sha256": fingerprint,
        "row": asdict(row),
        # Cases that are made in the canonical frame are their own source.
        "frame": (case.frame or SourceFrame.of(case.image)).as_json(),
    }
    files.write_json(_sidecar(folder, name), sidecar)
    return name, row, ""


def _finished(source: Source, name: str, folder: Path) -> CaseRow | None:
    """The row of a case that is already there, made with the same settings."""
    sidecar = _sidecar(folder, name)
    if not sidecar.is_file():
        return None
    done = files.read_json(sidecar)
    if done["settings_sha256"] != _settings_sha256(source, name):
        return None
    row = CaseRow(**done["row"])
    if not all((folder / path).is_file() for path in (row.image, row.label)):
        return None
    return row


def _frame(folder: Path, name: str) -> SourceFrame:
    """The source's frame of a finished case."""
    return SourceFrame.from_json(files.read_json(_sidecar(folder, name))["frame"])


def _remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that a killed process left behind."""
    for path in folder.rglob(".tmp-*"):
        path.unlink(missing_ok=True)


def _remove_strangers(folder: Path, names: Sequence[str]) -> None:
    """Delete cases that an earlier configuration left here, and they alone."""
    known = set(names)
    for sidecar in sorted((folder / ".done").glob("*.json")):
        if sidecar.stem in known:
            continue
        row = files.read_json(sidecar)["row"]
        for path in (row["image"], row["label"]):
            (folder / path).unlink(missing_ok=True)
        sidecar.unlink()


def _sidecar(folder: Path, name: str) -> Path:
    return folder / ".done" / f"{name}.json"


def _settings_sha256(source: Source, name: str) -> str:
    depends_on = {
        "columns": [*COLUMNS, *FRAME_COLUMNS],
        "settings": source.settings(name),
    }
    text = json.dumps(depends_on, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
