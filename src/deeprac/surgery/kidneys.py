"""The two kidneys of a label map, each of one or several parts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from deeprac.cohort.grid import Grid
from deeprac.surgery.anatomy import BodySide
from deeprac.surgery.extents import gap_mm
from deeprac.surgery.flags import Flag
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.parts import Parts
from deeprac.surgery.shapes import Shapes
from deeprac.surgery.sides import Doubt, Group, left_and_right, linked

SLIVER_SHARE = 0.03
"""Parts of kidney below this share of the largest one are slivers: they have no part in
telling the sides, and belong to the kidney that is nearest."""

CLOSE_MM = 10.0
"""Parts of kidney that lie closer are of one: its sinus, or slices that lack it, part
them. Left and right kidney lie farther apart, unless they are fused."""

_SIDES = {
    2: (BodySide.LEFT, BodySide.RIGHT),
    1: (BodySide.UNKNOWN,),
    0: (),
}
"""Of the kidneys by how many were told apart."""


@dataclass(frozen=True)
class Kidneys:
    """The kidneys, counted from 1.

    Attributes:
        of_part: number of the kidney by the part's number; 0 for 0.
        sides: of each kidney.
        flags: what is doubtful.
    """

    of_part: NDArray[np.uint8]
    sides: tuple[BodySide, ...]
    flags: tuple[Flag, ...]


def find_kidneys(
    parts: Parts,
    tumours: Parts,
    touches: Sequence[tuple[int, int, float]],
    grid: Grid,
) -> Kidneys:
    """Put parts of kidney together and tell left from right.

    Args:
        parts: the connected parts of all kidney.
        tumours: those of all tumour.
        touches: part of kidney, part of tumour and the area on which they touch.
        grid: of the parts, its axes ordered LPS.

    Returns:
        Left and right kidney; or all as one whose side is unknown.
    """
    of_part = np.zeros(len(parts.voxels), np.uint8)
    largest = parts.voxels[1:].max(initial=0)
    main = [p for p in parts.by_size if parts.voxels[p] >= SLIVER_SHARE * largest]
    if not main:
        return Kidneys(of_part, (), ())
    links = [*_links(main, touches), *_close(main, parts, grid)]
    told = left_and_right(
        _profiles(parts, main, grid),
        links,
        _with_tumours(main, parts, tumours, touches),
    )
    if isinstance(told, Doubt):
        groups: tuple[Group, ...] = (frozenset(range(len(main))),)
        flags = LIMITS["side_unknown"].flags(
            1, f"its side cannot be told: {told}", "kidney"
        )
    else:
        groups, flags = told, _told_flags(told, links)
    for number, group in enumerate(groups, start=1):
        of_part[[main[row] for row in group]] = number
    _give_slivers(of_part, parts, grid)
    return Kidneys(of_part, _SIDES[len(groups)], flags)


def disagreement(
    by_model: Mapping[BodySide, NDArray[np.bool_]],
    kidneys: Mapping[BodySide, NDArray[np.bool_]],
) -> tuple[Flag, ...]:
    """Flag kidneys that the model calls by another side than their place.

    Args:
        by_model: what the label map calls left and right kidney, [z, y, x].
        kidneys: the kidneys by their place, as far as it tells the side.
    """
    flags: list[Flag] = []
    for side, mask in kidneys.items():
        share = 100 * float(np.mean(~by_model[side][mask]))
        flags += LIMITS["sides_disagree"].flags(
            share,
            f"{share:.0f} % of what lies on this side is labelled as the other side",
            f"kidney_{side}",
        )
    return tuple(flags)


def _profiles(parts: Parts, main: Sequence[int], grid: Grid) -> NDArray[np.int64]:
    """Voxels of each of these parts by true x in steps of 1 mm."""
    row_of = np.full(len(parts.voxels), -1)
    row_of[list(main)] = range(len(main))
    z, y, x = np.nonzero(parts.numbers)
    rows = row_of[parts.numbers[z, y, x]]
    x_mm = np.stack([x, y, z], axis=1) @ grid.lps_from_voxel_mm[0, :3]
    columns = np.floor(x_mm - x_mm.min()).astype(int)
    profiles = np.zeros((len(main), columns.max() + 1), np.int64)
    np.add.at(profiles, (rows[rows >= 0], columns[rows >= 0]), 1)
    return profiles


def _links(
    main: Sequence[int], touches: Iterable[tuple[int, int, float]]
) -> list[tuple[int, int]]:
    """Pairs of main parts, as rows, that touch one tumour."""
    rows_at: dict[int, set[int]] = {}
    for part, tumour, _ in touches:
        if part in main:
            rows_at.setdefault(tumour, set()).add(main.index(part))
    return [pair for rows in rows_at.values() for pair in combinations(rows, 2)]


def _close(main: Sequence[int], parts: Parts, grid: Grid) -> Iterator[tuple[int, int]]:
    """Pairs of main parts, as rows, that lie close together."""
    x_mm, y_mm, z_mm = grid.spacing_xyz_mm
    shapes = Shapes(parts.numbers, (z_mm, y_mm, x_mm))
    for one, other in combinations(range(len(main)), 2):
        surface = shapes.surface_mm(main[one])
        if gap_mm(surface, shapes.tree(main[other])) < CLOSE_MM:
            yield one, other


def _with_tumours(
    main: Sequence[int],
    parts: Parts,
    tumours: Parts,
    touches: Iterable[tuple[int, int, float]],
) -> list[int]:
    """Voxels of each main part and of the tumours that it touches."""
    whole = {part: int(parts.voxels[part]) for part in main}
    for part, tumour, _ in touches:
        if part in whole:
            whole[part] += int(tumours.voxels[tumour])
    return list(whole.values())


def _give_slivers(of_part: NDArray[np.uint8], parts: Parts, grid: Grid) -> None:
    """Give parts without a kidney the number of the nearest one."""
    kidneys = of_part[parts.numbers]
    left_over = (parts.numbers > 0) & (kidneys == 0)
    if not left_over.any():
        return
    surface = (kidneys > 0) & ~ndimage.binary_erosion(kidneys > 0)
    spacing_mm = np.array(grid.spacing_xyz_mm[::-1])
    tree = KDTree(np.argwhere(surface) * spacing_mm)
    distances, nearest = tree.query(np.argwhere(left_over) * spacing_mm)
    slivers, of_nearest = parts.numbers[left_over], kidneys[surface][nearest]
    # The nearest voxel of each sliver comes first.
    order = np.argsort(distances, kind="stable")
    found, first = np.unique(slivers[order], return_index=True)
    of_part[found] = of_nearest[order][first]


def _told_flags(
    groups: tuple[Group, Group], links: Iterable[tuple[int, int]]
) -> tuple[Flag, ...]:
    """What is doubtful where the sides are told."""
    return LIMITS["kidneys_joined"].flags(
        int(linked(groups[0], links)),
        "one tumour touches both kidneys; they were told apart by the gap between them",
    ) + tuple(
        flag
        for side, group in zip(_SIDES[2], groups, strict=True)
        for flag in LIMITS["kidney_parts"].flags(
            len(group),
            f"it is in {len(group)} parts, which were put together",
            f"kidney_{side}",
        )
    )
