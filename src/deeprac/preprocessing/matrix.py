"""Whole axial slices on a matrix: pad to a square, resample, and return.

Every axial slice is padded with air to a centred square and resampled to
matrix x matrix, anti-aliased where it shrinks and untouched where it has that size
already. Pixel size is therefore not made equal: differences in size between patients
stay in, as in the authors' code, and the whole slice is one tile, as a Spatial
Transformer needs it.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deeprac.geometry.square import Square


def resize(slices: Tensor, size: int) -> Tensor:
    """Resample square slices bilinearly, with an anti-aliasing filter when shrinking.

    Args:
        slices: (batch, channels, n, n) float.
        size: side of the result.

    Returns:
        (batch, channels, size, size); the argument itself where n is ``size``.
    """
    if slices.shape[-1] == size:
        return slices
    return functional.interpolate(
        slices, (size, size), mode="bilinear", align_corners=False, antialias=True
    )


def image_to_matrix(image: NDArray, size: int, air: float) -> NDArray[np.float32]:
    """Bring slices onto the matrix.

    Args:
        image: (slices, height, width).
        size: side of the matrix.
        air: value of the padding.

    Returns:
        (slices, size, size) float32.
    """
    padded = Square(*image.shape[1:]).pad(image.astype(np.float32), air)
    out = np.empty((len(image), size, size), np.float32)
    for index, row in enumerate(padded):
        out[index] = resize(torch.from_numpy(row)[None, None], size)[0, 0].numpy()
    return out


def label_shares(labels: NDArray, numbers: Iterable[int]) -> Tensor:
    """Return which pixels of the padded square have which label.

    Args:
        labels: (slices, height, width) label numbers.
        numbers: the labels, in the order of the channels.

    Returns:
        (slices, channels, size, size) float32, 0 or 1.
    """
    padded = Square(*labels.shape[1:]).pad(labels, 0)
    one_hot = np.stack([padded == number for number in numbers], axis=1)
    return torch.from_numpy(one_hot).float()


def labels_to_matrix(labels: NDArray, size: int) -> NDArray[np.int8]:
    """Bring label maps onto the matrix by the largest share per pixel.

    Args:
        labels: (slices, height, width) label numbers.
        size: side of the matrix.

    Returns:
        (slices, size, size) int8.
    """
    padded = Square(*labels.shape[1:]).pad(labels, 0)
    numbers = np.unique(padded)
    out = np.empty((len(labels), size, size), np.int8)
    for index, row in enumerate(padded):
        one_hot = torch.from_numpy(np.stack([row == n for n in numbers])[None])
        share = resize(one_hot.float(), size)[0].numpy()
        out[index] = numbers[share.argmax(0)]
    return out


def logits_to_native(logits: Tensor, height: int, width: int) -> Tensor:
    """Return logits from the matrix to native slices.

    Args:
        logits: (batch, classes, size, size).
        height: rows of the native slice.
        width: columns of the native slice.

    Returns:
        (batch, classes, height, width) float32.
    """
    square = Square(height, width)
    logits = logits.float()
    if logits.device.type == "cpu":
        # Classes side by side: a CPU resizes and compares them several times as fast.
        logits = logits.contiguous(memory_format=torch.channels_last)
    return square.crop(resize(logits, square.size))
