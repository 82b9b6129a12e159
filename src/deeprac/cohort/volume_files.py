"""Reading volumes from files, with everything in their headers checked.

NIfTI goes through nibabel, which shows the header as it is; other formats go through
SimpleITK. No message names the file: the caller knows which it is.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import affine
from deeprac.cohort.endings import META_IMAGE, NIFTI, VOLUMES
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.meta_image import read_meta_image_header
from deeprac.cohort.nifti import read_nifti
from deeprac.cohort.nrrd_header import read_nrrd_header
from deeprac.cohort.packed import DAMAGED
from deeprac.cohort.voxels import MAX_VOXELS, refuse_large_numbers, three_dimensions

_MOST_BYTES = 8 * MAX_VOXELS
"""Of all layers together."""

_LFS_START = b"version https://git-lfs"


def read_volume(path: Path) -> tuple[sitk.Image, list[Finding]]:
    """Read a 3-D volume with one number per voxel.

    Args:
        path: a file whose name ends as one of ``endings.VOLUMES``.

    Returns:
        The volume with exact, orthonormal axes of either handedness, integers of up to
        32 bits or float32; and what was repaired or is worth noting.

    Raises:
        CaseError: it cannot be used; everything that was found. No message has the
            path: say which file it was.
    """
    name = path.name.lower()
    if not name.endswith(VOLUMES):
        raise CaseError.of(
            "file",
            "the file is of no known kind; volumes end in "
            f"{', '.join(VOLUMES)}. Convert it",
        )
    check_bytes(path)
    if name.endswith(NIFTI):
        return read_nifti(path)
    (volume,), findings = _read_itk(path, layers=False)
    return volume, findings


def read_layers(path: Path) -> tuple[list[sitk.Image], list[Finding]]:
    """Read an NRRD or MetaImage file with several numbers per voxel.

    Returns:
        One volume per number, as ``read_volume`` returns it, and what was found.

    Raises:
        CaseError: it cannot be used, as for ``read_volume``.
    """
    check_bytes(path)
    return _read_itk(path, layers=True)


def check_bytes(path: Path) -> None:
    """Find out what readers report badly or not at all.

    Raises:
        CaseError: there is no file, or nothing in it.
    """
    if not path.is_file():
        raise CaseError.of("file", "the file is missing. Put it there")
    with path.open("rb") as stream:
        start = stream.read(len(_LFS_START))
    if not start:
        raise CaseError.of("file", "the file is empty. Copy or download it again")
    if start == _LFS_START:
        raise CaseError.of(
            "file",
            "the file is a Git-LFS pointer, not the volume itself. Run `git lfs pull` "
            "where it comes from",
        )


def _read_itk(path: Path, *, layers: bool) -> tuple[list[sitk.Image], list[Finding]]:
    """Read NRRD or MetaImage, with ``layers`` of several numbers per voxel too."""
    signs = np.ones(3)
    if path.suffix.lower() in META_IMAGE:
        voxels = read_meta_image_header(path)
    else:
        header = read_nrrd_header(path)
        voxels, signs = header.voxels, np.array(header.left_to_flip, float)
    voxels.refuse_missing()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        channels = 1 if layers else reader.GetNumberOfComponents()
        shape = (*reader.GetSize(), *([channels] if channels > 1 else []))
        _, findings = three_dimensions(shape)
        count = reader.GetDimension()
        cosines = np.reshape(reader.GetDirection(), (count, count))[:3, :3]
        axes_mm = signs[:, np.newaxis] * cosines * np.array(reader.GetSpacing()[:3])
        _, direction, found = affine.orthonormal(axes_mm)
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
    volume.SetOrigin((signs * np.array(reader.GetOrigin()[:3])).tolist())
    volumes = [volume]
    if volume.GetPixelIDTypeAsString().startswith("vector"):
        count = volume.GetNumberOfComponentsPerPixel()
        volumes = [sitk.VectorIndexSelectionCast(volume, i) for i in range(count)]
    return [_compact(one) for one in volumes], findings


def _bytes_of(reader: sitk.ImageFileReader) -> int:
    """Bytes of all voxels, unpacked, unless they are too many."""
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
