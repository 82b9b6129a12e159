"""Whole volumes on a matrix: the padded cube, resampled, and back.

A volume lies in a cube of millimetres (:mod:`deeprac.geometry.cube`), air around it,
which is resampled to the matrix axis by axis: linearly where that has more voxels, by a
triangle as wide as its voxels where it has fewer, as ``preprocessing.matrix`` does with
slices. The largest extent of the patient's scan is thus the width of the matrix, and
differences in size between patients stay in.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deeprac.geometry.cube import Cube

Line = tuple[int, float]
"""Voxels along an axis, and the half of the length that they cover."""


def axis_weights(source: Line, target: Line, *, repeat: bool) -> Tensor:
    """Return what voxels of one grid along an axis take from those of another.

    Both grids have the same middle.

    Args:
        source: of the values.
        target: of the result.
        repeat: whether the source goes on beyond its ends; else nothing does, and rows
            there sum to less than 1.

    Returns:
        (target voxels, source voxels) float32.
    """
    (count, reach), (wanted, half) = source, target
    step, width = 2 * reach / count, 2 * max(reach / count, half / wanted)
    beyond = math.ceil((max(half - reach, 0) + width) / step)
    index = torch.arange(-beyond, count + beyond, dtype=torch.float64)
    places = ((2 * index + 1) / count - 1) * reach
    asked = ((2 * torch.arange(wanted, dtype=torch.float64) + 1) / wanted - 1) * half
    weights = (1 - (asked[:, None] - places).abs() / width).clamp_min(0)
    weights = weights / weights.sum(1, keepdim=True)
    before, inner, after = weights.split((beyond, count, beyond), 1)
    if repeat:
        inner[:, 0] += before.sum(1)
        inner[:, -1] += after.sum(1)
    return inner.float()


def image_to_cube(
    image: NDArray, cube: Cube, size: Sequence[int], air: float
) -> NDArray[np.float32]:
    """Bring a volume onto the matrix.

    Args:
        image: (slices, height, width).
        cube: around it.
        size: (depth, height, width) of the matrix.
        air: value around it.

    Returns:
        (depth, height, width) float32.
    """
    above_air = torch.from_numpy(image.astype(np.float32) - np.float32(air))
    return (_resampled(above_air, _onto(cube, size)) + air).numpy()


def labels_to_cube(
    labels: NDArray, cube: Cube, size: Sequence[int], numbers: Iterable[int]
) -> NDArray[np.int8]:
    """Bring a label map onto the matrix by the largest share per voxel.

    Args:
        labels: (slices, height, width) label numbers.
        cube: around it.
        size: (depth, height, width) of the matrix.
        numbers: the labels without background, which is 0.

    Returns:
        (depth, height, width) int8.
    """
    numbers = [0, *numbers]
    shares = shares_on_cube(labels, cube, size, numbers)
    return np.array(numbers, np.int8)[shares.argmax(0).numpy()]


def shares_on_cube(
    labels: NDArray, cube: Cube, size: Sequence[int], numbers: Iterable[int]
) -> Tensor:
    """Return how much of every voxel of the matrix has which label.

    Args:
        labels: (slices, height, width) label numbers.
        cube: around it.
        size: (depth, height, width) of the matrix.
        numbers: the labels, background first, which is all around the volume.

    Returns:
        (labels, depth, height, width) float32.
    """
    weights = _onto(cube, size)
    _, *foreground = numbers
    masks = (torch.from_numpy(labels == number).float() for number in foreground)
    shares = torch.stack([_resampled(mask, weights) for mask in masks])
    return torch.cat([1 - shares.sum(0, keepdim=True), shares])


def logits_to_volume(logits: Tensor, cube: Cube) -> Tensor:
    """Return logits from the matrix to the native grid.

    Args:
        logits: (classes, depth, height, width).
        cube: around the native volume.

    Returns:
        (slices, classes, height, width) float32.
    """
    weights = [
        axis_weights((count, 1.0), (wanted, share), repeat=True).to(logits.device)
        for count, wanted, share in zip(
            logits.shape[1:], cube.shape, cube.shares, strict=True
        )
    ]
    return _resampled(logits.float(), weights).transpose(0, 1)


def _onto(cube: Cube, size: Sequence[int]) -> list[Tensor]:
    """Weights of the matrix, axis by axis."""
    axes = zip(cube.shape, cube.shares, size, strict=True)
    return [
        axis_weights((count, share), (wanted, 1.0), repeat=False)
        for count, share, wanted in axes
    ]


def _resampled(volume: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Resample (..., z, y, x) by the weights of each axis."""
    along_z, along_y, along_x = weights
    planes = along_y @ (volume @ along_x.T)
    return torch.einsum("oz,...zyx->...oyx", along_z, planes)
