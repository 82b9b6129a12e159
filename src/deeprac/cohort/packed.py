"""Where the voxels of NRRD and MetaImage lie, counted before a library unpacks them.

The libraries do not check the header: where a file holds more or fewer bytes than it
has there, they read on, return what happens to be in memory, or need memory without
bounds.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from deeprac.cohort.findings import CaseError

DAMAGED = (
    "the file is cut short, damaged or not what its name says. Copy or download it "
    "again"
)
AFTER_GZIP = (
    "the volume is whole, but after its compressed bytes come others that are not "
    "gzip's: two files in one, or a failed download. Copy or export it again"
)
LONGEST_LINE, MOST_LINES = 2**20, 2**14
"""Of a header; segments have long lines, and anything longer is not a header."""

_CHUNK = 2**20


class Packing(Enum):
    """How voxels are stored."""

    PLAIN = "as they are"
    GZIP = "gzip, also in several members"
    ZLIB = "zlib, or gzip in one member"
    TEXT = "numbers as text, of any number of bytes"


@dataclass(frozen=True)
class StoredVoxels:
    """The files that hold the voxels, one after the other."""

    files: tuple[tuple[Path, int], ...]
    """Each with the byte at which its voxels begin."""
    packing: Packing = Packing.PLAIN
    skipped: int = 0
    """Bytes before the first voxel, once unpacked."""
    at_the_end: bool = False
    """The voxels are the last bytes, whatever comes before them."""
    packed_bytes: int | None = None
    """How many bytes the packed ones are, None up to the end."""

    def refuse_missing(self) -> None:
        """Make sure that all files are there.

        Raises:
            CaseError: one is not.
        """
        if any(not path.is_file() for path, _ in self.files):
            raise CaseError.of("file", "a file of its voxels is missing. Put it there")

    def refuse_other_size(self, expected: int) -> None:
        """Make sure that they have the size of the header, in bytes.

        Raises:
            CaseError: a file is cut short, damaged or holds other voxels.
        """
        if self.packing is Packing.TEXT:
            return
        # Several files hold the same number of voxels each.
        share = self.skipped + expected / len(self.files)
        for path, start in self.files:
            found = self._count(path, start, share)
            if found < share:
                raise CaseError.of("file", DAMAGED)
            if found > share and not self.at_the_end:
                raise CaseError.of(
                    "file",
                    f"it holds more than the {expected} bytes of voxels that its "
                    "header tells: header and voxels do not belong together. Export it "
                    "again",
                )

    def _count(self, path: Path, start: int, most: float) -> int:
        """Bytes of voxels in a file; of packed ones the count stops beyond ``most``."""
        left = max(path.stat().st_size - start, 0)
        if self.packing is Packing.PLAIN:
            return left
        if (self.packed_bytes or 0) > left:
            raise CaseError.of("file", DAMAGED)
        found = 0
        try:
            for count in self._chunks(path, start):
                found += count
                if found > most:
                    break
        except gzip.BadGzipFile as error:
            after = found and str(error).startswith("Not a gzipped file")
            raise CaseError.of("file", AFTER_GZIP if after else DAMAGED) from error
        except (EOFError, zlib.error) as error:
            raise CaseError.of("file", DAMAGED) from error
        return found

    def _chunks(self, path: Path, start: int) -> Iterator[int]:
        """Sizes of the chunks that a packed file unpacks to."""
        with path.open("rb") as stream:
            stream.seek(start)
            if self.packing is Packing.GZIP:
                yield from _from_gzip(stream)
            else:
                yield from _from_zlib(stream, self.packed_bytes)


def _from_gzip(stream: BinaryIO) -> Iterator[int]:
    """Sizes of the chunks, of all members, with padding by zeros after them."""
    with gzip.open(stream) as unpacked:
        while chunk := unpacked.read1(_CHUNK):
            yield len(chunk)


def _from_zlib(stream: BinaryIO, left: int | None) -> Iterator[int]:
    """Sizes of the chunks to the end of the one member, where the checksum is."""
    unpacker = zlib.decompressobj(wbits=47)
    packed = stream.read(-1 if left is None else left)
    while not unpacker.eof:
        chunk = unpacker.decompress(packed, _CHUNK)
        packed = unpacker.unconsumed_tail
        if not packed and not chunk:
            raise EOFError
        yield len(chunk)


def listed_files(value: str, folder: Path, further: Sequence[str]) -> list[Path]:
    """The files that a header names as those of its voxels.

    Both formats know a name, ``LIST`` with names in the lines that follow, and a
    pattern with its first number, its last and its step, such as ``ct_%03d.raw 1 9 1``.
    Names are relative to the folder of the header.

    Raises:
        CaseError: it is none of them.
    """
    words = value.split()
    if words == ["LIST"]:
        names = [line.strip() for line in further if line.strip()]
    elif len(words) >= 4 and "%" in words[0]:
        names = _numbered(*words[:4])
    else:
        names = [value]
    if not (words and names):
        raise CaseError.of("file", DAMAGED)
    return [folder / name for name in names]


def _numbered(pattern: str, *first_last_step: str) -> list[str]:
    try:
        first, last, step = map(int, first_last_step)
        numbers = range(first, last + (1 if step > 0 else -1), step)
        return [pattern % number for number in numbers[:MOST_LINES]]
    except (TypeError, ValueError) as error:
        raise CaseError.of("file", DAMAGED) from error


def header_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a header without their ends; never more than a header has.

    Raises:
        CaseError: a line or the header is longer.
    """
    for _ in range(MOST_LINES):
        line = stream.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) == LONGEST_LINE:
            break
        yield line.decode("utf-8", "replace").rstrip("\r\n")
    raise CaseError.of("file", DAMAGED)
