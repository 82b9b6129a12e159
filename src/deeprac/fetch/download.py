"""Fetching one file: resumed where it was left, never half a file under its name.

pooch fetches and checks it, with a downloader of our own: pooch's cannot go on with a
part, do not tell busy hosts from those that refuse, and wrong bytes are deleted.
"""

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pooch
import requests
import urllib3

from deeprac.errors import FetchError
from deeprac.fetch.record import Row
from deeprac.fetch.remote import RemoteFile, misfit
from deeprac.fetch.web import Web

logger = logging.getLogger(__name__)
pooch.get_logger().setLevel(logging.WARNING)

CHUNK = 1 << 16
"""Bytes that a kill may lose."""


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
    progress: Callable[[int], object],
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
    transfer = _Transfer(file, part, web, stop, progress)
    problem = _problem(file, address, transfer)
    if problem and transfer.resumed:
        logger.warning("%s: the resumed file is wrong; it starts anew", file.path)
        transfer.start_anew()
        problem = _problem(file, address, transfer)
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


def _problem(file: RemoteFile, address: str, transfer: "_Transfer") -> str:
    """Have pooch fetch a file and compare its hash; what is wrong with it, if anything.

    pooch works in a folder of its own, where the part is only linked: it deletes what
    is wrong, and a kill leaves its temporary files.
    """
    part = transfer.part
    known = file.checksum if file.algorithm in ("sha256", "md5") else None
    scratch = part.with_name(f".fetch-{part.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    registry = pooch.Pooch(scratch, "", {part.name: known}, {part.name: address})
    try:
        registry.fetch(part.name, downloader=transfer)
    except ValueError:  # another hash
        return misfit(file, part)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return "" if known else misfit(file, part)


@dataclass
class _Transfer:
    """A downloader for pooch that goes on with the part of an earlier call."""

    file: RemoteFile
    part: Path
    web: Web
    stop: Event
    progress: Callable[[int], object]
    resumed: bool = False
    """Whether bytes of several answers were joined."""

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Ask until all bytes are there, then show them to pooch."""
        failures, patience = 0, self.web.patience
        while True:
            before = self._have()
            try:
                self._attempt(url, before)
                break
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                _MisfitError,
            ) as error:
                failures = 0 if self._have() > before else failures + 1
                if failures >= patience.tries:
                    raise FetchError(
                        f"{url} broke off {failures} times ({error}). Run the same "
                        "command again: what has arrived is kept."
                    ) from error
                logger.info("%s: broken off, tried again", self.file.path)
                if self.stop.wait(patience.pause_s(failures)):
                    raise StoppedError from error
        os.unlink(output_file)
        try:
            os.link(self.part, output_file)
        except OSError:  # a file system without links
            shutil.copyfile(self.part, output_file)

    def start_anew(self) -> None:
        """Remove the part."""
        self.progress(-self._have())
        self.part.unlink(missing_ok=True)
        self.resumed = False

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self, url: str, have: int) -> None:
        """Ask for the file, or its rest, and append what comes to the part."""
        resumes = have > 0 and bool(self.file.checksum)
        headers = {"Range": f"bytes={have}-"} if resumes else {}
        with self.web.get(url, headers) as response:
            status, self.resumed = response.status_code, resumes
            if status == 416 and have == self.file.size:
                return  # killed between the last byte and the new name
            begins = response.headers.get("Content-Range", "").partition("-")[0]
            if status != 206 or begins != f"bytes {have}":
                self.start_anew()
                if status in (206, 416):
                    raise _MisfitError(f"status {status} does not continue it")
            with self.part.open("ab") as out:
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    if self.stop.is_set():
                        raise StoppedError
                    out.write(chunk)
                    self.progress(len(chunk))
