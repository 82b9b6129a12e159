"""Reading NIfTI: the header as it is, the voxels in one decompression."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from deeprac.cohort import nifti_header
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.packed import AFTER_GZIP
from deeprac.cohort.voxels import refuse_large_numbers, three_dimensions
from deeprac.volumes import DAMAGED_GZIP

_CHUNK = 2**20


def read_nifti(path: Path) -> tuple[sitk.Image, list[Finding]]:
    """Read a NIfTI volume, compressed or not.

    The file is read once, to its end: gzip's checksum is there.

    Returns:
        The volume with orthonormal axes, integers of up to 32 bits or float32; and what
        was found.

    Raises:
        CaseError: it cannot be used; everything that was found.
    """
    try:
        with _opened(path) as stream:
            header = nifti_header.read_header(stream)
            size, of_shape = three_dimensions(nifti_header.shape(header))
            grid, of_grid = nifti_header.grid(header, size)
            values, of_values = _voxels(stream, header, size)
            _read_to_the_end(stream)
    except DAMAGED_GZIP as error:
        raise CaseError.of(
            "file",
            "the file is cut short or damaged. Copy or download it again",
        ) from error
    return grid.volume(values), [*of_shape, *of_grid, *of_values]


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedIOBase]:
    """The file's bytes, unpacked where they are packed, whatever its name."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.open(raw) as stream:
            yield stream


def _read_to_the_end(stream: io.BufferedIOBase) -> None:
    """Have gzip compare its checksum; more members and padding by zeros may follow."""
    try:
        while stream.read(_CHUNK):
            pass
    except gzip.BadGzipFile as error:
        if not str(error).startswith("Not a gzipped file"):
            raise
        raise CaseError.of("file", AFTER_GZIP) from error


def _voxels(
    stream: io.BufferedIOBase, header: nib.Nifti1Header, size: tuple[int, int, int]
) -> tuple[np.ndarray, list[Finding]]:
    """All voxels [z, y, x], scaled, slice by slice: never a second copy."""
    stored = nifti_header.stored_type(header)
    slope, intercept, findings = nifti_header.scaling(header, stored)
    target = _target_type(stored, slope, intercept)
    values = np.empty(size[::-1], target)
    for one in values:
        bytes_ = stream.read(one.size * stored.itemsize)
        if len(bytes_) < one.size * stored.itemsize:
            raise EOFError
        slab = np.frombuffer(bytes_, stored).reshape(one.shape)
        refuse_large_numbers(slab)
        one[...] = slab if slope is None else slab * slope + intercept
    return values, findings


def _target_type(stored: np.dtype, slope: float | None, intercept: float) -> type:
    """The smallest type that holds the numbers without loss for CT."""
    if stored.kind == "f":
        return np.float32
    if slope is None:
        return np.int32 if stored.itemsize == 8 else stored.newbyteorder("=").type
    whole = slope == round(slope) and intercept == round(intercept)
    small = stored.itemsize <= 2 and max(abs(slope), abs(intercept)) < 2**14
    return np.int32 if whole and small else np.float32
