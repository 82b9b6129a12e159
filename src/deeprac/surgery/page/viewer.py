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
from deeprac.surgery.meshes import reduced
from deeprac.surgery.preview import WINDOW_HU
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
class Viewer:
    """Content of the 3D view.

    Attributes:
        surfaces: name, title, colour and MZ3 file in base64 of each structure.
        ct: NIfTI in base64; empty without a CT.
        factor: by which columns and rows of the CT were divided.
    """

    surfaces: tuple[dict[str, Any], ...]
    ct: str = ""
    factor: int = 1


def viewer(study: Study, surfaces: Sequence[Surface]) -> Viewer:
    """Surfaces and CT in the millimetres of the source."""
    total = max(1, sum(len(surface.triangles) for surface in surfaces))
    share = min(1.0, TRIANGLES / total)
    drawn = []
    for surface in surfaces:
        wanted = max(FEWEST_TRIANGLES, round(share * len(surface.triangles)))
        file = base64.b64encode(mz3(*reduced(surface, wanted))).decode()
        drawn.append(
            {
                "name": surface.structure.name,
                "title": title(surface.structure),
                "colour": terms(surface.structure).colour,
                "file": file,
            }
        )
    if study.image is None or not surfaces:
        return Viewer(tuple(drawn))
    return Viewer(tuple(drawn), *small_ct(study))


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


def small_ct(study: Study, limit: int = CT_CHARACTERS) -> tuple[str, int]:
    """The CT around the structures in eight bits, and by how much it was shrunk.

    Args:
        study: a patient with CT and at least one structure.
        limit: characters at most.
    """
    assert study.image is not None
    anatomy = study.anatomy
    box = []
    for axis, spacing_mm in enumerate(anatomy.spacing_mm):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(anatomy.numbers.any(axis=others))
        margin = ceil(AROUND_MM / spacing_mm)
        box.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + margin + 1))
    part = study.image[tuple(box)]
    start = np.array([one.start for one in reversed(box)])
    factor = 1
    while True:
        steps, slope, low = to_bytes(shrink_image(part, factor), kept_span(WINDOW_HU))
        # The middle of the first block of pixels.
        first = start + np.array([factor - 1, factor - 1, 0]) / 2
        place = np.eye(4)
        place[:3] = anatomy.grid.lps_from_voxel_mm
        place[:3, 3] = place[:3] @ [*first, 1]
        place[:3, :3] *= (factor, factor, 1)
        place[:3] = _RAS_FROM_LPS @ place[:3]
        x_mm, y_mm, z_mm = anatomy.grid.spacing_xyz_mm
        text = encode(
            steps, (x_mm * factor, y_mm * factor, z_mm), slope=slope, intercept=low,
            shown=WINDOW_HU, ras_from_voxel_mm=place,
        )  # fmt: skip
        if len(text) <= limit or factor >= max(part.shape[1:]):
            return text, factor
        factor += 1
