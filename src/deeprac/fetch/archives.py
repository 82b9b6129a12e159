"""Unpacking archives from elsewhere: nothing outside the folder, nothing half."""

import csv
import io
import logging
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pooch

from deeprac import files
from deeprac.errors import FetchError
from deeprac.fetch.remote import digest, is_safe

pooch.get_logger().setLevel(logging.WARNING)

MOST_BYTES = 50 * 2**30
"""Largest sum of unpacked files; a DICOM series has far less."""

MOST_FILES = 100_000

MD5_TABLE = "md5hashes.csv"
"""Columns Filename and MD5Hash: how The Cancer Imaging Archive vouches for files."""


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
            names = checked_names(archive, most_bytes)
            kind = pooch.Unzip if zipfile.is_zipfile(archive) else pooch.Untar
            # No file gets larger than its size in the archive, which was checked.
            kind(extract_dir=str(folder.absolute()))(str(archive), "download", None)
            _check_md5_table(folder, names)
            return names
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError) as e:
        raise FetchError(f"it is no whole archive ({e})") from e


def checked_names(archive: Path, most_bytes: int) -> list[str]:
    """Names of the files in an archive, before any of it is unpacked.

    Raises:
        FetchError: a link, a device, a name that leads out or comes twice, or too much.
    """
    names: set[str] = set()
    left = most_bytes
    for name, size, is_plain in _members(archive):
        if not is_plain:
            raise FetchError(f"{name!r} in it is a link or device")
        if not is_safe(name):
            raise FetchError(f"{name!r} in it leads out of the folder")
        if name in names:
            raise FetchError(f"{name!r} is in it twice")
        left -= size
        if left < 0 or len(names) >= MOST_FILES:
            raise FetchError(
                f"it holds more than {most_bytes} bytes or {MOST_FILES} files"
            )
        names.add(name)
    return sorted(names)


def _members(archive: Path) -> Iterator[tuple[str, int, bool]]:
    """Name and size of all members but folders, and whether each is a plain file."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if not entry.is_dir():
                    kind = stat.S_IFMT(entry.external_attr >> 16)
                    yield entry.filename, entry.file_size, kind in (0, stat.S_IFREG)
        return
    with tarfile.open(archive) as members:
        for member in members:
            if not member.isdir():
                yield member.name, member.size, member.isfile()


def _check_md5_table(folder: Path, names: list[str]) -> None:
    """Compare all files with the table in the archive, if it has one."""
    table = folder / MD5_TABLE
    if not table.is_file():
        return
    rows = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig")))
    expected = {row["Filename"]: row["MD5Hash"].lower() for row in rows}
    if set(names) - {MD5_TABLE} != set(expected):
        raise FetchError(f"its files are not those of its {MD5_TABLE}")
    for name, md5 in expected.items():
        found = digest(folder / name, "md5")
        if found != md5:
            raise FetchError(f"md5 of {name} is {found}, not {md5}")
