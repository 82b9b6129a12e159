"""Volumes for the case browser: shrunken, eight bits, gzipped NIfTI in base64."""

import base64
import gzip
from math import ceil

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from deeprac.labels import CYST, Label

Spacing = tuple[float, float, float]


def shrink_factor(size: tuple[int, int], *, pixels: int) -> int:
    """Smallest whole factor that brings rows and columns to at most ``pixels``."""
    return max(1, ceil(max(size) / pixels))


def shrink_image(volume: NDArray, factor: int) -> NDArray[np.float64]:
    """Mean over blocks of factor x factor pixels of each slice.

    Args:
        volume: ``(z, y, x)``; a border that fills no block is continued.
        factor: Pixels per block and axis.
    """
    return _blocks(volume.astype(float), factor).mean(axis=(2, 4))


def shrink_labels(volume: NDArray, factor: int) -> NDArray[np.uint8]:
    """The label with most pixels in every block; the smaller number on a draw."""
    if factor == 1:
        return volume.astype(np.uint8)
    numbers = range(CYST + 1)
    shares = [_blocks(volume == n, factor).mean(axis=(2, 4)) for n in numbers]
    return np.argmax(shares, axis=0).astype(np.uint8)


def kept_span(window: tuple[float, float]) -> tuple[float, float]:
    """Values that eight bits keep: the display window and half its width around it.

    Example:
        >>> kept_span((-160, 240))
        (-360.0, 440.0)
    """
    low, high = window
    margin = (high - low) / 2
    return low - margin, high + margin


def to_bytes(
    image: NDArray, span: tuple[float, float]
) -> tuple[NDArray[np.uint8], float, float]:
    """Eight bits per voxel, with the slope and intercept back to the values."""
    low, high = span
    slope = (high - low) / 255
    steps = (np.clip(image, low, high) - low) / slope
    return np.rint(steps).astype(np.uint8), slope, low


def encode(
    volume: NDArray[np.uint8],
    spacing_mm: Spacing,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    shown: tuple[float, float] = (0.0, float(max(Label))),
    ras_from_voxel_mm: NDArray | None = None,
) -> str:
    """NIfTI of a canonical volume, gzipped undated, in base64.

    Args:
        volume: ``(z, y, x)``; x grows to the patient's left, y to posterior.
        spacing_mm: ``(x, y, z)``.
        slope: Value per step.
        intercept: Value of 0.
        shown: Values that a viewer displays black and white at first.
        ras_from_voxel_mm: ``(4, 4)``, where the voxels ``(x, y, z)`` lie; about the
            origin without.
    """
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(volume.shape[::-1])
    if ras_from_voxel_mm is None:
        x_mm, y_mm, z_mm = spacing_mm
        ras_from_voxel_mm = np.diag([-x_mm, -y_mm, z_mm, 1.0])
        half = (np.array(volume.shape[::-1]) - 1) / 2
        ras_from_voxel_mm[:3, 3] = -ras_from_voxel_mm[:3, :3] @ half
    header.set_sform(ras_from_voxel_mm, code=1)
    header.set_zooms(spacing_mm)
    header.set_xyzt_units("mm")
    header["scl_slope"], header["scl_inter"] = slope, intercept
    header["cal_min"], header["cal_max"] = shown
    header["vox_offset"], header["magic"] = 352, b"n+1"
    content = header.binaryblock + bytes(4) + volume.tobytes()
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _blocks(volume: NDArray, factor: int) -> NDArray:
    depth, height, width = volume.shape
    missing = [(0, 0), (0, -height % factor), (0, -width % factor)]
    padded = np.pad(volume, missing, mode="edge")
    rows, columns = padded.shape[1] // factor, padded.shape[2] // factor
    return padded.reshape(depth, rows, factor, columns, factor)
