"""Contours of one region in one slice as pixels; scikit-image fills them.

Convention: points are continuous indices (i, j), where a whole number is the centre of
a pixel; arrays are [j, i]. A pixel belongs to the region when its centre lies inside an
odd number of contours, or on any of them: what draws contours through the centres of
the border, of holes too, means the pixels under them as part of the organ. So a hole
takes away its strict interior, and a contour without area, as a thin structure leaves
it, has the pixels on its line.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from skimage.draw import polygon

ON_CONTOUR = 1e-3
"""A centre that is no farther from a contour lies on it: share of a pixel."""

AT_CENTRE = 0.02
"""Contours whose points are all this near to centres, along i and j, were drawn through
them: coordinates written with two digits are 0.005 mm off. Other contours of so many
points do not come that near by chance."""


def centred(points: np.ndarray) -> np.ndarray | None:
    """The centres through which a contour [n, 2] was drawn; None if it was not.

    Example:
        >>> centred(np.array([[2.004, 5.0], [2.0, 6.01]])).tolist()
        [[2.0, 5.0], [2.0, 6.0]]
        >>> centred(np.array([[2.5, 5.0], [2.0, 6.0]])) is None
        True
    """
    centres = np.rint(points)
    return centres if np.abs(points - centres).max() <= AT_CENTRE else None


def filled(
    contours: Sequence[np.ndarray], shape: tuple[int, int]
) -> tuple[np.ndarray, int]:
    """Fill the closed contours of one region in one slice.

    Args:
        contours: points [n, 2] of each, at least one.
        shape: of the slice (j, i).

    Returns:
        The region [j, i] of bool, and the number of pixels that were left out of it
        because they lie in two contours that overlap, neither inside the other.

    Example:
        >>> square = np.array([[1, 1], [4, 1], [4, 4], [1, 4]])
        >>> filled([square, square + 1], (8, 8))[1]
        1
    """
    lines = [_on(points, shape) for points in contours]
    insides = [
        np.setdiff1d(_in(points, shape), line, assume_unique=True)
        for points, line in zip(contours, lines, strict=True)
    ]
    times = np.bincount(np.concatenate(insides), minlength=shape[0] * shape[1])
    mask = times % 2 == 1
    mask[np.concatenate(lines)] = True
    if times.max() <= 1:
        return mask.reshape(shape), 0
    return mask.reshape(shape), int(np.count_nonzero(~mask[_crossing(insides)]))


def _in(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels inside a contour; those on it may be among them."""
    return np.ravel_multi_index(polygon(points[:, 1], points[:, 0], shape), shape)


def _crossing(insides: Sequence[np.ndarray]) -> np.ndarray:
    """Pixels, each once, in two contours neither of which contains the other."""
    shared = [np.zeros(0, int)]
    for a, b in combinations(insides, 2):
        common = np.intersect1d(a, b, assume_unique=True)
        if 0 < common.size < min(a.size, b.size):
            shared.append(common)
    return np.unique(np.concatenate(shared))


def _on(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels (indices into the flat slice) whose centres lie on a closed contour.

    Along its longer axis each segment is looked at where that index is whole.
    """
    step = np.roll(points, -1, axis=0) - points
    each = np.arange(len(points))
    longer = np.abs(step).argmax(axis=1)
    start, length = points[each, longer], step[each, longer]
    first = np.ceil(np.minimum(start, start + length) - ON_CONTOUR).astype(int)
    last = np.floor(np.maximum(start, start + length) + ON_CONTOUR).astype(int)
    count = last - first + 1
    segment = np.repeat(each, count)
    whole = np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)
    with np.errstate(invalid="ignore"):  # segments of no length
        share = np.nan_to_num((whole - start[segment]) / length[segment])
    nearest = points[segment] + np.clip(share, 0, 1)[:, None] * step[segment]
    centre = np.rint(nearest).astype(int)
    on = (np.abs(nearest - centre) <= ON_CONTOUR).all(axis=1)
    on &= ((centre >= 0) & (centre < shape[::-1])).all(axis=1)
    return np.unique(np.ravel_multi_index(centre[on].T[::-1], shape))
