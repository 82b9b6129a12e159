"""Reading volumes from files, with everything in their headers checked.

NIfTI goes through nibabel, which shows the header as it is; other formats go through
SimpleITK. No message names the file: the caller knows which it is.
"""

from pathlib import Path

import SimpleITK as sitk

from deeprac.cohort.endings import NIFTI, VOLUMES
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.itk_files import read_itk
from deeprac.cohort.nifti import read_nifti

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
    (volume,), findings = read_itk(path, layers=False)
    return volume, findings


def read_layers(path: Path) -> tuple[list[sitk.Image], list[Finding]]:
    """Read a volume with several numbers per voxel, such as overlapping segments.

    Args:
        path: an NRRD or MetaImage file.

    Returns:
        One volume per number, as ``read_volume`` returns it, and what was found.

    Raises:
        CaseError: it cannot be used; everything that was found.
    """
    check_bytes(path)
    return read_itk(path, layers=True)


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
