"""What NiiVue draws on the page: surfaces, and the CT around them, small enough."""

import base64
import gzip
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeprac.reporting.page.volumes import encode, kept_span, shrink_image, to_bytes
from deeprac.surgery.anatomy import Anatomy
from deeprac.surgery.meshes import reduced
from deeprac.surgery.preview import WINDOW_HU, pictured
from deeprac.surgery.study import Study
from deeprac.surgery.surfaces import Surface
from deeprac.surgery.terminology import terms, title

CT_CHARACTERS = 6_000_000
"""Of the CT on the page at most: bytes in base64."""

TRIANGLES = 120_000
"""Of all surfaces on the page together, shared out by their size."""

FEWEST_TRIANGLES = 500
"""Of one surface, if it has as many."""

AROUND_MM = 30.0
"""CT kept around the structures."""

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0])
_MZ3_MAGIC, _MZ3_FACES_AND_POINTS = 0x5A4D, 3


@dataclass(frozen=True)
class Volumes:
    """CT and label map around the structures, as NIfTI in base64.

    Attributes:
        ct: eight bits per voxel.
        labels: numbers of the structures.
        factor: by which columns and rows were divided.
        middle_mm: where the planes begin, RAS.
    """

    ct: str
    labels: str
    factor: int
    middle_mm: tuple[float, ...]


@dataclass(frozen=True)
class Viewer:
    """Content of the 3D view.

    Attributes:
        surfaces: number, name, title, colour and MZ3 file in base64 of each structure.
        volumes: None without a CT.
    """

    surfaces: tuple[dict[str, Any], ...]
    volumes: Volumes | None


def viewer(study: Study, surfaces: Sequence[Surface]) -> Viewer:
    """Surfaces and volumes in the millimetres of the source."""
    total = max(1, sum(len(surface.triangles) for surface in surfaces))
    share = min(1.0, TRIANGLES / total)
    drawn = []
    for surface in surfaces:
        wanted = max(FEWEST_TRIANGLES, round(share * len(surface.triangles)))
        structure = surface.structure
        drawn.append(
            {
                "number": structure.number,
                "name": structure.name,
                "title": title(structure),
                "colour": terms(structure).colour,
                "file": base64.b64encode(mz3(*reduced(surface, wanted))).decode(),
            }
        )
    return Viewer(tuple(drawn), small_volumes(study) if surfaces else None)


def mz3(points_mm: NDArray[np.float64], triangles: NDArray[np.int64]) -> bytes:
    """A surface as NiiVue's own format, gzipped undated.

    Args:
        points_mm: [n, 3] LPS; the file has RAS.
        triangles: [m, 3].
    """
    head = struct.pack(
        "<HHIII", _MZ3_MAGIC, _MZ3_FACES_AND_POINTS, len(triangles), len(points_mm), 0
    )
    points = (points_mm @ _RAS_FROM_LPS).astype("<f4").tobytes()
    content = head + triangles.astype("<i4").tobytes() + points
    return gzip.compress(content, mtime=0)


def small_volumes(study: Study, limit: int = CT_CHARACTERS) -> Volumes | None:
    """CT and labels around the structures, small enough; None without a CT.

    Args:
        study: a patient with at least one structure.
        limit: characters of the CT at most.
    """
    if study.image is None:
        return None
    anatomy = study.anatomy
    box = _around(anatomy)
    part, numbers = study.image[box], anatomy.numbers[box]
    start = np.array([one.start for one in reversed(box)])
    factor = 0
    text = ""
    while not text or (len(text) > limit and factor < max(part.shape[1:])):
        factor += 1
        steps, slope, low = to_bytes(shrink_image(part, factor), kept_span(WINDOW_HU))
        # The middle of the first block of pixels.
        middle = (factor - 1) / 2
        text = encode(
            steps, _spacing_mm(anatomy, factor), slope=slope, intercept=low,
            shown=WINDOW_HU,
            ras_from_voxel_mm=_place(anatomy, start, middle, factor),
        )  # fmt: skip
    half = factor // 2
    labels = encode(
        np.ascontiguousarray(numbers[:, half::factor, half::factor]),
        _spacing_mm(anatomy, factor),
        ras_from_voxel_mm=_place(anatomy, start, half, factor),
    )
    found = np.nonzero(anatomy.mask(pictured(anatomy)[0]))
    centroid = [float(axis.mean()) for axis in reversed(found)]
    place = _place(anatomy, np.zeros(3), 0, 1) @ [*centroid, 1]
    return Volumes(text, labels, factor, tuple(place[:3].tolist()))


def _around(anatomy: Anatomy) -> tuple[slice, ...]:
    """The box of all structures with a margin, [z, y, x]."""
    box = []
    for axis, spacing_mm in enumerate(anatomy.spacing_mm):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(anatomy.numbers.any(axis=others))
        margin = ceil(AROUND_MM / spacing_mm)
        box.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + margin + 1))
    return tuple(box)


def _spacing_mm(anatomy: Anatomy, factor: int) -> tuple[float, float, float]:
    z_mm, y_mm, x_mm = anatomy.spacing_mm
    return x_mm * factor, y_mm * factor, z_mm


def _place(
    anatomy: Anatomy, start: NDArray[np.float64], within: float, factor: int
) -> NDArray[np.float64]:
    """The matrix [4, 4] from voxels (x, y, z) of a shrunk volume to RAS millimetres.

    Args:
        anatomy: whose grid was shrunk.
        start: its voxel at which the box of the shrunk volume begins, (x, y, z).
        within: of its first block of pixels, the column and row that stands for it.
        factor: pixels per block and axis.
    """
    place = np.eye(4)
    place[:3] = anatomy.grid.lps_from_voxel_mm
    place[:3, 3] = place[:3] @ [*(start + np.array([within, within, 0])), 1]
    place[:3, :3] *= (factor, factor, 1)
    place[:3] = _RAS_FROM_LPS @ place[:3]
    return place
