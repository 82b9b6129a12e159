"""The result of a run, verified before any of it is shown.

``result.json`` is written last; it names every file with its sha256 and the grid of the
input. A result of another volume, of another version or with a changed file is refused.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .command import RESULT
from .errors import ProblemError

SCHEMA = 1
"""Of ``result.json``; another one is refused."""

SEGMENTATION = "segmentation.seg.nrrd"
MEASURES = "measures.csv"
REPORT = "report.html"
NEEDED = (SEGMENTATION, MEASURES)

VERDICTS = ("ok", "look", "do not use")

_DIRECTION_TOLERANCE = 1e-4
_POSITION_TOLERANCE_MM = 1e-2


@dataclass(frozen=True)
class Grid:
    """Size, spacing and place of a volume.

    Attributes:
        size: voxels along (i, j, k).
        spacing_mm: along (i, j, k).
        origin_mm: LPS of the first voxel's centre.
        direction: nine cosines row by row, LPS; column n belongs to axis n.
    """

    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def from_ijk_to_ras(
        cls, matrix: Sequence[Sequence[float]], size: Sequence[int]
    ) -> Grid:
        """The grid of a volume in Slicer.

        Args:
            matrix: 4 x 4, ``IJKToRAS``; RAS is LPS with x and y turned.
            size: voxels along (i, j, k).
        """
        lps = [
            [sign * value for value in row] for sign, row in zip((-1, -1, 1), matrix)
        ]
        spacing = [sum(row[n] ** 2 for row in lps) ** 0.5 for n in range(3)]
        direction = [row[n] / spacing[n] for row in lps for n in range(3)]
        origin = [row[3] for row in lps]
        return cls(tuple(size), tuple(spacing), tuple(origin), tuple(direction))

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Grid:
        """The grid of ``result.json``."""
        keys = ("size", "spacing_mm", "origin_mm", "direction")
        return cls(*(tuple(stored[key]) for key in keys))

    @classmethod
    def from_nrrd(cls, path: str) -> Grid:
        """The grid of an NRRD file that Slicer wrote.

        Raises:
            ProblemError: its header is another one.
        """
        fields = {}
        with open(path, "rb") as stream:
            for line in stream:
                key, separator, value = line.decode("utf-8", "replace").partition(":")
                if not key.strip():
                    break
                if separator:
                    fields[key] = value.strip()
        signs = {"left-posterior-superior": (1, 1), "right-anterior-superior": (-1, -1)}
        try:
            x, y = signs[fields["space"]]
            columns = [_vector(one) for one in fields["space directions"].split()]
            origin = _vector(fields["space origin"])
            size = [int(one) for one in fields["sizes"].split()]
            # To RAS, as Slicer itself has it.
            ras = [
                [sign * one[row] for one in (*columns, origin)]
                for row, sign in enumerate((-x, -y, 1))
            ]
            return cls.from_ijk_to_ras(ras, size)
        except (KeyError, ValueError, IndexError, ZeroDivisionError):
            raise ProblemError(
                "The volume's file is no NRRD file with a place in the patient.",
                "Save it from Slicer as .nrrd.",
            ) from None

    def is_same_as(self, other: Grid) -> bool:
        """Whether two grids are one but for the rounding of file headers."""
        return self.size == other.size and all(
            len(mine) == len(theirs)
            and all(abs(a - b) <= tolerance for a, b in zip(mine, theirs))
            for mine, theirs, tolerance in (
                (self.spacing_mm, other.spacing_mm, _POSITION_TOLERANCE_MM),
                (self.origin_mm, other.origin_mm, _POSITION_TOLERANCE_MM),
                (self.direction, other.direction, _DIRECTION_TOLERANCE),
            )
        )


@dataclass(frozen=True)
class Result:
    """A verified result.

    Attributes:
        folder: where its files lie.
        overall: one of ``VERDICTS``.
        flags: as ``result.json`` has them, each with ``message`` and ``remedy``.
        content: all of ``result.json``.
    """

    folder: str
    overall: str
    flags: tuple[dict[str, Any], ...]
    content: dict[str, Any]

    def path(self, name: str) -> str:
        """Path of one of its files."""
        return os.path.join(self.folder, *name.split("/"))

    def has(self, name: str) -> bool:
        """Whether it has a file of this name."""
        return name in self.content["files"]

    def measures(self) -> list[dict[str, str]]:
        """Rows of ``measures.csv``."""
        with open(self.path(MEASURES), encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))


def read_result(output: str, grid: Grid) -> Result:
    """Read the result of a run and verify it.

    Args:
        output: the run's ``output`` folder.
        grid: of the volume that was segmented.

    Raises:
        ProblemError: it is missing, damaged, of another version or another volume.
    """
    folder = os.path.join(output, RESULT)
    content = _content(os.path.join(folder, "result.json"))
    files = content["files"]
    if missing := [name for name in NEEDED if name not in files]:
        raise ProblemError(
            f"The result lacks {' and '.join(missing)}.",
            "Use the image that belongs to this version of the module.",
        )
    for name, stated in files.items():
        _verify(folder, name, stated)
    if not Grid.from_json(content["grid"]).is_same_as(grid):
        raise ProblemError(
            "The result lies on another grid than the volume.",
            "Run it again and leave the volume as it is until the run is over.",
        )
    return Result(folder, content["overall"], tuple(content["flags"]), content)


def keep_result(result: Result, folder: str) -> str:
    """Copy all files of a result into a new folder in a user's folder; its path.

    The name is the time: it tells nothing of the patient.

    Raises:
        OSError: it cannot be written; nothing is left of it then.
    """
    target = os.path.join(folder, time.strftime("deeprac-%Y%m%d-%H%M%S"))
    with tempfile.TemporaryDirectory(prefix=".deeprac-", dir=folder) as temporary:
        copied = shutil.copytree(result.folder, os.path.join(temporary, "result"))
        os.rename(copied, target)
    return target


def _content(path: str) -> dict[str, Any]:
    """The checked content of ``result.json``."""
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        raise ProblemError(
            "The run ended without a result.", "The log says more; run it again."
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(f"result.json cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else None
        raise ProblemError(
            f"The module reads results of schema {SCHEMA}; got {found!r}.",
            "Install module and image of one version.",
        )
    kinds = {"files": dict, "grid": dict, "flags": list, "overall": str}
    for key, kind in kinds.items():
        if not isinstance(content.get(key), kind):
            raise _damaged(f"result.json has no {key}")
    if content["overall"] not in VERDICTS:
        raise _damaged(f"the verdict is {content['overall']!r}")
    if not all(isinstance(flag, dict) for flag in content["flags"]):
        raise _damaged("a flag is none")
    return content


def _verify(folder: str, name: str, stated: Any) -> None:
    """Check that one file lies in the folder and has the stated bytes."""
    parts = name.split("/")
    plain = not any(part in ("", ".", "..") or "\\" in part for part in parts)
    path = os.path.join(folder, *parts)
    inside = os.path.realpath(path) == os.path.join(os.path.realpath(folder), *parts)
    if not plain or os.path.isabs(name) or not inside:
        raise _damaged("a file's name leads out of its folder")
    try:
        found = _sha256(path)
    except OSError:
        raise _damaged(f"{name} is missing") from None
    if not isinstance(stated, dict) or stated.get("sha256") != found:
        raise _damaged(f"the bytes of {name} are not those that were written")


def _damaged(what: str) -> ProblemError:
    return ProblemError(f"The result is damaged: {what}.", "Run it again.")


def _vector(text: str) -> list[float]:
    return [float(one) for one in text.strip("()").split(",")]


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
