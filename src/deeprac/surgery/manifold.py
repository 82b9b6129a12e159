"""Surfaces that touch themselves along an edge, taken apart there.

Voxels of one structure that meet along an edge only leave four quads at it, which
programs for 3D models take for a hole.
"""

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Points = NDArray[np.float64]
Quads = NDArray[np.int64]

_NEXT = [1, 2, 3, 0]


def sheets(corners_mm: Points, quads: Quads) -> Quads:
    """Give each sheet of a surface that touches itself points of its own.

    Where four quads share an edge, those are joined that bound the same piece of the
    solid. Where the solid goes on around both ends of the edge, they would share it all
    the same: there those are joined that bound the same piece of the outside.

    Args:
        corners_mm: [n, 3] corners of voxels.
        quads: [m, 4] faces of voxels as indices of corners, turned outwards; closed.

    Returns:
        The quads in their order, with new numbers of their points from 0 on: every edge
        has two of them. Points are as many as before, or more.
    """
    around_outside: set[int] = set()
    while True:
        new = _joined(corners_mm, quads, around_outside)
        crowded = np.isin(_keys(new), _crowded_edges(new))
        old = set(_keys(quads)[crowded].tolist())
        if old <= around_outside:
            return new
        around_outside |= old


def _joined(corners_mm: Points, quads: Quads, around_outside: Set[int]) -> Quads:
    """The quads with points of their own for every sheet."""
    keys = _keys(quads).ravel()
    tails, heads = quads.ravel(), quads[:, _NEXT].ravel()
    # Of the sides of the quads at each edge, those that go along it and those that come
    # back.
    ordered = np.argsort(keys, kind="stable")
    there = ordered[(tails < heads)[ordered]]
    back = ordered[(tails > heads)[ordered]]
    crowded = _crowded_edges(quads)
    starts = np.searchsorted(keys[there], crowded)
    stops = np.searchsorted(keys[there], crowded, side="right")
    for key, start, stop in zip(crowded.tolist(), starts, stops, strict=True):
        forward, backward = there[start:stop], back[start:stop]
        angles = _angles(corners_mm, quads, np.concatenate([forward, backward]))
        turn = np.subtract.outer(angles[: len(forward)], angles[len(forward) :])
        # Seen along the edge, solid lies clockwise of a quad that goes along it.
        sense = -1 if key in around_outside else 1
        _, partners = linear_sum_assignment(sense * turn % (2 * np.pi))
        back[start:stop] = backward[partners]
    begins = np.arange(quads.size)
    ends = begins.reshape(-1, 4)[:, _NEXT].ravel()
    pairs = (
        np.concatenate([begins[there], ends[there]]),
        np.concatenate([ends[back], begins[back]]),
    )
    graph = coo_array((np.ones(len(pairs[0]), bool), pairs), (len(begins),) * 2)
    _, points = connected_components(graph, directed=False)
    return points.reshape(-1, 4).astype(np.int64)


def _keys(quads: Quads) -> NDArray[np.int64]:
    """A number for each edge [m, 4], the same for both of its directions."""
    ends = np.sort(np.stack([quads, quads[:, _NEXT]]), axis=0)
    return ends[0] * (quads.max() + 1) + ends[1]


def _crowded_edges(quads: Quads) -> NDArray[np.int64]:
    """Keys of the edges with more than two quads, sorted."""
    keys, counts = np.unique(_keys(quads), return_counts=True)
    return keys[counts > 2]


def _angles(corners_mm: Points, quads: Quads, sides: NDArray[np.int64]) -> Points:
    """Angle of each quad around the edge that they share, in radians.

    Args:
        corners_mm: [n, 3].
        quads: [m, 4].
        sides: [k] of the quads; the edge is seen along the first of them.
    """
    rows, begins = np.divmod(sides, 4)
    tail, head = corners_mm[quads[rows[0], [begins[0], (begins[0] + 1) % 4]]]
    axis = (head - tail) / np.linalg.norm(head - tail)
    across = corners_mm[quads[rows, (begins + 2) % 4]] - tail
    across -= np.outer(across @ axis, axis)
    level = across[0] / np.linalg.norm(across[0])
    return np.arctan2(across @ np.cross(axis, level), across @ level)
