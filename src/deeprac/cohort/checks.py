"""Checks of one case before it is used.

Every check returns the problems that it finds as sentences, so that all problems of all
cases can be told at once. What cannot be read at all raises ``CohortError``.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deeprac.errors import CohortError
from deeprac.volumes import DAMAGED_GZIP, unpacked_bytes

TOLERANCE_MM = 1e-3
"""Spacings and origins of image and label may differ by this much."""

SQUARE_TOLERANCE = 0.01
"""Pixels count as square up to this relative difference of their sides."""


_LFS_START = b"version https://git-lfs"


def read_volume(path: Path) -> sitk.Image:
    """Read a 3-D volume with one value per voxel.

    Raises:
        CohortError: the file is missing, a Git-LFS pointer, cut short, not an image,
            or not a 3-D volume.
    """
    _check_bytes(path)
    try:
        volume = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise CohortError(
            f"{path} cannot be read as an image ({reason}). Export it again as NIfTI."
        ) from error
    if volume.GetDimension() != 3:
        raise CohortError(
            f"{path} has {volume.GetDimension()} dimensions, not 3. Store a volume; "
            "a single slice as a volume of one slice with its spacing."
        )
    if volume.GetNumberOfComponentsPerPixel() != 1:
        raise CohortError(
            f"{path} has {volume.GetNumberOfComponentsPerPixel()} values per voxel. "
            "Store one channel."
        )
    return volume


def _check_bytes(path: Path) -> None:
    """Find out what readers report badly or not at all."""
    if not path.is_file():
        raise CohortError(f"{path} is missing. Put the file there.")
    with path.open("rb") as stream:
        start = stream.read(len(_LFS_START))
    if start == _LFS_START:
        raise CohortError(
            f"{path} is a Git-LFS pointer, not the image itself. Run `git lfs pull` "
            "where it comes from."
        )
    if path.suffix != ".gz":
        return
    try:
        # Readers may fill a file that was cut short with zeros: read it to its end.
        unpacked_bytes(path)
    except DAMAGED_GZIP as error:
        raise CohortError(
            f"{path} is cut short or damaged ({error}). Copy or download it again."
        ) from error


def grid_problems(image: sitk.Image, label: sitk.Image) -> list[str]:
    """Image and label must share one grid."""
    problems = []
    if image.GetSize() != label.GetSize():
        problems.append(f"the image has {image.GetSize()} voxels, the label "
                        f"{label.GetSize()}")  # fmt: skip
    for what, a, b in (
        ("spacing", image.GetSpacing(), label.GetSpacing()),
        ("origin", image.GetOrigin(), label.GetOrigin()),
        ("direction", image.GetDirection(), label.GetDirection()),
    ):
        if not np.allclose(a, b, rtol=0, atol=TOLERANCE_MM):
            problems.append(
                f"image and label differ in {what}: {_short(a)} and {_short(b)}"
            )
    if problems:
        problems[-1] += ". Resample the label onto the image's grid"
    return problems


def geometry_problems(canonical: sitk.Image) -> list[str]:
    """Slices must be axial, with square pixels; ``canonical`` is oriented LPS."""
    problems = []
    spacing, direction = canonical.GetSpacing(), canonical.GetDirection()
    if min(spacing) <= 0:
        return [f"the spacing is {_short(spacing)} mm. Correct the header"]
    if not np.allclose(np.diag(np.reshape(direction, (3, 3))), 1, rtol=0, atol=0.06):
        problems.append(
            f"the slices are not axial (direction {_short(direction)}). Resample the "
            "volume to axial slices"
        )
    if abs(spacing[0] / spacing[1] - 1) > SQUARE_TOLERANCE:
        problems.append(
            f"the pixels of its axial slices are {spacing[0]:g} x {spacing[1]:g} mm, "
            "not square. Resample image and label to square pixels"
        )
    return problems


def _short(numbers: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{number:.4g}" for number in numbers) + ")"
