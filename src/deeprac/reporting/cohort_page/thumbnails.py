"""A slice of a case as a small picture with the outlines of its labels."""

import io
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.image import imsave
from numpy.typing import NDArray
from scipy import ndimage

from deeprac.cohort.inspection import KidneySlice
from deeprac.reporting.style import CONTOURS

SMALLEST = 192
"""Smaller slices are enlarged to at least this many pixels."""


def png(middle: KidneySlice, window: tuple[float, float]) -> bytes:
    """Draw a slice in its window, each label outlined in its colour, as PNG."""
    content = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    imsave(content, draw(middle, window), format="png", metadata=metadata)
    return content.getvalue()


def draw(middle: KidneySlice, window: tuple[float, float]) -> NDArray[np.float32]:
    """The picture (h, w, 3) of a slice, values 0 to 1."""
    low, high = window
    factor = max(1, -(-SMALLEST // max(middle.label.shape)))
    grey = np.clip((middle.image - low) / (high - low), 0, 1)
    picture = np.repeat(_enlarged(grey, factor)[..., None], 3, axis=2)
    label = _enlarged(middle.label, factor)
    for number, style in CONTOURS.items():
        mask = label == number
        # Of pixels that are enlarged the inner rim is as wide as of others.
        picture[mask & ~ndimage.binary_erosion(mask)] = to_rgb(style.reference)
    return picture.astype(np.float32)


def _enlarged(array: NDArray, factor: int) -> NDArray:
    return array.repeat(factor, axis=0).repeat(factor, axis=1)
