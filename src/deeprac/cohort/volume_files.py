"""Reading volumes from files, with everything that their headers say checked.

NIfTI goes through nibabel, which shows the header as it is; other formats go through
SimpleITK. No message names the file: the caller knows which one it gave.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import affine
from deeprac.cohort.findings import CaseError, Finding, Severity, refuse_errors
from deeprac.cohort.nifti import read_nifti
from deeprac.cohort.voxels import INT32, TOO_LARGE, three_dimensions

NIFTI = (".nii", ".nii.gz")
OTHERS = (".nrrd", ".nhdr", ".mha", ".mhd")
"""Endings of the formats that keep spacing and axes and are read by SimpleITK."""

_LFS_START = b"version https://git-lfs"


def read_volume(path: Path) -> tuple[sitk.Image, list[Finding]]:
    """Read a 3-D volume with one number per voxel.

    Args:
        path: a file whose name ends as one of ``NIFTI`` or ``OTHERS``.

    Returns:
        The volume with exact, orthonormal axes of either handedness, integers of up to
        32 bits or float32; and what was repaired or is worth noting.

    Raises:
        CaseError: it cannot be used; everything that was found. No message has the
            path: say which file it was.
    """
    name = path.name.lower()
    if not name.endswith(NIFTI + OTHERS):
        raise CaseError.of(
            "file",
            "the file is of no known kind; volumes end in "
            f"{', '.join(NIFTI + OTHERS)}. Convert it",
        )
    _check_bytes(path)
    return read_nifti(path) if name.endswith(NIFTI) else _read_other(path)


def read_layers(path: Path) -> tuple[list[sitk.Image], list[Finding]]:
    """Read a volume with several numbers per voxel, such as overlapping segments.

    Args:
        path: a file whose name ends as one of ``OTHERS``.

    Returns:
        One volume per number, as ``read_volume`` returns it, and what was found.

    Raises:
        CaseError: it cannot be used; everything that was found.
    """
    _check_bytes(path)
    volume, findings = _read_other(path, layers=True)
    if not volume.GetPixelIDTypeAsString().startswith("vector"):
        return [volume], findings
    count = volume.GetNumberOfComponentsPerPixel()
    layers = (sitk.VectorIndexSelectionCast(volume, i) for i in range(count))
    return [_compact(layer) for layer in layers], findings


def read_volumes(
    paths: Mapping[str, Path],
) -> tuple[dict[str, sitk.Image], tuple[Finding, ...]]:
    """Read the files of one case; complain about all when several are unreadable.

    Args:
        paths: by what they are, such as ``image`` and ``label``; messages begin so.

    Raises:
        CaseError: a file cannot be used; everything that was found in all of them.
    """
    volumes, findings = {}, []
    for what, path in paths.items():
        try:
            volumes[what], found = read_volume(path)
        except CaseError as error:
            found = error.findings
        findings += [
            Finding(f.severity, f.check, f"{what}: {f.message}") for f in found
        ]
    return volumes, refuse_errors(findings)


def _check_bytes(path: Path) -> None:
    """Find out what readers report badly or not at all."""
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


def _read_other(
    path: Path, *, layers: bool = False
) -> tuple[sitk.Image, list[Finding]]:
    """Read what SimpleITK reads, once its header has been checked."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _, findings = three_dimensions(reader.GetSize())
        if reader.GetNumberOfComponents() != 1 and not layers:
            problem = (
                f"it has {reader.GetNumberOfComponents()} values per voxel, not one. "
                "Store one channel"
            )
            findings.append(Finding(Severity.ERROR, "header", problem))
        refuse_errors(findings)
        volume = reader.Execute()
    except RuntimeError as error:
        # Its words are not passed on: they have the path.
        raise CaseError.of(
            "file",
            "the file cannot be read to its end as what its name says: it is cut "
            "short, damaged or of another kind. Export or download it again",
        ) from error
    for _ in range(volume.GetDimension() - 3):
        volume = volume[(slice(None),) * (volume.GetDimension() - 1) + (0,)]
    axes = np.reshape(volume.GetDirection(), (3, 3)) * np.array(volume.GetSpacing())
    _, direction, found = affine.orthonormal(axes)
    findings = list(refuse_errors([*findings, *found]))
    volume.SetDirection(direction.ravel().tolist())
    return _compact(volume), findings


def _compact(volume: sitk.Image) -> sitk.Image:
    """The volume with numbers of at most 32 bits."""
    kind = volume.GetPixelID()
    if kind == sitk.sitkFloat64:
        return sitk.Cast(volume, sitk.sitkFloat32)
    if kind not in (sitk.sitkInt64, sitk.sitkUInt64):
        return volume
    view = sitk.GetArrayViewFromImage(volume)
    if view.min() < INT32.min or view.max() > INT32.max:
        raise CaseError.of("values", TOO_LARGE)
    return sitk.Cast(volume, sitk.sitkInt32)
