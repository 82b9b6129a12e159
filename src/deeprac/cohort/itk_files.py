"""Reading NRRD and MetaImage through SimpleITK, with what it does not check itself."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import affine
from deeprac.cohort.endings import META_IMAGE
from deeprac.cohort.findings import CaseError, Finding, refuse_errors
from deeprac.cohort.meta_image import read_meta_image_header
from deeprac.cohort.nrrd_header import read_nrrd_header
from deeprac.cohort.packed import DAMAGED, StoredVoxels
from deeprac.cohort.voxels import MAX_VOXELS, refuse_large_numbers, three_dimensions

_MOST_BYTES = 8 * MAX_VOXELS
"""Of all layers together."""


def read_itk(path: Path, *, layers: bool) -> tuple[list[sitk.Image], list[Finding]]:
    """Read an NRRD or MetaImage volume.

    Args:
        path: the file.
        layers: whether it may hold several numbers per voxel.

    Returns:
        One volume per number, with orthonormal axes, integers of up to 32 bits or
        float32; and what was found.

    Raises:
        CaseError: it cannot be used; everything that was found.
    """
    voxels, flips = _checked(path)
    voxels.refuse_missing()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        channels = 1 if layers else reader.GetNumberOfComponents()
        shape = (*reader.GetSize(), *([channels] if channels > 1 else []))
        _, findings = three_dimensions(shape)
        direction, origin, found = _place(reader, flips)
        findings += found
        voxels.refuse_other_size(_bytes_of(reader))
        volume = reader.Execute()
    except RuntimeError as error:
        # Its message is not passed on: it has the path.
        if "bad_alloc" in str(error) or "Failed to allocate" in str(error):
            raise MemoryError from error
        raise CaseError.of("file", DAMAGED) from error
    while volume.GetDimension() > 3:
        volume = volume[(slice(None),) * (volume.GetDimension() - 1) + (0,)]
    volume.SetDirection(direction.ravel().tolist())
    volume.SetOrigin(origin.tolist())
    volumes = [volume]
    if volume.GetPixelIDTypeAsString().startswith("vector"):
        count = volume.GetNumberOfComponentsPerPixel()
        volumes = [sitk.VectorIndexSelectionCast(volume, i) for i in range(count)]
    return [_compact(one) for one in volumes], findings


def _checked(path: Path) -> tuple[StoredVoxels, tuple[int, int, int]]:
    """Where the voxels lie, and the signs that bring ITK's axes to LPS."""
    if path.suffix.lower() in META_IMAGE:
        voxels, found = read_meta_image_header(path)
        refuse_errors(found)
        return voxels, (1, 1, 1)
    header = read_nrrd_header(path)
    refuse_errors(header.findings())
    return header.voxels, header.left_to_flip


def _place(
    reader: sitk.ImageFileReader, flips: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, list[Finding]]:
    """Direction cosines and origin in LPS, and what was found."""
    count = reader.GetDimension()
    cosines = np.reshape(reader.GetDirection(), (count, count))[:3, :3]
    signs = np.array(flips, float)
    axes_mm = signs[:, np.newaxis] * cosines * np.array(reader.GetSpacing()[:3])
    _, direction, found = affine.orthonormal(axes_mm)
    return direction, signs * np.array(reader.GetOrigin()[:3]), found


def _bytes_of(reader: sitk.ImageFileReader) -> int:
    """Bytes of all voxels, unpacked.

    Raises:
        CaseError: they are too many to be read.
    """
    kind, channels = reader.GetPixelID(), reader.GetNumberOfComponents()
    one = sitk.Image([1, 1, 1], kind)
    count = int(np.prod(reader.GetSize(), dtype=float)) * channels
    total = count * one.GetSizeOfPixelComponent()
    if total > _MOST_BYTES:
        raise CaseError.of(
            "shape",
            f"its {channels} layers need {total} bytes; at most {_MOST_BYTES} are "
            "read. Crop it, or save fewer segments",
        )
    return total


def _compact(volume: sitk.Image) -> sitk.Image:
    """The volume with numbers of at most 32 bits."""
    kind = volume.GetPixelID()
    if kind == sitk.sitkFloat64:
        return sitk.Cast(volume, sitk.sitkFloat32)
    if kind not in (sitk.sitkInt64, sitk.sitkUInt64):
        return volume
    refuse_large_numbers(sitk.GetArrayViewFromImage(volume))
    return sitk.Cast(volume, sitk.sitkInt32)
