"""``result.json``: what a result folder holds; it is written last, as its seal."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deeprac import files
from deeprac.cohort.grid import Grid
from deeprac.errors import SurgeryError
from deeprac.provenance import software
from deeprac.surgery.flags import overall
from deeprac.surgery.study import Study
from deeprac.surgery.surfaces import Surface

SCHEMA = 1
"""Of ``result.json``; another number means other fields."""

NAME = "result.json"

NOTICE = "Research software, not a medical device."
"""What every output says."""


@dataclass(frozen=True)
class Result:
    """What ``result.json`` says.

    Attributes:
        overall: the worst verdict of the flags.
        flags: as ``Flag``, each a mapping.
        grid: of the input, on which the label maps are.
        structures: number, name, kind, side, instance, volume_ml and surface_ml.
        files: bytes and sha256 by the file's path below the folder.
        versions: of the software.
        provenance: what made the result.
    """

    overall: str
    flags: tuple[Mapping[str, Any], ...]
    grid: Grid
    structures: tuple[Mapping[str, Any], ...]
    files: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str | None]
    provenance: Mapping[str, Any]


def result_of(
    study: Study, surfaces: Iterable[Surface], folder: Path
) -> dict[str, Any]:
    """The content of ``result.json``.

    Args:
        study: the patient.
        surfaces: of all structures.
        folder: holds all other files.
    """
    return {
        "schema": SCHEMA,
        "notice": NOTICE,
        "overall": overall(study.flags),
        "flags": [asdict(flag) for flag in study.flags],
        "grid": study.source.as_json(),
        "structures": [_structure(surface) for surface in surfaces],
        "files": {
            path.relative_to(folder).as_posix(): _seal(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
        "versions": software("vtk", "trimesh", "highdicom"),
        "provenance": dict(study.provenance),
    }


def read_result(path: Path) -> Result:
    """Read ``result.json``.

    Raises:
        SurgeryError: it is none, or one of another schema.
    """
    try:
        content = files.read_json(path)
        schema = content["schema"]
        if schema == SCHEMA:
            return Result(
                overall=content["overall"],
                flags=tuple(content["flags"]),
                grid=Grid.from_json(content["grid"]),
                structures=tuple(content["structures"]),
                files=content["files"],
                versions=content["versions"],
                provenance=content["provenance"],
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SurgeryError(
            "A result is the folder that `deeprac segment` or `deeprac measure` wrote, "
            f"with its {NAME}; the one given is missing or damaged. Give another, or "
            "make it again."
        ) from error
    raise SurgeryError(
        f"Only results of schema {SCHEMA} are read; the one given has {schema!r:.20}. "
        "Make it again with this version, or read it with the one that wrote it."
    )


def _structure(surface: Surface) -> dict[str, Any]:
    structure = surface.structure
    return {
        "number": structure.number,
        "name": structure.name,
        "kind": structure.kind,
        "side": structure.side,
        "instance": structure.instance,
        "volume_ml": surface.voxel_ml,
        "surface_ml": surface.volume_ml,
    }


def _seal(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": files.sha256_of(path)}
