"""Unpacking archives from elsewhere: nothing outside the folder, nothing half."""

import csv
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from deeprac import files
from deeprac.errors import FetchError
from deeprac.fetch.remote import CHUNK, digests, is_safe

MOST_BYTES = 50 * 2**30
"""Largest sum of unpacked files; a DICOM series has far less."""

MOST_FILES = 100_000

MD5_TABLE = "md5hashes.csv"
"""Columns Filename and MD5Hash: how The Cancer Imaging Archive vouches for files."""

Member = tuple[str, int, Callable[[], IO[bytes]]]
"""Name, size as told, and how to open it."""


def unpack(archive: Path, target: Path, *, most_bytes: int = MOST_BYTES) -> list[str]:
    """Unpack a zip or tar archive into a new folder, all of it or nothing.

    Args:
        archive: the file.
        target: the folder to make; it must not exist.
        most_bytes: refuse more than that.

    Returns:
        Names of the files, sorted.

    Raises:
        FetchError: it is no whole archive, has links, devices, names that lead out of
            the folder or come twice, more than it may, or files whose MD5 differs from
            the table in it.
    """
    try:
        with files.atomic_folder(target) as folder:
            names = _extract(archive, folder, most_bytes)
            _check_md5_table(folder)
            return names
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError) as e:
        raise FetchError(f"it is no whole archive ({e})") from e


def _extract(archive: Path, folder: Path, most_bytes: int) -> list[str]:
    names: list[str] = []
    left = most_bytes
    for name, size, open_ in _members(archive):
        _refuse(name, names)
        if size > left or len(names) >= MOST_FILES:
            raise FetchError(
                f"it holds more than {most_bytes} bytes or {MOST_FILES} files"
            )
        names.append(name)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_() as source, path.open("wb") as out:
            # The size that an archive tells may be a lie: count what comes out.
            while chunk := source.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise FetchError(f"it holds more than {most_bytes} bytes")
                out.write(chunk)
    return sorted(names)


def _refuse(name: str, earlier: list[str]) -> None:
    if not is_safe(name):
        raise FetchError(f"{name!r} in it leads out of the folder")
    if name in earlier:
        raise FetchError(f"{name!r} is in it twice")


def _members(archive: Path) -> Iterator[Member]:
    """Plain files of an archive; folders are skipped, anything else is refused."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise FetchError(f"{entry.filename!r} in it is a link or device")
                if not entry.is_dir():
                    yield entry.filename, entry.file_size, _opener(opened.open, entry)
        return
    with tarfile.open(archive) as opened:
        for entry in opened:
            if not entry.isfile() and not entry.isdir():
                raise FetchError(f"{entry.name!r} in it is a link or device")
            if entry.isfile():
                yield entry.name, entry.size, _opener(opened.extractfile, entry)


def _opener(open_: Callable, entry: object) -> Callable[[], IO[bytes]]:
    return lambda: open_(entry)


def _check_md5_table(folder: Path) -> None:
    """Compare all files with the table in the archive, if it has one."""
    table = folder / MD5_TABLE
    if not table.is_file():
        return
    rows = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig")))
    expected = {row["Filename"]: row["MD5Hash"].lower() for row in rows}
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path != table
    }
    if there != set(expected):
        raise FetchError(f"its files are not those of its {MD5_TABLE}")
    for name, md5 in expected.items():
        found = digests(folder / name, "md5")["md5"]
        if found != md5:
            raise FetchError(f"md5 of {name} is {found}, not {md5}")
