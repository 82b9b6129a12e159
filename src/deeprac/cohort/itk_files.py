"""Reading NRRD and MetaImage through SimpleITK, with what it does not check itself."""

import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import affine
from deeprac.cohort.findings import CaseError, Finding, refuse_errors
from deeprac.cohort.voxels import INT32, TOO_LARGE, three_dimensions

NRRD = (".nrrd", ".nhdr")
META_IMAGE = (".mha", ".mhd")

_AXES = {"TransformMatrix", "Rotation", "Orientation"}
"""The keys of MetaImage, any of which gives the axes."""

_DAMAGED = (
    "the file is cut short, damaged or not what its name says. Copy or download it "
    "again"
)
_NO_AXES = (
    "the header does not give the axes: nothing tells left from right. Export it again "
    "from the original images"
)
_LONGEST_HEADER = 2**16
_CHUNK = 2**20


def read_itk(path: Path) -> tuple[sitk.Image, list[Finding]]:
    """Read an NRRD or MetaImage volume.

    Returns:
        The volume with orthonormal axes, integers of up to 32 bits or float32; and what
        was found.

    Raises:
        CaseError: it cannot be used; everything that was found.
    """
    volume, findings = _read(path, layers=False)
    return _compact(volume), findings


def read_itk_layers(path: Path) -> tuple[list[sitk.Image], list[Finding]]:
    """Read a volume of one or several numbers per voxel, one volume for each.

    Raises:
        CaseError: it cannot be used; everything that was found.
    """
    volume, findings = _read(path, layers=True)
    count = volume.GetNumberOfComponentsPerPixel()
    if not volume.GetPixelIDTypeAsString().startswith("vector"):
        return [_compact(volume)], findings
    layers = (sitk.VectorIndexSelectionCast(volume, i) for i in range(count))
    return [_compact(layer) for layer in layers], findings


def _read(path: Path, *, layers: bool) -> tuple[sitk.Image, list[Finding]]:
    """Read a file once its header has been checked."""
    if path.suffix.lower() in META_IMAGE:
        _check_meta_image(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        channels = 1 if layers else reader.GetNumberOfComponents()
        shape = (*reader.GetSize(), *([channels] if channels > 1 else []))
        _, findings = three_dimensions(shape)
        if path.suffix.lower() in NRRD and not reader.HasMetaDataKey("NRRD_space"):
            raise CaseError.of("affine", _NO_AXES)
        volume = reader.Execute()
    except RuntimeError as error:
        # Its words are not passed on: they have the path.
        raise CaseError.of("file", _DAMAGED) from error
    while volume.GetDimension() > 3:
        volume = volume[(slice(None),) * (volume.GetDimension() - 1) + (0,)]
    axes = np.reshape(volume.GetDirection(), (3, 3)) * np.array(volume.GetSpacing())
    _, direction, found = affine.orthonormal(axes)
    findings = list(refuse_errors([*findings, *found]))
    volume.SetDirection(direction.ravel().tolist())
    return volume, findings


def _check_meta_image(path: Path) -> None:
    """Axes must be given and packed voxels whole: SimpleITK minds neither.

    Where the packed voxels are damaged it returns what happens to be in memory.
    """
    header: dict[str, str] = {}
    with path.open("rb") as stream:
        while "ElementDataFile" not in header:
            line = stream.readline(_LONGEST_HEADER)
            if b"=" not in line:
                raise CaseError.of("file", _DAMAGED)
            key, value = line.decode("utf-8", "replace").split("=", 1)
            header[key.strip()] = value.strip()
        if not _AXES & set(header):
            raise CaseError.of("affine", _NO_AXES)
        if header.get("CompressedData", "").lower() != "true":
            return
        if header["ElementDataFile"].lower() == "local":
            _check_packed(stream)
            return
    voxels = path.parent / header["ElementDataFile"]
    if not voxels.is_file():
        raise CaseError.of("file", "the file of its voxels is missing. Put it there")
    with voxels.open("rb") as stream:
        _check_packed(stream)


def _check_packed(stream: BinaryIO) -> None:
    """Unpack to the end, where the checksum is."""
    unpacker = zlib.decompressobj(wbits=47)  # zlib or gzip
    try:
        while chunk := stream.read(_CHUNK):
            unpacker.decompress(chunk)
    except zlib.error as error:
        raise CaseError.of("file", _DAMAGED) from error
    if not unpacker.eof:
        raise CaseError.of("file", _DAMAGED)


def _compact(volume: sitk.Image) -> sitk.Image:
    """The volume with numbers of at most 32 bits."""
    kind = volume.GetPixelID()
    if kind == sitk.sitkFloat64:
        return sitk.Cast(volume, sitk.sitkFloat32)
    if kind not in (sitk.sitkInt64, sitk.sitkUInt64):
        return volume
    values = sitk.GetArrayViewFromImage(volume)
    if values.min() < INT32.min or values.max() > INT32.max:
        raise CaseError.of("values", TOO_LARGE)
    return sitk.Cast(volume, sitk.sitkInt32)
