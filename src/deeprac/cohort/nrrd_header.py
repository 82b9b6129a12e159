"""The header of an NRRD file: its axes, and where the voxels lie.

ITK reads any space that is not one of three as if it were LPS, ``none`` as an axis of
the patient, and no unit at all.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nrrd
import numpy as np

from deeprac.cohort import affine
from deeprac.cohort.findings import CaseError, Finding, refuse_errors
from deeprac.cohort.packed import (
    DAMAGED,
    Packing,
    StoredVoxels,
    header_lines,
    listed_files,
)

_LPS_FROM_SPACE = {
    "left-posterior-superior": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
}
"""Signs by the spaces that name anatomy: each has a short name, and one with time."""

_LETTERS = {"".join(w[0] for w in s.split("-")): s for s in _LPS_FROM_SPACE}
_SPACES = (
    {name: (name, False) for name in _LPS_FROM_SPACE}
    | {f"{name}-time": (name, True) for name in _LPS_FROM_SPACE}
    | {letters: (name, False) for letters, name in _LETTERS.items()}
    | {f"{letters}t": (name, True) for letters, name in _LETTERS.items()}
)
"""Name, and whether time is an axis, by every way of writing it."""

_PACKINGS = {
    **{"raw": Packing.PLAIN, "gzip": Packing.GZIP, "gz": Packing.GZIP},
    **dict.fromkeys(("txt", "text", "ascii", "hex"), Packing.TEXT),
}

_MM = {"mm", "millimeter", "millimeters", "millimetre", "millimetres", "???", ""}
_DATA_FILE = ("data file", "datafile")


@dataclass(frozen=True)
class NrrdHeader:
    """The fields of a header as pynrrd has them, and the voxels that belong to it."""

    fields: Mapping[str, Any]
    voxels: StoredVoxels
    left_to_flip: tuple[int, int, int]
    """Signs that bring the three axes of the patient from ITK's to LPS."""


def _findings(fields: Mapping[str, Any], space: str) -> Iterator[Finding]:
    """Why the axes or the unit are not known, as far as ITK does not check."""
    if space not in _SPACES:
        named = "names no space"
        if space:
            named = f"has the space {fields['space']!r:.40}, no anatomy's name"
        problem = (
            f"the header {named}, and nothing tells left from right. Save it again "
            f"in one of {', '.join(_LPS_FROM_SPACE)}"
        )
        yield Finding.error("affine", problem)
        return
    count = 3 + _SPACES[space][1]
    vectors = np.array(fields.get("space directions", np.empty((0, count))))
    missing = np.isnan(vectors).all(axis=1)
    axes = vectors[~missing]
    if axes.shape != (count, count) or not np.isfinite(axes).all():
        listed = [
            "none" if none else affine.short(vector)
            for vector, none in zip(vectors, missing, strict=True)
        ]
        problem = (
            f"the header's space directions are {' '.join(listed) or 'not given'}; "
            f"{count} finite vectors are needed, or nothing tells left from right. "
            "Export it again from the original images"
        )
        yield Finding.error("affine", problem)
    units = {unit.lower()[:20] for unit in fields.get("space units", ())[:3]}
    if others := sorted(units - _MM):
        problem = (
            f"the header's space units are {' and '.join(map(repr, others))}, which "
            "are not converted. Save it again in mm"
        )
        yield Finding.error("unit", problem)
    yield from affine.origin_findings(fields.get("space origin", (0,))[:3])


def read_nrrd_header(path: Path) -> NrrdHeader:
    """Read the header of a file, attached to its voxels or not.

    Raises:
        CaseError: it is none, is packed as nothing here can unpack, or does not say
            which axes and unit it has.
    """
    with path.open("rb") as stream:
        all_lines = header_lines(stream)
        lines = list(_of_header(all_lines))
        start = stream.tell()
        further = list(all_lines) if _is_list(lines) else []
    try:
        fields = nrrd.read_header(lines)
    except (nrrd.NRRDError, ValueError, StopIteration) as error:
        raise CaseError.of("file", DAMAGED) from error
    named = next((fields[key] for key in _DATA_FILE if key in fields), None)
    files = [path]
    if named is not None:
        files, start = listed_files(named, path.parent, further), 0
    voxels = _voxels(fields, files, start)
    space = str(fields.get("space", "")).lower()
    refuse_errors(_findings(fields, space))
    name, with_time = _SPACES[space]
    # ITK itself turns RAS and LAS, but not where a fourth axis of time is beside.
    return NrrdHeader(fields, voxels, _LPS_FROM_SPACE[name] if with_time else (1, 1, 1))


def _voxels(fields: Mapping[str, Any], files: list[Path], start: int) -> StoredVoxels:
    encoding = str(fields.get("encoding", "")).lower()
    if encoding not in _PACKINGS:
        raise CaseError.of(
            "file",
            f"its voxels are packed as {encoding!r:.20}; read are "
            f"{', '.join(_PACKINGS)}. Save it again with gzip",
        )
    lines, skipped = (
        int(fields.get(f"{what} skip", fields.get(f"{what}skip", 0)))
        for what in ("line", "byte")
    )
    return StoredVoxels(
        files=tuple((file, _after_lines(file, start, lines)) for file in files),
        packing=_PACKINGS[encoding],
        skipped=max(skipped, 0),
        at_the_end=skipped < 0,
    )


def _of_header(lines: Iterable[str]) -> Iterator[str]:
    """The lines up to the empty one, or to the one that files of voxels follow."""
    for line in lines:
        if not line:
            return
        yield line
        if _is_list([line]):
            return


def _is_list(lines: list[str]) -> bool:
    key, _, value = lines[-1].partition(":") if lines else ("", "", "")
    return key.strip() in _DATA_FILE and value.strip() == "LIST"


def _after_lines(path: Path, start: int, count: int) -> int:
    """Where a file goes on after that many lines."""
    if count <= 0 or not path.is_file():
        return start
    with path.open("rb") as stream:
        stream.seek(start)
        for _ in zip(range(count), header_lines(stream), strict=False):
            pass
        return min(stream.tell(), os.fstat(stream.fileno()).st_size)
