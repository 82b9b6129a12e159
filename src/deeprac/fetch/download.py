"""Fetching one file: resumed where it was left, never half a file under its name."""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event

import requests
import urllib3

from deeprac import files
from deeprac.errors import FetchError
from deeprac.fetch.remote import CHUNK, RemoteFile, digests
from deeprac.fetch.web import Web

logger = logging.getLogger(__name__)

Progress = Callable[[int], None]
"""Told of every change of the bytes that are there; negative on a new start."""

LFS_POINTER = b"version https://git-lfs"
"""How the text begins that Git LFS leaves in place of a large file."""


class StoppedError(Exception):
    """Another file failed or the user stopped: what is there stays for next time."""


def part_of(target: Path) -> Path:
    """Where the bytes gather until the file is whole and checked."""
    return target.with_name(f"{target.name}.part")


def download(
    file: RemoteFile, target: Path, web: Web, *, stop: Event, progress: Progress
) -> dict[str, str]:
    """Fetch a file, check it and give it its name.

    Bytes of an earlier attempt are kept where the host continues the very same file
    (``Range`` with ``If-Range``); if the whole is then wrong, it starts once anew.

    Returns:
        The file's checksums by algorithm, always with sha256.

    Raises:
        FetchError: the host gives no file, or the wrong bytes; these are kept aside.
        StoppedError: ``stop`` was set.
    """
    part = part_of(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    resumed = _gather(file, part, web, stop=stop, progress=progress)
    found, problem = _check(file, part)
    if problem and resumed:
        logger.warning("%s: the resumed file is wrong; it starts anew", file.path)
        progress(-part.stat().st_size)
        part.unlink()
        _gather(file, part, web, stop=stop, progress=progress)
        found, problem = _check(file, part)
    if problem:
        aside = set_aside(part, target)
        raise FetchError(
            f"{web.address(file.url)} gave the wrong bytes: {problem}. They are kept "
            f"as {aside} and not used. Run the same command again; if it stays so, the "
            "file at the host was changed or damaged."
        )
    part.replace(target)
    _validator_of(part).unlink(missing_ok=True)
    return found


def set_aside(wrong: Path, target: Path) -> Path:
    """Rename a wrong file so that nothing reads it, without losing an earlier one."""
    number = 1
    while (aside := target.with_name(f"{target.name}.wrong-{number}")).exists():
        number += 1
    wrong.replace(aside)
    _validator_of(part_of(target)).unlink(missing_ok=True)
    return aside


def _gather(
    file: RemoteFile, part: Path, web: Web, *, stop: Event, progress: Progress
) -> bool:
    """Ask until all bytes are there; says whether any are of an earlier answer."""
    resumed, failures = False, 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            with web.get(file.url, _resume_headers(part)) as response:
                start = _begin(response, part, file, progress)
                resumed |= start > 0
                _receive(response, part, stop=stop, progress=progress)
                return resumed
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            _MisfitError,
        ) as error:
            after = part.stat().st_size if part.exists() else 0
            failures = 0 if after > before else failures + 1
            if failures >= web.patience.tries:
                raise FetchError(
                    f"{web.address(file.url)} broke off {failures} times ({error}). "
                    "Run the same command again: what has arrived is kept."
                ) from error
            logger.info("%s: broken off at %d bytes, tried again", file.path, after)
            if stop.wait(web.patience.pause_s(failures)):
                raise StoppedError from error


class _MisfitError(Exception):
    """An answer that does not continue the part; the part is gone."""


def _resume_headers(part: Path) -> dict[str, str]:
    """Ask for the rest, if the host gave something to recognise the file by."""
    validator = _validator_of(part)
    if not part.exists() or part.stat().st_size == 0 or not validator.is_file():
        return {}
    return {
        "Range": f"bytes={part.stat().st_size}-",
        "If-Range": files.read_json(validator)["validator"],
    }


def _begin(
    response: requests.Response, part: Path, file: RemoteFile, progress: Progress
) -> int:
    """Byte at which the body begins: the end of the part, or 0 for a new start."""
    have = part.stat().st_size if part.exists() else 0
    if _continues(response, part, have):
        return have
    if response.status_code == 416 and have == file.size:
        return have
    # The part goes before a new validator comes, or a kill in between would let the
    # next call join bytes of two files.
    _validator_of(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    progress(-have)
    if response.status_code in (206, 416):
        raise _MisfitError(
            f"status {response.status_code} does not continue {have} bytes"
        )
    _remember_validator(response, part)
    return 0


def _continues(response: requests.Response, part: Path, have: int) -> bool:
    """Whether a body is the rest of the very same file."""
    if response.status_code != 206:
        return False
    begins = response.headers.get("Content-Range", "").partition("-")[0]
    etag = response.headers.get("ETag")
    validator = files.read_json(_validator_of(part))["validator"]
    same = etag == validator or not validator.startswith('"') or etag is None
    return same and begins == f"bytes {have}"


def _remember_validator(response: requests.Response, part: Path) -> None:
    """A strong ETag, else the date of change; without either there is no resuming."""
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    if validator:
        files.write_json(_validator_of(part), {"validator": validator})
    else:
        _validator_of(part).unlink(missing_ok=True)


def _validator_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _receive(
    response: requests.Response, part: Path, *, stop: Event, progress: Progress
) -> None:
    """Append the body to the part."""
    if response.status_code == 416:  # all bytes are there already
        return
    with part.open("ab") as out:
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            if stop.is_set():
                raise StoppedError
            out.write(chunk)
            progress(len(chunk))


def _check(file: RemoteFile, part: Path) -> tuple[dict[str, str], str]:
    """Checksums of what has arrived, and what is wrong with it."""
    algorithms = {"sha256"} | ({file.checksum.algorithm} if file.checksum else set())
    found = digests(part, *sorted(algorithms))
    with part.open("rb") as arrived:
        if arrived.read(len(LFS_POINTER)) == LFS_POINTER:
            return found, "a Git-LFS pointer, not the file itself"
    if file.checksum and found[file.checksum.algorithm] != file.checksum.value:
        name = file.checksum.algorithm
        return found, f"{name} is {found[name]}, not {file.checksum.value}"
    size = part.stat().st_size
    if file.size is not None and not file.is_archive and size != file.size:
        return found, f"{size} bytes, not {file.size}"
    return found, ""
