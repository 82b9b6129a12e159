"""``checksums.csv``: what was fetched, written anew after every file."""

import threading
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from deeprac import files
from deeprac.fetch.remote import RemoteFile, digest

NAME = "checksums.csv"


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
    """The table of a cohort's folder; threads may add to it."""

    def __init__(self, folder: Path) -> None:
        """Read the table that is there."""
        self._path = folder / NAME
        self._lock = threading.Lock()
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
        with self._lock:
            self._rows[row.path] = row
            rows = [asdict(self._rows[path]) for path in sorted(self._rows)]
            columns = [field.name for field in fields(Row)]
            files.write_csv(self._path, pd.DataFrame(rows, columns=columns))
