"""The header of a NIfTI file, as it is: everything is checked and nothing guessed.

Convention: NIfTI's axes are RAS, the grid's LPS; all matrices here are
``lps_from_voxel_mm``, 3 x 4; sizes and spacings are in the order (x, y, z).
"""

import struct
from io import BufferedIOBase

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from deeprac.cohort import affine
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.grid import Grid

DISAGREEMENT_MM = 0.1
"""What qform and sform may differ by anywhere in the volume."""

_KINDS = (nib.Nifti1Header, nib.Nifti2Header)
_HEADER_BYTES = 540
_LAST_OFFSET = 2**30
"""Far beyond any extension of a header; a damaged offset would be read up to."""
_MOST_AXES = 7
_UNITS = {0: ("unknown", 1.0), 1: ("metres", 1e3), 2: ("mm", 1.0),
          3: ("micrometres", 1e-3)}  # fmt: skip
_LPS_FROM_RAS = np.array([[-1.0], [-1.0], [1.0]])
"""Signs of the rows: a product of matrices would spread a NaN over all of them."""
_LARGEST_SCALING = 1e6
"""Neither HU nor numbers of labels come from a larger slope or intercept."""
_SMALLEST_VALUE = 1e-3
"""An integer times its slope must be able to reach this much."""


def read_header(stream: BufferedIOBase) -> nib.Nifti1Header:
    """Read the header; the stream is left at the first voxel.

    Raises:
        CaseError: it is not NIfTI, half of one, or damaged where voxels should begin.
    """
    start = stream.read(_HEADER_BYTES)
    header = next((found for kind in _KINDS if (found := _parsed(kind, start))), None)
    if header is None:
        raise CaseError.of("file", "the file is not NIfTI. Export it again")
    if not header["magic"].item().startswith(b"n+"):
        raise CaseError.of(
            "file",
            "the file is one half of a pair of header and voxels. Store both as one "
            "NIfTI file",
        )
    offset = float(header["vox_offset"])
    first, last = header.sizeof_hdr, _LAST_OFFSET
    if not (first <= offset <= last and offset.is_integer()):
        raise CaseError.of(
            "file",
            f"the header's vox_offset is {offset:g}; voxels begin at a whole number of "
            f"bytes from {first} to {last}. Export it again",
        )
    stream.seek(int(offset))
    return header


def _parsed(kind: type[nib.Nifti1Header], start: bytes) -> nib.Nifti1Header | None:
    """The header of this kind, in the byte order in which its own size is right.

    nibabel guesses the order from dim[0], which may be what is damaged.
    """
    if not kind.may_contain_header(start):
        return None
    block, size = start[: kind.template_dtype.itemsize], kind.sizeof_hdr
    for order in "<>":
        if struct.unpack(f"{order}i", start[:4])[0] == size:
            return kind(block, endianness=order, check=False)
    return None


def shape(header: nib.Nifti1Header) -> list[int]:
    """Size along every axis, by the header.

    FreeSurfer's -1 in dim[1], which nibabel knows, stands for surfaces.

    Raises:
        CaseError: there is none.
    """
    count, *sizes = (int(number) for number in header["dim"])
    sizes = sizes[: max(count, 0)]
    if not 1 <= count <= _MOST_AXES or min(sizes) < 1:
        raise CaseError.of(
            "shape",
            f"the header's dim is {(count, *sizes)}: the number of axes, 1 to "
            f"{_MOST_AXES}, then the size along each, above zero. Export it again",
        )
    return sizes


def grid(
    header: nib.Nifti1Header, size: tuple[int, int, int]
) -> tuple[Grid, list[Finding]]:
    """The grid by the header, and what was repaired in it.

    Raises:
        CaseError: spacing, unit or axes are missing, wrong or contradict each other.
    """
    pixdim = np.array(header["pixdim"][1:4], float)
    if not (np.isfinite(pixdim).all() and pixdim.min() > 0):
        raise CaseError.of(
            "spacing",
            f"the header gives the spacing {affine.short(pixdim)}; it must be above "
            "zero. Correct pixdim",
        )
    matrix = _matrix(header, size)
    code = int(header["xyzt_units"]) & 7
    if code not in _UNITS:
        text = f"the header's unit of length has the number {code}; NIfTI knows 0 to 3"
        raise CaseError.of("unit", text)
    unit, in_mm = _UNITS[code]
    repairs = []
    if in_mm != 1:
        repair = f"the header's unit of length is {unit}; converted to mm"
        repairs.append(Finding.repaired("unit", repair))
    matrix = matrix * in_mm
    spacing, direction, found = affine.orthonormal(matrix[:, :3])
    return Grid.along(direction, size, spacing, matrix[:, 3]), repairs + found


def _matrix(header: nib.Nifti1Header, size: tuple[int, int, int]) -> np.ndarray:
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
                found[name] = _LPS_FROM_RAS * ras[:3].astype(float) + 0.0  # no -0
    except (HeaderDataError, ValueError):
        raise _broken_qform(header) from None
    sform, qform = found.get("sform"), found.get("qform")
    if qform is not None and not np.isfinite(qform[:, :3]).all():
        raise _broken_qform(header)
    if qform is None:
        if sform is None:
            raise CaseError.of(
                "affine",
                "neither qform nor sform is set: nothing tells left from right. Set "
                "one from the original images",
            )
        _refuse_other_steps(sform, header, size)
        return sform
    if sform is None:
        return qform
    # How far apart they put a corner, at most; a NaN compares as not smaller.
    apart = np.abs(sform - qform)
    shift_mm = (apart[:, :3] @ (np.array(size) - 1) + apart[:, 3]).max()
    if not shift_mm <= DISAGREEMENT_MM:
        raise CaseError.of(
            "affine",
            f"sform and qform disagree: sform {_rows(sform)}, qform {_rows(qform)} "
            "(rows of voxel to LPS). Set the code of the wrong one to 0",
        )
    return sform


def _broken_qform(header: nib.Nifti1Header) -> CaseError:
    quaternion = affine.short([float(header[f"quatern_{part}"]) for part in "bcd"])
    return CaseError.of(
        "affine",
        f"the header's qform is broken: its quaternion is {quaternion}, at most 1 long "
        f"in one that turns, and pixdim[0] is {float(header['pixdim'][0]):g}, which "
        "must be -1, 0 or 1. Correct it, or set qform_code to 0 where sform is right",
    )


def _refuse_other_steps(
    sform: np.ndarray, header: nib.Nifti1Header, size: tuple[int, int, int]
) -> None:
    steps = np.linalg.norm(sform[:, :3], axis=0)
    pixdim = np.array(header["pixdim"][1:4], float)
    if not np.abs(steps - pixdim).max() * max(size) <= DISAGREEMENT_MM:
        raise CaseError.of(
            "affine",
            f"the steps of sform are {affine.short(steps)}, pixdim gives "
            f"{affine.short(pixdim)}. Correct the wrong one",
        )


def _rows(matrix: np.ndarray) -> str:
    return " ".join(affine.short(row) for row in matrix)


def stored_type(header: nib.Nifti1Header) -> np.dtype:
    """The type of the stored numbers, in their byte order.

    Raises:
        CaseError: it is none, or not one real number per voxel.
    """
    code = int(header["datatype"])
    try:
        stored = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        stored = np.dtype("V")
    if not stored.itemsize:
        raise CaseError.of(
            "values",
            f"the header's datatype is {code}, which stands for no numbers that are "
            "read. Export it again, as int16 or float32",
        )
    if stored.kind not in "iuf":
        what = "colours (RGB)" if stored.kind == "V" else "complex numbers"
        raise CaseError.of(
            "values", f"it holds {what}, not one number per voxel. Export CT or labels"
        )
    return stored


def scaling(
    header: nib.Nifti1Header, stored: np.dtype
) -> tuple[float | None, float, list[Finding]]:
    """Slope, None without scaling, and intercept of the stored numbers.

    Raises:
        CaseError: no CT and no label map is scaled like that.
    """
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isnan(slope) or slope == 0:
        # The standard: a slope of 0 is no scaling; nibabel writes NaN for the same.
        if np.isnan(intercept) or intercept == 0:
            return None, 0.0, []
        doubt = (
            f"scl_slope is {slope:g}, so that scl_inter {intercept:g} is ignored, as "
            "the standard says"
        )
        return None, 0.0, [Finding.warning("scaling", doubt)]
    largest = np.abs([slope, intercept]).max()
    reach = abs(slope) * np.iinfo(stored).max if stored.kind in "iu" else np.inf
    if not (largest <= _LARGEST_SCALING and reach >= _SMALLEST_VALUE):
        raise CaseError.of(
            "scaling",
            f"scl_slope is {slope:g} and scl_inter {intercept:g}; both must be finite, "
            f"within {_LARGEST_SCALING:.0f}, and the slope must leave the numbers "
            f"larger than {_SMALLEST_VALUE:g}. Correct the header",
        )
    return (None, 0.0, []) if (slope, intercept) == (1, 0) else (slope, intercept, [])
