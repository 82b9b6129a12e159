"""Pseudonyms of cases and patients, and the local table behind them.

A pseudonym is a keyed hash (HMAC-SHA256) of the cohort's name and of the source's name
of the case. So the same key makes the same names on every run, further cases change no
name, and without the key names cannot be tried out. Key and table stay in
``cohort.private``, readable by their owner alone.
"""

import csv
import hmac
import io
import os
import re
import secrets
import string
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from deeprac.errors import CohortError
from deeprac.files import atomic_path

KEY, TABLE, LOG = "pseudonyms.key", "pseudonyms.csv", "messages.log"
"""Names of the files; all cohorts of a private folder share its key."""

_KEY_BYTES = 32
_LETTERS = "".join(c for c in string.ascii_lowercase if c not in "lo")
"""Without the letters that look like digits."""
_SHAPE = re.compile(r"(case|patient)_([a-z][0-9]){4}")


@dataclass(frozen=True)
class Entry:
    """One row of the table; the fields are its columns, in order."""

    case: str
    patient: str
    source_case: str
    source_patient: str
    files: str


class Pseudonyms:
    """The names of one cohort."""

    def __init__(self, private: Path, cohort: str) -> None:
        """Open the key of the private folder; make it where there is none.

        Args:
            private: ``cohort.private``.
            cohort: ``cohort.name``; the same case has another name in another cohort.

        Raises:
            CohortError: the key is lost or damaged.
        """
        self.folder = private / cohort
        self.table, self.log = self.folder / TABLE, self.folder / LOG
        for folder in (private, self.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cohort = cohort
        self._key = _open_key(private)

    def case(self, key: str) -> str:
        """Pseudonym of a case, from its name in the source.

        Example: ``case_k3f9x2q7``: letters and digits in turn are no word, no date and
        no number of a record.
        """
        return f"case_{self._code('case', key)}"

    def patient(self, patient: str) -> str:
        """Pseudonym of a patient, such as ``patient_b0w4r6t1``."""
        return f"patient_{self._code('patient', patient)}"

    @property
    def salt(self) -> str:
        """What keeps hashes of the source's names from being found by trial."""
        return self._digest("salt").hex()

    def record(
        self, patients: Mapping[str, str], files: Mapping[str, Mapping[str, Path]]
    ) -> None:
        """Add cases to the table, unless it has them; others stay as they are.

        Patients, and files by role, are by the source's name of the case.

        Raises:
            CohortError: the table was made with another key, or two names are equal.
        """
        before = {row.source_case: row for row in self._read()}
        after = before | {
            key: Entry(
                case=self.case(key),
                patient=self.patient(patient),
                source_case=key,
                source_patient=patient,
                files="; ".join(
                    f"{role}: {Path(path).absolute()}"
                    for role, path in files.get(key, {}).items()
                ),
            )
            for key, patient in patients.items()
        }
        self._refuse_collisions(after.values())
        if after != before:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(field.name for field in fields(Entry))
            writer.writerows(sorted(map(astuple, after.values())))
            with atomic_path(self.table) as temporary:
                _create_private(temporary, text.getvalue())

    def _read(self) -> list[Entry]:
        if not self.table.is_file():
            return []
        text = self.table.read_text(encoding="utf-8", errors="surrogateescape")
        read = list(csv.DictReader(io.StringIO(text)))
        columns = {field.name for field in fields(Entry)}
        if any(set(row) != columns or None in row.values() for row in read):
            raise CohortError(
                f"{self.table} is damaged. Restore it from a backup, or remove it: the "
                "key gives the same names again."
            )
        rows = [Entry(**row) for row in read]
        for row in rows:
            named = self.case(row.source_case), self.patient(row.source_patient)
            if named != (row.case, row.patient):
                raise CohortError(
                    f"{self.table} was made with another key than "
                    f"{self.folder.parent / KEY}. Restore that key from a backup; or "
                    "remove the table, and all cases get new names."
                )
        return rows

    def _refuse_collisions(self, rows: Iterable[Entry]) -> None:
        for pair in ("case", "patient"):
            sources: dict[str, str] = {}
            for row in rows:
                name, source = getattr(row, pair), getattr(row, f"source_{pair}")
                if sources.setdefault(name, source) != source:
                    raise CohortError(
                        f"Two {pair}s would both be called {name}. Choose another "
                        "cohort.name: it gives other names."
                    )

    def _code(self, kind: str, name: str) -> str:
        number = int.from_bytes(self._digest(kind, self._cohort, name))
        code = ""
        for _ in range(4):
            number, letter = divmod(number, len(_LETTERS))
            number, digit = divmod(number, 10)
            code += f"{_LETTERS[letter]}{digit}"
        return code

    def _digest(self, *parts: str) -> bytes:
        # File systems differ in how they compose accents.
        text = unicodedata.normalize("NFC", "\0".join(parts))
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")


def is_pseudonym(name: str) -> bool:
    """Whether a name looks like a pseudonym.

    Example:
        >>> is_pseudonym("case_k3f9x2q7"), is_pseudonym("patient_schubert")
        (True, False)
    """
    return bool(_SHAPE.fullmatch(name))


def read_table(private: Path, cohort: str) -> list[Entry]:
    """The table of a cohort; empty where this machine has none."""
    if not (private / cohort / TABLE).is_file():
        return []
    return Pseudonyms(private, cohort)._read()


def _open_key(private: Path) -> bytes:
    path = private / KEY
    if not path.is_file():
        if tables := sorted(private.glob(f"*/{TABLE}")):
            raise CohortError(
                f"{path} is missing, but {tables[0]} was made with it. Restore the key "
                "from a backup: with a new one all cases would get other names."
            )
        _make_key(path)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise CohortError(
            f"{path} is damaged: a key is {2 * _KEY_BYTES} hexadecimal digits. Restore "
            "it from a backup."
        )
    return key


def _make_key(path: Path) -> None:
    """Make a key; of processes that do so at once, the first one's counts."""
    temporary = path.with_name(f".tmp-{secrets.token_hex(4)}-{KEY}")
    _create_private(temporary, secrets.token_hex(_KEY_BYTES) + "\n")
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()


def _create_private(path: Path, text: str) -> None:
    """Create a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
