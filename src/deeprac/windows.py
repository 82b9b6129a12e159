"""Windows of the network's input in the frame of a slice: kinds, sizes, places.

Convention: normalised points (x, y) of the padded square (``geometry.square``). Boxes
and windows are arrays (..., 4) of x_low, y_low, x_high, y_high; a share is a side in
units of the frame's. Pixels are square in every window. No torch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MATRIX = 512
"""Side of the matrix for which the kinds state their pixels: the paper's fine one."""

LARGEST_OF_PAIR = 0.5
"""A kidney that needs a larger share of the frame's side falls back to one window."""

LEAST_FEATURE_MAP = 4
"""A U-Net halves no side below this (``network.min_feature_map`` by default)."""

_SLACK = 1e-9
"""Of boxes that touch the edge of their window, for rounding."""


@dataclass(frozen=True)
class WindowKind:
    """A shape of window, as the network sees it.

    Attributes:
        name: a value of ``crop`` in the configuration.
        height_px: rows of each window at a matrix of ``MATRIX``.
        width_px: columns of each window.
        windows: 1 around both kidneys, or 2, one around each kidney with its tumours.

    Example:
        >>> kind = WindowKind("stn_rectangle", height_px=176, width_px=352)
        >>> round(kind.flops_share, 3), kind.feature_map
        (0.236, (11, 11))
    """

    name: str
    height_px: int
    width_px: int
    windows: int = 1

    @property
    def title(self) -> str:
        """Name with width and height, as ``stn_pair 2 x 176 x 176``."""
        count = f"{self.windows} x " if self.windows > 1 else ""
        return f"{self.name} {count}{self.width_px} x {self.height_px}"

    @property
    def flops_share(self) -> float:
        """Pixels of all windows in units of the matrix's, as a U-Net's FLOPs are."""
        return self.windows * self.height_px * self.width_px / MATRIX**2

    @property
    def feature_map(self) -> tuple[int, int]:
        """Rows and columns that are left after halving as often as they are even.

        Each side on its own, as nnU-Net's strides may; never below
        ``LEAST_FEATURE_MAP``.
        """
        return _halved(self.height_px), _halved(self.width_px)

    def input_px(self, matrix: int) -> tuple[int, int]:
        """Rows and columns of each window at a matrix of this side."""
        rows, columns = (
            round(side * matrix / MATRIX) for side in (self.height_px, self.width_px)
        )
        return rows, columns

    def width_share(self, boxes: NDArray) -> NDArray:
        """Share of the frame's width that a window needs to hold boxes.

        Above 1 where a flat window must be wider than the frame to be high enough.

        Args:
            boxes: (..., 4).

        Returns:
            (...).
        """
        width, height = np.moveaxis(boxes[..., 2:] - boxes[..., :2], -1, 0) / 2
        return np.maximum(width, height * self.width_px / self.height_px)

    def density(self, width_share: ArrayLike) -> NDArray:
        """Pixels per length in units of the whole frame's at the full matrix."""
        return self.width_px / MATRIX / np.asarray(width_share)


def _halved(side: int) -> int:
    while side % 2 == 0 and side // 2 >= LEAST_FEATURE_MAP:
        side //= 2
    return side


SQUARE = WindowKind("stn", 256, 256)
RECTANGLE = WindowKind("stn_rectangle", 176, 352)
PAIR = WindowKind("stn_pair", 176, 176, windows=2)

SHAPES = (SQUARE, RECTANGLE, PAIR)
"""One kind of each shape."""

KINDS = (
    SQUARE,
    WindowKind("stn_rectangle", 224, 288),
    WindowKind("stn_rectangle", 192, 320),
    WindowKind("stn_rectangle", 192, 352),
    RECTANGLE,
    WindowKind("stn_rectangle", 192, 384),
    WindowKind("stn_rectangle", 160, 384),
    PAIR,
    WindowKind("stn_pair", 192, 192, windows=2),
)
"""Kinds at about a quarter of the full network's FLOPs, all sides evenly halved."""


@dataclass(frozen=True)
class Placement:
    """Where the windows of cases lie.

    Attributes:
        windows: (..., windows, 4); in fallback all of a case are the same.
        width_share: (...) of each window.
        fallback: (...) bool, pairs that became one window.
        grown: (...) bool, windows that had to be larger than the size of all.
    """

    windows: NDArray[np.float64]
    width_share: NDArray[np.float64]
    fallback: NDArray[np.bool_]
    grown: NDArray[np.bool_]


def place(
    kind: WindowKind,
    whole: NDArray,
    kidneys: NDArray,
    *,
    margin: float,
    width_share: float | None = None,
) -> Placement:
    """Place the windows of a kind around boxes.

    A pair falls back to one window, of the same pixels, where the kidneys cannot be
    told apart or one needs more than ``LARGEST_OF_PAIR``. Windows stay inside the frame
    as far as they fit.

    Args:
        kind: the shape.
        whole: (..., 4) boxes of all labels of a case.
        kidneys: (..., 2, 4) boxes of each kidney with its tumours, NaN where they
            cannot be told apart.
        margin: added to the sides, as a share of them.
        width_share: size of all windows; a window grows where that is too small. None:
            each case has the size that it needs.
    """
    both, fallback = whole[..., None, :], np.zeros(whole.shape[:-1], bool)
    if kind.windows > 1:
        needed = (1 + margin) * kind.width_share(kidneys).max(-1)
        fallback = ~(needed <= LARGEST_OF_PAIR)  # true for NaN too
        both = np.where(fallback[..., None, None], both, kidneys)
    needed = (1 + margin) * kind.width_share(both).max(-1)
    # No window is larger than what holds the whole frame.
    needed = np.minimum(needed, max(1.0, kind.width_px / kind.height_px))
    used = needed if width_share is None else np.maximum(needed, width_share)
    grown = (used > (width_share or np.inf)) & ~fallback
    return Placement(_windows(kind, both, used), used, fallback, grown)


def _windows(kind: WindowKind, boxes: NDArray, width_share: NDArray) -> NDArray:
    half = width_share[..., None, None] * [1, kind.height_px / kind.width_px]
    room = np.maximum(1 - half, 0)
    centre = np.clip((boxes[..., :2] + boxes[..., 2:]) / 2, -room, room)
    return np.concatenate([centre - half, centre + half], -1)


def holds(placement: Placement, whole: NDArray, kidneys: NDArray) -> NDArray[np.bool_]:
    """Whether windows hold true boxes wholly: both kidneys, each in its own of a pair.

    Args:
        placement: of windows around boxes that may be wrong.
        whole: (..., 4) true boxes.
        kidneys: (..., 2, 4) true boxes.

    Returns:
        (...) bool.
    """
    windows, boxes = placement.windows, whole[..., None, :]
    if windows.shape[-2] > 1:
        boxes = np.where(placement.fallback[..., None, None], boxes, kidneys)
    low = windows[..., :2] <= boxes[..., :2] + _SLACK
    high = windows[..., 2:] >= boxes[..., 2:] - _SLACK
    return np.asarray((low & high).all(axis=(-1, -2)))


def moved(boxes: NDArray, share: float, rng: np.random.Generator) -> NDArray:
    """Boxes with a uniform error, as a localiser makes it.

    Args:
        boxes: (..., 4).
        share: largest error of the centre and of both sides, as a share of the side.
        rng: draws two errors of the centre and two of the sides per box.
    """
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    side = boxes[..., 2:] - boxes[..., :2]
    of_centre, of_side = share * rng.uniform(-1, 1, (2, *side.shape))
    middle, half = middle + of_centre * side, (1 + of_side) * side / 2
    return np.concatenate([middle - half, middle + half], -1)
