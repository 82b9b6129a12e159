"""A file at a host, and what is known of its bytes beforehand."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deeprac.errors import FetchError

ALGORITHMS: dict[str, Callable[[int], Any]] = {
    "sha256": lambda size: hashlib.sha256(),
    "md5": lambda size: hashlib.md5(usedforsecurity=False),
    # Git's name of a file: SHA-1 of a header with the size, then the bytes.
    "git": lambda size: hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False),
}
"""Kinds of checksums that hosts give; each begins with the size of the file."""

CHUNK = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """A checksum and its kind."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch."""

    url: str
    path: str
    """Below the cohort's folder, with ``/``; an archive's is the folder it becomes."""
    case: str | None = None
    size: int | None = None
    """Bytes; of an archive, those of its contents."""
    checksum: Checksum | None = None
    is_archive: bool = False

    def __post_init__(self) -> None:
        if not is_safe(self.path):
            raise FetchError(
                f"{self.url} wants to be saved as {self.path!r}, which is no plain "
                "path inside the cohort's folder. Do not use this source."
            )


def is_safe(path: str) -> bool:
    r"""Whether a path from elsewhere stays inside the folder it is joined to.

    Example:
        >>> [is_safe(p) for p in ("a/b.nii.gz", "../b", "/b", "a\\b", "C:/b", "")]
        [True, False, False, False, False, False]
    """
    parts = PurePosixPath(path).parts
    wrong = {"..", "/"} & set(parts) or any(c in path for c in "\\:\0")
    return bool(parts) and not wrong


def digests(path: Path, *algorithms: str) -> dict[str, str]:
    """Checksums of a file by algorithm, all in one reading."""
    size = path.stat().st_size
    hashes = {name: ALGORITHMS[name](size) for name in algorithms}
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            for each in hashes.values():
                each.update(chunk)
    return {name: each.hexdigest() for name, each in hashes.items()}
