"""A file at a host, what is known of its bytes beforehand, and what was fetched."""

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath

import pandas as pd
import pooch

from deeprac import files
from deeprac.errors import FetchError

LFS_POINTER = b"version https://git-lfs"
"""How the text begins that Git LFS leaves in place of a large file."""


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch."""

    url: str
    path: str
    """Below the cohort's folder, with ``/``; an archive's is the folder it becomes."""
    case: str | None = None
    size: int | None = None
    """Bytes; of an archive, those of its contents."""
    checksum: str = ""
    """As pooch writes it, such as ``sha256:...``; ``git:`` is how Git names files."""
    is_archive: bool = False

    @property
    def algorithm(self) -> str:
        """Kind of the checksum; empty where none is known."""
        return self.checksum.partition(":")[0]

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


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file of one of the kinds that hosts give."""
    if algorithm != "git":
        return pooch.file_hash(path, algorithm)
    # Git's name of a file: SHA-1 of a header with the size, then the bytes.
    header = b"blob %d\0" % path.stat().st_size
    begun = hashlib.sha1(header, usedforsecurity=False)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: begun).hexdigest()


def misfit(file: RemoteFile, path: Path) -> str:
    """What shows that a file is not the one at the host; nothing where all fits."""
    with path.open("rb") as found:
        if found.read(len(LFS_POINTER)) == LFS_POINTER:
            return "a Git-LFS pointer, not the file itself"
    if file.checksum:
        name, _, known = file.checksum.partition(":")
        value = digest(path, name)
        return "" if value == known else f"{name} is {value}, not {known}"
    size = path.stat().st_size
    if file.size in (None, size) or file.is_archive:
        return ""
    return f"{size} bytes, not {file.size}"


RECORD = "checksums.csv"
"""The table of what was fetched, written anew after every file."""


@dataclass(frozen=True)
class Row:
    """One fetched file, or one archive that became a folder."""

    path: str
    bytes: int
    """Of the file, or of the archive before it was unpacked."""
    sha256: str
    """Of the same bytes."""
    checked: str
    """What they were compared with: sha256, md5, git; none: nothing was known."""
    url: str

    @classmethod
    def of(cls, file: RemoteFile, path: Path) -> "Row":
        """The row of a file at ``path`` that was found to be the host's."""
        known = file.checksum.removeprefix("sha256:")
        sha256 = known if file.algorithm == "sha256" else digest(path)
        size = path.stat().st_size
        return cls(file.path, size, sha256, file.algorithm or "none", file.url)


class Record:
    """The table of a cohort's folder."""

    def __init__(self, folder: Path) -> None:
        """Read the table that is there."""
        self._path = folder / RECORD
        self._rows: dict[str, Row] = {}
        if self._path.is_file():
            text = {field.name: str for field in fields(Row)} | {"bytes": int}
            table = pd.read_csv(self._path, keep_default_na=False, dtype=text)
            self._rows = {row["path"]: Row(**row) for row in table.to_dict("records")}

    def get(self, path: str) -> Row | None:
        """The row of a file, or None."""
        return self._rows.get(path)

    def add(self, row: Row) -> None:
        """Add a file and write the table."""
        self._rows[row.path] = row
        rows = [asdict(self._rows[path]) for path in sorted(self._rows)]
        columns = [field.name for field in fields(Row)]
        files.write_csv(self._path, pd.DataFrame(rows, columns=columns))
