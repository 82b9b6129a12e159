"""Fetching a whole cohort: licence, list, space, files in parallel, record."""

import logging
import os
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from deeprac.errors import FetchError
from deeprac.fetch.archives import MD5_TABLE, unpack
from deeprac.fetch.download import StoppedError, download, part_of, set_aside
from deeprac.fetch.listings import list_files
from deeprac.fetch.manifest import NO_SOURCE, Manifest, read_manifest, sources
from deeprac.fetch.remote import Record, RemoteFile, Row, misfit
from deeprac.fetch.web import Patience, Web
from deeprac.settings.cohort import CohortConfig

logger = logging.getLogger(__name__)

GIVE_UP = 10
"""Failed files after which no further one is begun."""


@dataclass(frozen=True)
class Fetched:
    """What a call has done."""

    new: int
    there: int
    unchecked: tuple[str, ...]
    """Files for which no checksum was known; theirs is recorded."""


def fetch_cohort(config: CohortConfig, *, patience: Patience | None = None) -> Fetched:
    """Fetch what ``cohort.fetch`` names into ``cohort.path``.

    Raises:
        FetchError: no source or licence, no space, or files that could not be fetched;
            all that could be are kept, and so are parts.
    """
    manifest, folder = _accepted(config)
    web = Web(mirror=config.fetch.mirror, patience=patience or Patience())
    logger.info("fetching, as its licence was accepted:\n%s", manifest.terms)
    listed = _selected(list_files(manifest, web), config.fetch.cases)
    record = Record(folder)
    todo = [file for file in listed if not _is_there(file, folder, record)]
    _check_space(todo, folder, parallel=config.fetch.parallel)
    _fetch_all(todo, folder, record, config=config, patience=web.patience)
    rows = [record.get(file.path) for file in listed]
    unchecked = tuple(row.path for row in rows if row and row.checked == "none")
    return Fetched(len(todo), len(listed) - len(todo), unchecked)


def _accepted(config: CohortConfig) -> tuple[Manifest, Path]:
    """The manifest, once its licence is accepted, and the cohort's folder."""
    fetch = config.fetch
    if fetch.source == NO_SOURCE:
        raise FetchError(
            "cohort.fetch.source is none: this configuration fetches nothing. Set it "
            f"to one of {', '.join(sources())}, or place the files yourself."
        )
    if config.path is None:
        raise FetchError(
            "cohort.path is missing: name the folder that receives the files."
        )
    manifest = read_manifest(fetch.source)
    if fetch.licence != manifest.licence:
        raise FetchError(
            f"cohort.fetch.licence is {fetch.licence!r}: nothing was fetched, since "
            f"the licence of this cohort is not accepted.\n{manifest.terms}\nRead it; "
            f"if you accept it, set cohort.fetch.licence to {manifest.licence}."
        )
    return manifest, config.path


def _selected(
    listed: list[RemoteFile], cases: int | tuple[str, ...] | None
) -> list[RemoteFile]:
    """Files of the wanted cases, and those that belong to no case."""
    names = sorted({file.case for file in listed if file.case is not None})
    wanted = names if cases is None else cases
    if isinstance(wanted, int):
        wanted = names[:wanted]
    if unknown := sorted(set(wanted) - set(names)):
        raise FetchError(
            f"cohort.fetch.cases: {unknown[0]!r} is no case of this cohort. Its "
            f"{len(names)} cases are {names[0]} to {names[-1]}."
        )
    return [file for file in listed if file.case is None or file.case in set(wanted)]


def _is_there(file: RemoteFile, folder: Path, record: Record) -> bool:
    """Whether a file is there and whole; a wrong one is set aside.

    A file without a row was placed by hand, or the process was killed between its last
    byte and its row: it is checked like a new one. An archive's folder gets its name
    once it is whole.
    """
    target, row = folder / file.path, record.get(file.path)
    if file.is_archive:
        for half in target.parent.glob(f".tmp-*-{target.name}"):  # of a killed process
            shutil.rmtree(half)
        if target.is_dir() and row is None:
            record.add(Row(file.path, 0, "", _vouched(target), file.url))
        return target.is_dir()
    if not target.is_file():
        return False
    if row is not None and row.bytes == target.stat().st_size:
        return True
    if misfit(file, target) or (row is not None and not file.checksum):
        aside = set_aside(target, target)
        logger.warning("%s is not the file of the source: kept as %s", file.path, aside)
        return False
    record.add(Row.of(file, target))
    return True


def _vouched(folder: Path) -> str:
    """What the files of an unpacked archive were compared with."""
    return "md5" if (folder / MD5_TABLE).is_file() else "none"


def _check_space(todo: Sequence[RemoteFile], folder: Path, *, parallel: int) -> None:
    """Refuse to begin what the disk cannot hold."""
    sizes = [file.size for file in todo if file.size is not None]
    parts = [part_of(folder / file.path) for file in todo]
    needed = sum(sizes) - sum(p.stat().st_size for p in parts if p.is_file())
    # An archive and its contents are there at the same time.
    archives = sorted(f.size or 0 for f in todo if f.is_archive)[-parallel:]
    needed = max(0, needed) + sum(archives)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"{_gb(needed)} are needed in {folder}, but {_gb(free)} are free. Make "
            "space, set cohort.path to another disk, or fetch fewer with "
            "cohort.fetch.cases."
        )
    unknown = len(todo) - len(sizes)
    note = f"; the size of {unknown} is not known" if unknown else ""
    logger.info("%d files, %s to fetch%s", len(todo), _gb(needed), note)


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _fetch_all(
    todo: Sequence[RemoteFile],
    folder: Path,
    record: Record,
    *,
    config: CohortConfig,
    patience: Patience,
) -> None:
    """Fetch files in parallel; failures are told at the end, all at once."""
    stop, local, problems = threading.Event(), threading.local(), []

    def open_web() -> None:  # a session is for one thread
        local.web = Web(mirror=config.fetch.mirror, patience=patience)

    def fetch_one(file: RemoteFile) -> Row:
        if stop.is_set():
            raise StoppedError
        target = folder / file.path
        place = unpack if file.is_archive else os.replace
        row = download(
            file, target, local.web, stop=stop, progress=bar.update, place=place
        )
        if file.is_archive:
            part_of(target).unlink()
            row = replace(row, checked=_vouched(target))
        return row

    total = sum(file.size or 0 for file in todo) or None
    pool = ThreadPoolExecutor(config.fetch.parallel, initializer=open_web)
    with tqdm(total=total, unit="B", unit_scale=True, desc="fetch") as bar:
        try:
            futures = {pool.submit(fetch_one, file): file for file in todo}
            for future in as_completed(futures):
                try:
                    record.add(future.result())
                except FetchError as error:
                    problems.append(f"{futures[future].path}: {error}")
                    if len(problems) >= GIVE_UP:
                        stop.set()
                except StoppedError:
                    pass
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in sorted(problems))
        raise FetchError(
            f"{len(problems)} of {len(todo)} files could not be fetched; the others "
            f"are kept. Run the same command again for the rest:\n{listed}"
        )
