"""Writing a cohort folder case by case: resumable, every problem told at once.

A case is finished when its sidecar ``.done/{case}.json`` carries the hash of everything
that it depends on; it is written after the files. ``problems.csv`` tells what was found
in which case, also when cases cannot be used; ``cases.csv`` comes last.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from deeprac import files
from deeprac.cohort import findings
from deeprac.cohort.case import COLUMNS, CaseRow, Source, write_case
from deeprac.cohort.findings import CaseError, Finding, Severity
from deeprac.cohort.formats import open_source
from deeprac.cohort.pseudonyms import is_pseudonym
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
    _refuse_renaming(config, folder, names)
    # The table says that the cohort is complete: no old one may outlive a problem.
    (folder / "cases.csv").unlink(missing_ok=True)
    _remove_leftovers(folder)
    _remove_strangers(folder, names)
    made = {name: _finished(source, name, folder) for name in names}
    todo = [name for name in names if made[name] is None]
    for one in tqdm(
        _make_all(source, todo, folder, workers), total=len(todo), desc="cohort"
    ):
        made[one.name] = one
    problems = findings.table({name: made[name].findings for name in names})
    files.write_csv(folder / "problems.csv", problems)
    _refuse_failures([made[name] for name in names], source)
    rows = [made[name].row for name in names]
    files.write_json(folder / "dataset.json", dataset_json(len(rows)))
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))
    files.write_csv(folder / "cases.csv", table)
    return rows


def dataset_json(cases: int) -> dict[str, Any]:
    """nnU-Net's description of a cohort of that many cases."""
    return {
        "channel_names": {"0": "CT"},
        "labels": {label.title: int(label) for label in Label},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }


@dataclass(frozen=True)
class Made:
    """A case that is in the folder, or why it is not; and all that was found."""

    name: str
    row: CaseRow | None
    findings: tuple[Finding, ...]


def _refuse_failures(made: Sequence[Made], source: Source) -> None:
    failed = [one for one in made if one.row is None]
    if failed:
        listed = "\n".join(f"  {one.name}: {_errors(one)}" for one in failed)
        raise CohortError(
            f"{len(failed)} of {len(made)} cases cannot be used; correct them and run "
            f"the same command again:\n{listed}\n"
            + source.where([one.name for one in failed])
        )


def _errors(made: Made) -> str:
    errors = (f.message for f in made.findings if f.severity is Severity.ERROR)
    return "; ".join(errors) + "."


def _make_all(
    source: Source, names: Sequence[str], folder: Path, workers: int
) -> Iterator[Made]:
    """Make cases, as they become ready."""
    if workers <= 1 or len(names) <= 1:
        for name in names:
            yield _make(source, name, folder)
        return
    with _pool(min(workers, len(names)), source) as pool:
        futures = [pool.submit(_make_in_worker, name, folder) for name in names]
        for future in as_completed(futures):
            yield future.result()


@contextmanager
def _pool(workers: int, source: Source) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes whose waiting work is dropped on an error.

    Each gets the open source: finding the cases of a large folder is slow.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_give_source, initargs=(source,)
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


_source: list[Source] = []
"""The source that a worker process was given."""


def _give_source(source: Source) -> None:
    _source.append(source)


def _make_in_worker(name: str, folder: Path) -> Made:
    return _make(_source[0], name, folder)


def _make(source: Source, name: str, folder: Path) -> Made:
    """Load and write one case; a case that cannot be used is told, not raised."""
    fingerprint = _settings_sha256(source, name)
    try:
        case = source.load(name)
    except CaseError as error:
        return Made(name, None, error.findings)
    except CohortError as error:
        message = str(error).removesuffix(".")
        return Made(name, None, (Finding(Severity.ERROR, "case", message),))
    row = write_case(case, folder)
    sidecar = {
        "settings_sha256": fingerprint,
        "row": asdict(row),
        "findings": [asdict(finding) for finding in case.findings],
    }
    files.write_json(_sidecar(folder, name), sidecar)
    return Made(name, row, case.findings)


def _finished(source: Source, name: str, folder: Path) -> Made | None:
    """A case that is already there, made with the same settings."""
    sidecar = _sidecar(folder, name)
    if not sidecar.is_file():
        return None
    done = files.read_json(sidecar)
    if done["settings_sha256"] != _settings_sha256(source, name):
        return None
    row = CaseRow(**done["row"])
    if not all((folder / path).is_file() for path in (row.image, row.label)):
        return None
    return Made(name, row, tuple(map(Finding.of, done["findings"])))


def _refuse_renaming(config: CohortConfig, folder: Path, names: Sequence[str]) -> None:
    """A new key would rename all cases and have everything trained anew."""
    there = {path.stem for path in (folder / ".done").glob("*.json")}
    there = {name for name in there if is_pseudonym(name)}
    if config.pseudonyms and there and there.isdisjoint(names):
        raise CohortError(
            f"{folder} holds {len(there)} cases, none of which the source has under "
            f"the key in {config.private}. Restore the key with which they were made; "
            f"or, if these are other patients, choose another cohort.name."
        )


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
    columns = [*COLUMNS, *findings.COLUMNS]
    depends_on = {"columns": columns, "settings": source.settings(name)}
    text = json.dumps(depends_on, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
