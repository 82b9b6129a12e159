"""The tumours of a label map, one by one, and the kidney each belongs to."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeprac.evaluation.metrics.lesions import SMALLEST_ML
from deeprac.surgery.extents import Spacing, gap_mm
from deeprac.surgery.flags import Flag
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.parts import Parts
from deeprac.surgery.shapes import Shapes


@dataclass(frozen=True)
class InstanceRule:
    """Which connected parts of tumour are tumours.

    Attributes:
        smallest_ml: smaller ones are specks: kidney where they touch one, in its mask
            and its measures, else background. A flag says how much became what.
        most: so are all but this many, the largest ones.
    """

    smallest_ml: float = SMALLEST_ML
    most: int = 50


@dataclass(frozen=True)
class Tumours:
    """The tumours, counted from 1, the largest first.

    Attributes:
        of_part: number of the tumour by the part's number; 0 for specks.
        kidney_of_part: number of the kidney by the part's number: the one that a tumour
            belongs to, and the one that a speck becomes; 0 for none.
        count: number of tumours.
        flags: what is doubtful.
    """

    of_part: NDArray[np.uint8]
    kidney_of_part: NDArray[np.uint8]
    count: int
    flags: tuple[Flag, ...]


def find_tumours(
    parts: Parts,
    touches: Iterable[tuple[int, int, float]],
    kidneys: NDArray[np.uint8],
    spacing_mm: Spacing,
    rule: InstanceRule,
) -> Tumours:
    """Number the tumours and give each to the kidney that it touches most.

    Args:
        parts: the connected parts of all tumour.
        touches: number of a kidney, part of tumour, area on which they touch.
        kidneys: [z, y, x], number of the kidney; a tumour that touches none belongs to
            the nearest.
        spacing_mm: (z, y, x).
        rule: what counts as a tumour.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    enough = [
        p for p in parts.by_size if parts.voxels[p] * voxel_ml >= rule.smallest_ml
    ]
    counted = enough[: rule.most]
    of_part = np.zeros(len(parts.voxels), np.uint8)
    of_part[counted] = range(1, len(counted) + 1)
    areas: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for kidney, part, area in touches:
        areas[part][kidney] += area
    kidney_of_part = np.zeros_like(of_part)
    for part, by_kidney in areas.items():
        kidney_of_part[part] = max(by_kidney, key=lambda kidney: by_kidney[kidney])
    shapes, of_kidneys = Shapes(parts.numbers, spacing_mm), Shapes(kidneys, spacing_mm)
    numbers = np.unique(kidneys[kidneys > 0]).tolist()
    for part in counted:
        if part not in areas and numbers:
            surface = shapes.surface_mm(part)
            gaps = [gap_mm(surface, of_kidneys.tree(number)) for number in numbers]
            kidney_of_part[part] = numbers[int(np.argmin(gaps))]
    flags = _doubtful_sides(counted, areas)
    flags += _speck_flags(parts.voxels * voxel_ml, enough, kidney_of_part, rule)
    flags += _fragment_flags(parts.voxels * voxel_ml, enough, kidney_of_part, rule)
    return Tumours(of_part, kidney_of_part, len(counted), flags)


def _doubtful_sides(
    counted: Iterable[int], areas: dict[int, dict[int, float]]
) -> tuple[Flag, ...]:
    flags: list[Flag] = []
    for number, part in enumerate(counted, start=1):
        if len(touched := sorted(areas.get(part, {}).values())) > 1:
            share = 100 * touched[-2] / touched[-1]
            flags += LIMITS["tumour_side_doubtful"].flags(
                share,
                "it touches both kidneys, the second on an area of "
                f"{share:.0f} % of that of the first",
                f"tumour_{number}",
            )
    return tuple(flags)


def _speck_flags(
    volumes_ml: NDArray[np.floating],
    enough: list[int],
    kidney_of_part: NDArray[np.uint8],
    rule: InstanceRule,
) -> tuple[Flag, ...]:
    """Parts that are too small for a tumour."""
    specks = np.setdiff1d(np.arange(1, len(volumes_ml)), enough)
    return LIMITS["tumour_specks"].flags(
        float(volumes_ml[specks].sum()),
        f"{len(specks)} part{'s' * (len(specks) > 1)} of tumour, each below "
        f"{rule.smallest_ml:g} ml: {_became(volumes_ml, specks, kidney_of_part)}",
    )


def _fragment_flags(
    volumes_ml: NDArray[np.floating],
    enough: list[int],
    kidney_of_part: NDArray[np.uint8],
    rule: InstanceRule,
) -> tuple[Flag, ...]:
    """Parts that are too many."""
    more = np.array(enough[rule.most :], int)
    return LIMITS["tumour_fragments"].flags(
        len(more),
        f"there are {len(enough)} separate tumours, and the {rule.most} largest are "
        f"measured; the others: {_became(volumes_ml, more, kidney_of_part)}",
    )


def _became(
    volumes_ml: NDArray[np.floating],
    parts: NDArray[np.integer],
    kidney_of_part: NDArray[np.uint8],
) -> str:
    """What is counted as kidney, and what as nothing."""
    in_kidney_ml = float(volumes_ml[parts[kidney_of_part[parts] > 0]].sum())
    rest_ml = float(volumes_ml[parts].sum()) - in_kidney_ml
    return (
        f"{in_kidney_ml:.2g} ml that touch a kidney are counted as kidney, "
        f"{rest_ml:.2g} ml as nothing"
    )
