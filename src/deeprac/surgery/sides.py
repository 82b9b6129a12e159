"""Which parts of kidney are the left kidney, and which the right one.

Convention: x grows to the patient's left. A part is known by its profile, the number of
its voxels by true x in millimetres: where the slices are tilted, x is not a column.

Sides are told by the order of the two kidneys along x, never by the middle of the
image: a tumour may push its kidney across the patient's midline, but not past the other
one. A kidney that its tumour splits has several parts, so they are put together first.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

CORE_PERCENT = (2.0, 98.0)
"""Of a kidney's voxels along x, so that single voxels do not widen it."""

MOST_OVERLAP = 0.5
"""Left and right kidney may overlap along x by this share of the narrower one: a tumour
bends a kidney around itself. With more, one may be crossed, or both are one."""

Group = frozenset[int]
"""Parts of one kidney, as rows of the profiles."""


def left_and_right(
    profiles: NDArray[np.int64], links: Iterable[tuple[int, int]]
) -> tuple[Group, Group] | None:
    """Divide the parts of kidney into the left and the right kidney.

    Parts that a tumour joins are taken as one kidney's. If two kidneys do not come of
    that, as with a tumour that touches both, the parts are divided where they lie
    farthest apart along x.

    Args:
        profiles: [parts, x] voxels of each part by x, from right to left.
        links: pairs of parts that touch one tumour.

    Returns:
        The parts of the left and of the right kidney; None where it cannot be told: one
        part, as a single kidney has and a fused pair, or two that lie above each other.

    Example:
        >>> left_and_right(np.array([[9, 0, 0, 0], [0, 0, 4, 4]]), links=[])
        (frozenset({1}), frozenset({0}))
    """
    if len(profiles) < 2:
        return None
    for groups in (_joined(len(profiles), links), _divided(profiles)):
        if len(groups) == 2:
            right, left = sorted(groups, key=lambda group: _centre(profiles, group))
            if _overlap(profiles, left, right) <= MOST_OVERLAP:
                return left, right
    return None


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


def _overlap(profiles: NDArray[np.int64], left: Group, right: Group) -> float:
    """Length along x that two kidneys share, as a share of the narrower one's."""
    (a, b), (c, d) = _core(profiles, left), _core(profiles, right)
    shared = min(b, d) - max(a, c) + 1
    return max(0, shared) / (min(b - a, d - c) + 1)
