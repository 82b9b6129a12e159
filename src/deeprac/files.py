"""Writing files so that a killed process never leaves a half-written one.

Everything is written beside its target under a temporary name and renamed; a
reader therefore sees the old file, the new file or none.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


NAME_RULE = "Names of cases and patients are letters, digits, spaces and _ . + -"
_PLAIN_NAME = re.compile(r"\w([\w .+-]*[\w+-])?")


def foreign_names(names: Iterable[str]) -> list[str]:
    """Names of cases or patients that are no plain file names.

    Names become files, folders and text on pages. A plain one has letters, digits and
    ``_ . + -`` and spaces; it starts with a letter, digit or ``_`` and does not end
    with a dot or space.

    Example:
        >>> foreign_names(["case_001", "Wilms 3.b", "../x", "<script>", ""])
        ['../x', '<script>', '']
    """
    return [name for name in names if not _PLAIN_NAME.fullmatch(composed(name))]


def composed(name: str) -> str:
    r"""A name with composed accents: what is equal to the eye is equal.

    macOS writes decomposed names, spreadsheets and keyboards composed ones.

    Example:
        >>> composed("Le\u0301kar\u030c") == "L\xe9ka\u0159"
        True
    """
    return unicodedata.normalize("NFC", name)


def on_disk(path: Path) -> Path:
    """The path as the disk spells it, whose accents may be composed or not.

    The path as given where nothing of that name is there.
    """
    found = Path()
    for part in path.parts:
        spellings = (part, composed(part), unicodedata.normalize("NFD", part))
        there = (found / name for name in spellings if (found / name).exists())
        spelled = next(there, None)
        if spelled is None:
            return path
        found = spelled
    return found


@contextmanager
def named_in_errors(path: Path) -> Iterator[None]:
    """Let an error of the system name the file: a full disk's own message does not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; rename it to ``target`` on success.

    The temporary name keeps all suffixes of the target, since writers such as
    SimpleITK choose the format by them. The parent folder is made when missing.
    On an exception the temporary file is removed and ``target`` stays as it was. What
    is there afterwards survives a crash of the machine.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    try:
        with named_in_errors(target):
            yield temporary
            _flush(temporary)
            os.replace(temporary, target)
            _flush(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the disk keep what was written to a file, or the names in a folder."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        # Some file systems of clusters and containers have none for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(number)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(target: Path, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_json(target: Path, content: Any) -> None:
    """Write JSON atomically, indented, keys in the given order, no NaN."""
    write_text(target, json_text(content))


def read_json(source: Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(source).read_text(encoding="utf-8"))


def write_csv(target: Path, table: "pd.DataFrame") -> None:
    """Write a tidy table atomically, without index, at full precision."""
    write_text(target, csv_text(table))


def sha256_of(path: Path) -> str:
    """Checksum of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def manifest_entry(content: bytes) -> dict[str, Any]:
    """Describe a file in a manifest: its bytes and their checksum."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def csv_text(table: "pd.DataFrame") -> str:
    """Return a tidy table as CSV, without index, at full precision."""
    return table.to_csv(index=False, lineterminator="\n")


def json_text(content: Any) -> str:
    """Return JSON, indented, keys in the given order, no NaN."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


@contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a new folder beside ``target``; rename it to ``target`` on success.

    On an exception the new folder is removed and ``target`` stays as it was.

    Raises:
        FileExistsError: ``target`` is there and is not to be replaced.
    """
    target = Path(target)
    if target.exists() and not replace:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    old = target.with_name(f".old-{os.getpid()}-{target.name}")
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            os.replace(target, old)
        os.replace(temporary, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
