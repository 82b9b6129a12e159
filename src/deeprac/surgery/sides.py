"""Which parts of kidney are the left kidney, and which the right one.

Convention: x grows to the patient's left. A part is known by its profile, the number of
its voxels by true x in millimetres: where the slices are tilted, x is not a column.

Sides are told by the order of the two kidneys along x, never by the middle of the
image: a tumour may push its kidney across the patient's midline, but not past the other
one. A kidney that its tumour splits has several parts, so they are put together first.

Two parts need not be two kidneys: of a single one that is cut in two, or that lies
beside a piece of spleen, both have to be told apart from a pair. Where they cannot be,
no side is told.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

CORE_PERCENT = (2.0, 98.0)
"""Of a kidney's voxels along x, so that single voxels do not widen it."""

MOST_OVERLAP = 0.5
"""Left and right kidney may overlap along x by this share of the narrower one: a tumour
bends a kidney around itself. With more, one may be crossed, or both are one."""

LEAST_SHARE = 0.2
"""A kidney has at least this share of the other's parenchyma, its tumours counted with
it: what is smaller may be a piece of another organ, or of the other kidney."""

LEAST_GAP_MM = 40
"""Spine and psoas keep the two kidneys farther apart along x. The parts into which a
tumour splits one kidney may be as far only around a very large tumour."""

Group = frozenset[int]
"""Parts of one kidney, as rows of the profiles."""


class Doubt(StrEnum):
    """Why no side is told."""

    ONE = "it is in one piece, as a single kidney is, a fused pair, or two that touch"
    """One part."""
    JOINED = "all its parts are joined by a tumour, or lie as close as those of one"
    """They are linked, and no farther apart than parts of one kidney may be."""
    ABOVE = "its parts lie above each other, as of a crossed kidney, or of one in parts"
    """They overlap along x."""
    SMALL = "one of its parts is too small for a kidney, and may be none"
    """Two of which one may be a piece of anything."""


def left_and_right(
    profiles: NDArray[np.int64],
    links: Iterable[tuple[int, int]],
    with_tumours: Sequence[int] | None = None,
) -> tuple[Group, Group] | Doubt:
    """Divide the parts of kidney into the left and the right kidney.

    Linked parts are taken as one kidney's. If two kidneys do not come of that, as with
    a tumour that touches both, the parts are divided where they lie farthest apart
    along x, if that is as far as kidneys do.

    Args:
        profiles: [parts, mm] voxels of each part along x, from right to left.
        links: pairs of parts that touch one tumour, or lie close together.
        with_tumours: voxels of each part and of the tumours that it touches; None:
            there is no tumour.

    Returns:
        The parts of the left and of the right kidney, or why it cannot be told.

    Example:
        >>> left_and_right(np.array([[9, 0, 0, 0], [0, 0, 4, 4]]), links=[])
        (frozenset({1}), frozenset({0}))
        >>> left_and_right(np.array([[9, 0, 0, 0], [0, 0, 0, 1]]), links=[]).name
        'SMALL'
    """
    links = list(links)
    sizes = profiles.sum(axis=1)
    whole = np.asarray(sizes if with_tumours is None else with_tumours)
    doubt = Doubt.ONE
    if len(profiles) < 2:
        return doubt
    for groups in (_joined(len(profiles), links), _divided(profiles)):
        if len(groups) != 2:
            doubt = Doubt.JOINED if len(groups) == 1 else doubt
            continue
        right, left = sorted(groups, key=lambda group: _centre(profiles, group))
        if _overlap(profiles, left, right) > MOST_OVERLAP:
            doubt = Doubt.ABOVE
        elif linked(left, links) and _gap_mm(profiles, left, right) < LEAST_GAP_MM:
            doubt = Doubt.JOINED
        elif _is_small(left, right, sizes, whole):
            return Doubt.SMALL
        else:
            return left, right
    return doubt


def linked(group: Group, links: Iterable[tuple[int, int]]) -> bool:
    """Whether a link leads out of a group."""
    return any((first in group) != (second in group) for first, second in links)


def _joined(parts: int, links: Iterable[tuple[int, int]]) -> set[Group]:
    """The groups of parts that are linked, directly or through others."""
    group_of = {part: frozenset({part}) for part in range(parts)}
    for first, second in links:
        group = group_of[first] | group_of[second]
        group_of |= dict.fromkeys(group, group)
    return set(group_of.values())


def _divided(profiles: NDArray[np.int64]) -> set[Group]:
    """Two groups along x with the largest variance between them (Otsu 1979)."""
    centres = [_centre(profiles, frozenset({part})) for part in range(len(profiles))]
    order = np.argsort(centres, kind="stable").tolist()

    def variance(cut: int) -> float:
        halves = frozenset(order[:cut]), frozenset(order[cut:])
        sizes = [float(_profile(profiles, half).sum()) for half in halves]
        first, second = (_centre(profiles, half) for half in halves)
        return sizes[0] * sizes[1] * (first - second) ** 2

    cut = max(range(1, len(order)), key=variance)
    return {frozenset(order[:cut]), frozenset(order[cut:])}


def _profile(profiles: NDArray[np.int64], group: Group) -> NDArray[np.int64]:
    return profiles[sorted(group)].sum(axis=0)


def _centre(profiles: NDArray[np.int64], group: Group) -> float:
    profile = _profile(profiles, group)
    return float(np.average(np.arange(len(profile)), weights=profile))


def _core(profiles: NDArray[np.int64], group: Group) -> tuple[int, int]:
    """First and last x of the group but for its outermost voxels."""
    share = np.cumsum(_profile(profiles, group))
    low, high = (share[-1] * percent / 100 for percent in CORE_PERCENT)
    return int(np.searchsorted(share, low)), int(np.searchsorted(share, high))


def _gap_mm(profiles: NDArray[np.int64], left: Group, right: Group) -> int:
    return _core(profiles, left)[0] - _core(profiles, right)[1] - 1


def _is_small(
    left: Group, right: Group, sizes: NDArray[np.int64], whole: NDArray[np.int64]
) -> bool:
    """Whether one of two is too small for a kidney."""
    small, large = sorted((left, right), key=lambda group: whole[sorted(group)].sum())
    return bool(whole[sorted(small)].sum() < LEAST_SHARE * sizes[sorted(large)].sum())


def _overlap(profiles: NDArray[np.int64], left: Group, right: Group) -> float:
    """Length along x that two kidneys share, as a share of the narrower one's."""
    (a, b), (c, d) = _core(profiles, left), _core(profiles, right)
    shared = min(b, d) - max(a, c) + 1
    return max(0, shared) / (min(b - a, d - c) + 1)
