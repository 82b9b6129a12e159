"""Reading NIfTI: the header as it is, the voxels in one decompression.

Convention: NIfTI's axes are RAS, ours LPS; all matrices here are ``lps_from_voxel_mm``,
3 x 4.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.spatialimages import HeaderDataError

from deeprac.cohort import affine
from deeprac.cohort.findings import CaseError, Finding, Severity, refuse_errors
from deeprac.cohort.voxels import INT32, TOO_LARGE, three_dimensions

DISAGREEMENT_MM = 0.1
"""What qform and sform may differ by anywhere in the volume."""

_KINDS = (nib.Nifti1Header, nib.Nifti2Header)
_HEADER_BYTES = 540
_UNITS = {0: ("unknown", 1.0), 1: ("metres", 1e3), 2: ("mm", 1.0),
          3: ("micrometres", 1e-3)}  # fmt: skip
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
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
            header = _header(stream)
            size, findings = three_dimensions(header.get_data_shape())
            grid, found = _grid(header, size)
            findings = list(refuse_errors(findings + found))
            values, found = _voxels(stream, header, size)
            findings += found
            while stream.read(_CHUNK):
                pass
    except _DAMAGED as error:
        raise CaseError.of(
            "file",
            "the file is cut short or damaged. Copy or download it again",
        ) from error
    volume = sitk.GetImageFromArray(values)
    spacing, direction, origin = grid
    volume.SetSpacing(spacing.tolist())
    volume.SetDirection(direction.ravel().tolist())
    volume.SetOrigin(origin.tolist())
    return volume, findings


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where they are packed, whatever its name says."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.open(raw) as stream:
            yield stream


def _header(stream: BinaryIO) -> nib.Nifti1Header:
    """The header, unchecked; the stream is left at the first voxel."""
    start = stream.read(_HEADER_BYTES)
    for kind in _KINDS:
        if kind.may_contain_header(start):
            header = kind(start[: kind.template_dtype.itemsize], check=False)
            break
    else:
        raise CaseError.of("file", "the file is not NIfTI. Export it again")
    offset = int(header["vox_offset"])
    if not header["magic"].item().startswith(b"n+") or offset < header.sizeof_hdr:
        raise CaseError.of(
            "file",
            "the file is one half of a pair of header and voxels. Store both as one "
            "NIfTI file",
        )
    stream.seek(offset)
    return header


Grid = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Spacing in mm, direction cosines and origin in mm; LPS."""


def _grid(
    header: nib.Nifti1Header, size: tuple[int, int, int]
) -> tuple[Grid | None, list[Finding]]:
    """The grid that the header tells, and what was found."""
    pixdim = np.array(header["pixdim"][1:4], float)
    if not (np.isfinite(pixdim).all() and pixdim.min() > 0):
        problem = (
            f"the header gives the spacing {affine.short(pixdim)}; it must be above "
            "zero. Correct pixdim"
        )
        return None, [Finding(Severity.ERROR, "spacing", problem)]
    matrix, findings = _matrix(header, size)
    if matrix is None:
        return None, findings
    code = int(header["xyzt_units"]) & 7
    if code not in _UNITS:
        problem = (
            f"the header's unit of length has the number {code}; NIfTI knows 0 to 3"
        )
        return None, [*findings, Finding(Severity.ERROR, "unit", problem)]
    unit, in_mm = _UNITS[code]
    if in_mm != 1:
        repair = f"the header's unit of length is {unit}; converted to mm"
        findings.append(Finding(Severity.REPAIRED, "unit", repair))
    matrix = matrix * in_mm
    spacing, direction, found = affine.orthonormal(matrix[:, :3])
    return (spacing, direction, matrix[:, 3]), findings + found


def _matrix(
    header: nib.Nifti1Header, size: tuple[int, int, int]
) -> tuple[np.ndarray | None, list[Finding]]:
    """The matrix of sform and qform, in the header's unit, where they agree."""
    found = {}
    header = header.copy()
    if header["pixdim"][0] == 0:
        # The standard: "if this is 0, it is taken as 1".
        header["pixdim"][0] = 1
    try:
        for name, get in (("sform", header.get_sform), ("qform", header.get_qform)):
            ras, code = get(coded=True)
            if code:
                found[name] = _LPS_FROM_RAS @ ras[:3].astype(float)
    except (HeaderDataError, ValueError) as error:
        return None, [
            Finding(Severity.ERROR, "affine", f"the header's qform is broken ({error})")
        ]
    if not found:
        problem = (
            "neither qform nor sform is set: nothing tells left from right. Set one "
            "from the original images"
        )
        return None, [Finding(Severity.ERROR, "affine", problem)]
    if "qform" not in found:
        return _agreeing_spacing(found["sform"], header, size)
    if "sform" in found:
        return _agreeing_forms(found["sform"], found["qform"], size)
    return found["qform"], []


def _agreeing_forms(
    sform: np.ndarray, qform: np.ndarray, size: tuple[int, int, int]
) -> tuple[np.ndarray | None, list[Finding]]:
    """The sform, unless the qform puts the voxels elsewhere."""
    if (
        not np.isfinite(sform).all()
        or _largest_shift(sform - qform, size) > DISAGREEMENT_MM
    ):
        problem = (
            f"sform and qform disagree: sform {_rows(sform)}, qform {_rows(qform)} "
            "(rows of voxel to LPS). Set the code of the wrong one to 0"
        )
        return None, [Finding(Severity.ERROR, "affine", problem)]
    return sform, []


def _agreeing_spacing(
    sform: np.ndarray, header: nib.Nifti1Header, size: tuple[int, int, int]
) -> tuple[np.ndarray | None, list[Finding]]:
    """The sform, unless its steps are not those of pixdim."""
    steps = np.linalg.norm(sform[:, :3], axis=0)
    pixdim = np.array(header["pixdim"][1:4], float)
    if not np.abs(steps - pixdim).max() * max(size) <= DISAGREEMENT_MM:
        problem = (
            f"the steps of sform are {affine.short(steps)}, pixdim gives "
            f"{affine.short(pixdim)}. Correct the wrong one"
        )
        return None, [Finding(Severity.ERROR, "affine", problem)]
    return sform, []


def _largest_shift(difference: np.ndarray, size: tuple[int, int, int]) -> float:
    """How far apart two 3 x 4 matrices with this difference put a corner, at most."""
    last = np.array(size) - 1
    return float((np.abs(difference[:, :3]) @ last + np.abs(difference[:, 3])).max())


def _rows(matrix: np.ndarray) -> str:
    return " ".join(affine.short(row) for row in matrix)


def _voxels(
    stream: io.BufferedIOBase, header: nib.Nifti1Header, size: tuple[int, int, int]
) -> tuple[np.ndarray, list[Finding]]:
    """All voxels [z, y, x], scaled, slice by slice: never a second copy."""
    stored = _stored_type(header)
    slope, intercept, findings = _scaling(header)
    target = _target_type(stored, slope, intercept)
    values = np.empty(size[::-1], target)
    slab = np.empty(size[1::-1], stored)
    for index in range(size[2]):
        _fill(stream, slab)
        if _beyond_int32(slab):
            raise CaseError.of("values", TOO_LARGE)
        values[index] = slab if slope is None else slab * slope + intercept
    return values, findings


def _beyond_int32(slab: np.ndarray) -> bool:
    if slab.dtype.kind not in "iu" or slab.dtype.itemsize < 8:
        return False
    return slab.min() < INT32.min or slab.max() > INT32.max


def _fill(stream: io.BufferedIOBase, array: np.ndarray) -> None:
    view, done = memoryview(array).cast("B"), 0
    while done < len(view):
        count = stream.readinto(view[done : done + _CHUNK])
        if not count:
            raise EOFError
        done += count


def _stored_type(header: nib.Nifti1Header) -> np.dtype:
    try:
        stored = header.get_data_dtype()
    except HeaderDataError as error:
        raise CaseError.of(
            "values", f"the header's type of numbers is unknown ({error})"
        ) from error
    if stored.kind not in "iuf":
        what = "colours (RGB)" if stored.kind == "V" else "complex numbers"
        raise CaseError.of(
            "values", f"it holds {what}, not one number per voxel. Export CT or labels"
        )
    return stored


def _scaling(
    header: nib.Nifti1Header,
) -> tuple[float | None, float, list[Finding]]:
    """Slope, None without scaling, and intercept of the stored numbers."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isnan(slope) or slope == 0:
        # The standard: a slope of 0 is no scaling; nibabel writes NaN for the same.
        if np.isnan(intercept) or intercept == 0:
            return None, 0.0, []
        doubt = (
            f"scl_slope is {slope:g}, so that scl_inter {intercept:g} is ignored, as "
            "the standard says"
        )
        return None, 0.0, [Finding(Severity.WARNING, "scaling", doubt)]
    if not np.isfinite([slope, intercept]).all():
        raise CaseError.of(
            "scaling",
            f"scl_slope is {slope:g} and scl_inter {intercept:g}; both must be finite. "
            "Correct the header",
        )
    return (None, 0.0, []) if (slope, intercept) == (1, 0) else (slope, intercept, [])


def _target_type(stored: np.dtype, slope: float | None, intercept: float) -> type:
    """The smallest of our types that holds the numbers without loss for CT."""
    if stored.kind == "f":
        return np.float32
    if slope is None:
        return np.int32 if stored.itemsize == 8 else stored.newbyteorder("=").type
    whole = slope == round(slope) and intercept == round(intercept)
    small = stored.itemsize <= 2 and max(abs(slope), abs(intercept)) < 2**14
    return np.int32 if whole and small else np.float32
