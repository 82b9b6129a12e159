"""Reading and writing volumes as NIfTI, completely or not at all."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac.errors import CohortError
from deeprac.files import atomic_path

DAMAGED_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a gzip file raises when it is cut short or damaged."""

_CHUNK = 2**20


def read_volume(path: Path) -> tuple[NDArray, sitk.Image]:
    """Read a canonical volume.

    Args:
        path: NIfTI file of the canonical cohort.

    Returns:
        Array (slices, height, width) and the image with its geometry.

    Raises:
        CohortError: the file is missing or unreadable.
    """
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        state = "does not exist" if not path.exists() else "cannot be read"
        raise CohortError(
            f"{path} {state}. Remove it if it is there and run `deeprac cohort` again."
        ) from error
    return sitk.GetArrayFromImage(image), image


def write_volume(volume: sitk.Image, target: Path) -> None:
    """Write a volume as ``.nii.gz``, atomically and completely.

    Only voxels and grid are written: texts that came with them may name a patient.

    Raises:
        OSError: the file could not be written to its end.
    """
    if keys := volume.GetMetaDataKeys():
        volume = sitk.Image(volume)
        for key in keys:
            volume.EraseMetaData(key)
    with atomic_path(target) as temporary:
        try:
            sitk.WriteImage(volume, str(temporary), useCompression=True)
            unpacked = unpacked_bytes(temporary)
        except (RuntimeError, FileNotFoundError, *DAMAGED_GZIP):
            unpacked = 0
        # The writer does not tell when the disk is full.
        expected = volume.GetNumberOfPixels() * volume.GetSizeOfPixelComponent()
        if unpacked < expected:
            raise OSError(
                f"{target} could not be written to its end; the disk may be full"
            )


def write_label_map(target: Path, labels: NDArray[np.uint8], like: sitk.Image) -> None:
    """Write a label map on the grid of another image, atomically and completely.

    Args:
        target: NIfTI file.
        labels: (slices, height, width) label numbers.
        like: image that gives spacing, origin and direction.

    Raises:
        OSError: the file could not be written to its end.
    """
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(like)
    write_volume(image, target)


def unpacked_bytes(path: Path) -> int:
    """Number of bytes that a gzip file holds; raises ``DAMAGED_GZIP``."""
    total = 0
    with gzip.open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            total += len(chunk)
    return total
