"""Fetching one file: resumed where it was left, never half a file under its name."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

import requests
import urllib3

from deeprac.errors import FetchError
from deeprac.fetch.remote import RemoteFile, Row, misfit
from deeprac.fetch.web import Web

logger = logging.getLogger(__name__)

CHUNK = 1 << 16
"""Bytes that a kill may lose."""

Progress = Callable[[int], object]
"""Takes every change of the bytes that are there."""


class StoppedError(Exception):
    """Another file failed or the user stopped: what is there stays for next time."""


class _MisfitError(Exception):
    """An answer that does not continue the part; the part is gone."""


def part_of(target: Path) -> Path:
    """Where the bytes gather until the file is whole and checked."""
    return target.with_name(f"{target.name}.part")


def download(
    file: RemoteFile,
    target: Path,
    web: Web,
    *,
    stop: Event,
    progress: Progress,
    place: Callable[[Path, Path], object] = os.replace,
) -> Row:
    """Fetch a file, check it and give it its name.

    Bytes of an earlier attempt are kept where a checksum of the whole is known: it
    tells whether they belong together. If not, the file starts once anew.

    Args:
        file: what to fetch.
        target: its name.
        web: where to ask.
        stop: ends the call at the next bytes.
        progress: takes every change of the bytes that are there.
        place: brings the whole part to its name, or refuses it with a FetchError.

    Returns:
        The file's row of the record.

    Raises:
        FetchError: the host gives no file, or the wrong bytes; these are kept aside.
        StoppedError: ``stop`` was set.
    """
    part, address = part_of(target), web.address(file.url)
    part.parent.mkdir(parents=True, exist_ok=True)
    resumed = _complete(part, file, web, stop, progress)
    problem = misfit(file, part)
    if problem and resumed:
        logger.warning("%s: the resumed file is wrong; it starts anew", file.path)
        _drop(part, progress)
        _complete(part, file, web, stop, progress)
        problem = misfit(file, part)
    if not problem:
        row = Row.of(file, part)
        try:
            place(part, target)
            return row
        except FetchError as error:
            problem = str(error)
    raise FetchError(
        f"{address} gave the wrong bytes: {problem}. They are kept as "
        f"{set_aside(part, target)} and not used. Run the same command again; if it "
        "stays so, the file at the host was changed or damaged."
    )


def set_aside(wrong: Path, target: Path) -> Path:
    """Rename a wrong file so that nothing reads it, without losing an earlier one."""
    number = 1
    while (aside := target.with_name(f"{target.name}.wrong-{number}")).exists():
        number += 1
    return wrong.replace(aside)


def _complete(
    part: Path, file: RemoteFile, web: Web, stop: Event, progress: Progress
) -> bool:
    """Ask until all bytes are there; whether bytes of several answers were joined."""
    failures, patience, address = 0, web.patience, web.address(file.url)
    while True:
        before = _size(part)
        try:
            return _ask(part, file, web, stop, progress)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            _MisfitError,
        ) as error:
            failures = 0 if _size(part) > before else failures + 1
            if failures >= patience.tries:
                raise FetchError(
                    f"{address} broke off {failures} times ({error}). Run the same "
                    "command again: what has arrived is kept."
                ) from error
            logger.info("%s: broken off, tried again", file.path)
            pause_s = patience.backoff_s * 2 ** max(0, failures - 1)
            if stop.wait(min(pause_s, patience.longest_s)):
                raise StoppedError from error


def _ask(
    part: Path, file: RemoteFile, web: Web, stop: Event, progress: Progress
) -> bool:
    """Ask for the file, or its rest, and append what comes; whether it was the rest."""
    have = _size(part)
    resumes = have > 0 and bool(file.checksum)
    headers = {"Range": f"bytes={have}-"} if resumes else {}
    with web.get(web.address(file.url), headers) as response:
        status = response.status_code
        if status == 416 and have == file.size:
            return resumes  # killed between the last byte and the new name
        begins = response.headers.get("Content-Range", "").partition("-")[0]
        if status != 206 or begins != f"bytes {have}":
            _drop(part, progress)
            resumes = False
            if status in (206, 416):
                raise _MisfitError(f"status {status} does not continue it")
        with part.open("ab") as out:
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                if stop.is_set():
                    raise StoppedError
                out.write(chunk)
                progress(len(chunk))
    return resumes


def _drop(part: Path, progress: Progress) -> None:
    progress(-_size(part))
    part.unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
