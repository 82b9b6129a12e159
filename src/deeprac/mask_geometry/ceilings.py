"""The Dice of a perfect network: labels through a matrix or a window, and back.

A perfect network answers every pixel of its input with the label of the largest share,
as its training shows it (``labels_to_matrix``). Shares are sampled as images are
(``preprocessing.matrix``, ``geometry.warp``), and the answer returns as logits do,
bilinearly; what lies outside its windows it calls background.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from deeprac.evaluation.metrics.overlap import overlap
from deeprac.geometry.similarity import invert
from deeprac.geometry.warp import inside, sample, sampling_points, warp
from deeprac.labels import FOREGROUND
from deeprac.mask_geometry.window_table import boxes_of, common_share
from deeprac.networks.stn_unet import RIM_PIXELS
from deeprac.preprocessing.matrix import label_shares, logits_to_native, resize
from deeprac.windows import KINDS, RECTANGLE, WindowKind, place

MATRICES = (64, 128, 256, 512)
"""Sides of whole slices."""

SEEN = tuple(
    kind
    for kind in KINDS
    if kind.name != RECTANGLE.name or kind.width_px == 2 * kind.height_px
)
"""Kinds of window that are tried; of rectangles those of 2:1."""

BELOW = (512, 128)
"""Sides of the slices that windows look at."""

MARGIN = 0.1
"""Of the windows, as a share of the box's sides: ``localiser.crop_margin``."""

SLICES = 10
"""Labelled slices of a case that are tried, evenly spread over it."""

Windows = NDArray[np.float64]
"""(windows, 4), edges in the frame."""


def some_slices(numbers: NDArray) -> NDArray:
    """Labelled slices of a mask (z, y, x), evenly spread, ``SLICES`` at most."""
    labelled = np.flatnonzero(numbers.any(axis=(1, 2)))
    places = np.linspace(0, len(labelled) - 1, min(SLICES, len(labelled)))
    return numbers[labelled[np.rint(places).astype(int)]]


def answered(shares: Tensor) -> Tensor:
    """The answer of a perfect network, 0 or 1, to shares (slices, 2, height, width)."""
    winner = _with_background(shares).argmax(1, keepdim=True)
    return (winner == torch.tensor(FOREGROUND).view(1, -1, 1, 1)).float()


def _with_background(shares: Tensor) -> Tensor:
    return torch.cat([1 - shares.sum(1, keepdim=True), shares], 1)


def through_windows(shares: Tensor, windows: Windows, kind: WindowKind) -> Tensor:
    """The answer of a perfect network that sees shares of labels through windows.

    Args:
        shares: (slices, 2, matrix, matrix).
        windows: of the kind; equal ones count once.
        kind: says the pixels.

    Returns:
        Of the same shape; 0 where no window lies.
    """
    matrix = shares.shape[-1]
    size = kind.input_px(matrix)
    # As fine as the network samples images: ``STNUNet`` asks the sides, not the window.
    height, width = size
    limit = 1 - 2 * RIM_PIXELS / torch.tensor([[width], [height]])
    fineness = math.ceil(matrix / max(size))
    back = torch.zeros_like(shares)
    for window in np.unique(windows, axis=0):
        frame_from_window = _matrix(window).expand(len(shares), 2, 3)
        seen = warp(shares, frame_from_window, size, fill=0.0, supersampling=fineness)
        points = sampling_points(invert(frame_from_window), (matrix, matrix))
        known = inside(points, limit).unflatten(2, (matrix, matrix))
        points = points.unflatten(2, (matrix, matrix))
        returned = sample(answered(seen), points)
        back = torch.maximum(back, torch.where(known, returned, 0.0))
    return back


def _matrix(window: NDArray) -> Tensor:
    """``frame_from_window`` (1, 2, 3) of a window (4,), which need not be square."""
    centre, half = (window[:2] + window[2:]) / 2, (window[2:] - window[:2]) / 2
    return torch.from_numpy(np.column_stack([np.diag(half), centre])).float()[None]


def dice_after(shares: Tensor, numbers: NDArray) -> dict[str, float]:
    """Dice of an answer that returns to the native grid.

    Args:
        shares: (slices, 2, matrix, matrix) of kidney and tumour, the answer.
        numbers: (slices, height, width) true labels.

    Returns:
        By label title; NaN where the slices show none.
    """
    scores = logits_to_native(_with_background(shares), *numbers.shape[1:])
    answer = scores.argmax(1).numpy()
    return {
        label.title: overlap(answer == label, numbers == label).dice
        for label in FOREGROUND
    }


def common_shares(cases: pd.DataFrame) -> dict[str, float]:
    """Size of the windows of each kind in all cases, by the kind's title.

    Args:
        cases: as cases.csv.
    """
    whole, kidneys = boxes_of(cases)
    return {k.title: common_share(k, whole, kidneys, MARGIN) for k in SEEN}


def ceilings(
    numbers: NDArray, case: pd.DataFrame, sizes: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """Dice of a perfect network through every matrix, and windows of one size.

    Args:
        numbers: (slices, height, width) some slices of a case.
        case: its row of cases.csv, a table of one row.
        sizes: of ``common_shares``.

    Yields:
        Rows of ceilings.csv, without the case's name.
    """
    whole, kidneys = boxes_of(case)
    native = label_shares(numbers, FOREGROUND)
    on_matrix = {matrix: resize(native, matrix) for matrix in MATRICES}
    for matrix, shares in on_matrix.items():
        yield _row("whole slice", matrix, dice_after(answered(shares), numbers))
    for kind in SEEN:
        placed = place(
            kind, whole, kidneys, margin=MARGIN, width_share=sizes[kind.title]
        )
        for matrix in BELOW:
            seen = through_windows(on_matrix[matrix], placed.windows[0], kind)
            yield _row(kind.title, matrix, dice_after(seen, numbers))


def _row(through: str, matrix: int, dice: Mapping[str, float]) -> dict[str, Any]:
    return {
        "through": through,
        "matrix_px": matrix,
        **{f"{title}_dice": value for title, value in dice.items()},
    }
