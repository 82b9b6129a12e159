"""Reading canonical volumes as arrays."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac.errors import CohortError


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


def write_label_map(path: Path, labels: NDArray[np.uint8], like: sitk.Image) -> None:
    """Write a label map on the grid of another image.

    Args:
        path: NIfTI file; written as it is named, see ``deeprac.files.atomic_path``.
        labels: (slices, height, width) label numbers.
        like: image that gives spacing, origin and direction.
    """
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(like)
    sitk.WriteImage(image, str(path), useCompression=True)
