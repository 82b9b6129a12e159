"""Reading the pixels of a series as a volume in the units of its rescale tags.

SimpleITK reads single slices, compressed ones too, and highdicom multi-frame files and
slices of MONOCHROME1. That is about how a screen shows them, low values bright; HU do
not depend on it, but ITK inverts such values.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import highdicom
import numpy as np
import SimpleITK as sitk

from deeprac.cohort.dicom.geometry import grid_of, slice_findings
from deeprac.cohort.dicom.headers import UNREADABLE, Header
from deeprac.cohort.dicom.series import (
    MIN_AXIAL,
    MIN_SLICES,
    SAME_POSITION_MM,
    Stack,
    depths_mm,
)
from deeprac.cohort.findings import CaseError, Finding, refuse_errors
from deeprac.cohort.grid import Grid
from deeprac.cohort.voxels import three_dimensions

_HU: dict[str, Any] = {
    "apply_real_world_transform": False,
    "apply_modality_transform": True,
    "apply_presentation_lut": False,
}
"""What makes values HU for highdicom: the rescale tags alone."""


def read_stack(stack: Stack) -> tuple[sitk.Image, Stack, list[Finding]]:
    """Check the slices of a stack and read them.

    Returns:
        The volume, the stack without doubled slices, and what was found.

    Raises:
        CaseError: the slices make no volume, or cannot be read.
    """
    first = stack.headers[0]
    if first.is_multi_frame_ct:
        return _read_multi_frame(first), stack, list(_inverted([first]))
    stack, findings = _without_doubles(stack)
    findings += slice_findings(stack)
    refuse_errors(findings)
    grid = grid_of(stack.headers)
    _refuse_too_large(grid.size)
    findings += _inverted(stack.headers)
    return grid.place(_read_slices(stack.headers)), stack, findings


def _refuse_too_large(size: tuple[int, ...]) -> None:
    try:
        three_dimensions(size)
    except CaseError as error:
        raise error.about("the image") from None


def _inverted(headers: Sequence[Header]) -> Iterator[Finding]:
    if count := sum(header.is_inverted for header in headers):
        yield Finding.note(
            "photometric interpretation",
            f"{count} of {len(headers)} files are MONOCHROME1, shown with low values "
            "bright: their values were read as they are stored",
        )


def _without_doubles(stack: Stack) -> tuple[Stack, list[Finding]]:
    """Drop slices that are there twice, pixel for pixel.

    Raises:
        CaseError: slices in the same place differ.
    """
    close = np.flatnonzero(np.diff(depths_mm(stack.headers)) < SAME_POSITION_MM)
    pairs = [(int(index), int(index) + 1) for index in close]
    if not pairs:
        return stack, []
    different = sum(
        not np.array_equal(
            *(_read_slice(stack.headers[index], "a slice") for index in pair)
        )
        for pair in pairs
    )
    if different:
        raise CaseError.of(
            "slices",
            f"{different} of {stack.slices} slices lie in the same place as another "
            "but differ from it. Keep one series of slices",
        )
    dropped = {second for _, second in pairs}
    kept = [h for index, h in enumerate(stack.headers) if index not in dropped]
    if len(kept) < MIN_SLICES:
        raise CaseError.of(
            "slices",
            f"only {len(kept)} of {stack.slices} slices differ in place. Give a volume",
        )
    message = f"{len(dropped)} slices were there twice, pixel for pixel, and dropped"
    return (
        Stack(tuple(kept), lacking=stack.lacking, left_out=stack.left_out),
        [Finding.repaired("slices", message)],
    )


def _read_slice(header: Header, which: str) -> np.ndarray:
    """One slice [j, i] as float32, behind an axis of one slice where ITK reads it.

    Raises:
        CaseError: it cannot be read.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(header.path))
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        if _is_cut_short(header):
            raise OSError
        if not header.is_inverted:
            return sitk.GetArrayFromImage(reader.Execute())
        return highdicom.imread(header.path).get_frame(1, dtype=np.float32, **_HU)
    except UNREADABLE as error:
        compression = (
            "a compression that is read in MONOCHROME2 only" if header.is_inverted
            else "an unknown compression"
        )  # fmt: skip
        raise CaseError.of(
            "files",
            f"the pixels of {which} cannot be read: cut short, damaged or in "
            f"{compression}. Export the series again",
        ) from error


def _is_cut_short(header: Header) -> bool:
    """Whether uncompressed pixels end too early; GDCM would fill them up."""
    needed = header.frames * header.rows * header.columns * header.bits // 8
    return header.is_plain and header.path.stat().st_size < needed


def _read_slices(headers: Sequence[Header]) -> sitk.Image:
    """The volume of sorted slices, as int32 where the rescaling keeps whole numbers.

    Slices are read one by one into one array: each with its own rescale tags.
    """
    whole = all(h.slope == round(h.slope) and h.intercept == round(h.intercept)
                for h in headers)  # fmt: skip
    shape = (len(headers), headers[0].rows, headers[0].columns)
    values = np.empty(shape, np.int32 if whole else np.float32)
    for index, header in enumerate(headers):
        which = f"slice {index + 1} of {len(headers)}"
        values[index] = _read_slice(header, which)
    return sitk.GetImageFromArray(values)


def _read_multi_frame(header: Header) -> sitk.Image:
    """The volume of a multi-frame file; highdicom refuses frames that make none.

    Raises:
        CaseError: it cannot be read, or its frames make no axial volume.
    """
    cut_short = _is_cut_short(header)
    if not cut_short and header.rows and header.columns:
        _refuse_too_large((header.columns, header.rows, header.frames))
    try:
        # A wrong number of frames would fill the memory.
        if cut_short:
            raise OSError
        volume = highdicom.imread(header.path).get_volume(dtype=np.float32, **_HU)
    except UNREADABLE as error:
        raise CaseError.of(
            "files",
            f"the {header.frames} frames of the multi-frame file are no evenly spaced "
            "volume or cannot be read. Export the series as single slices",
        ) from error
    grid, array = _right_handed(volume)
    if abs(grid.axes[2, 2]) < MIN_AXIAL or len(array) < MIN_SLICES:
        raise CaseError.of(
            "series",
            "the frames of the multi-frame file are not axial, or fewer than "
            f"{MIN_SLICES}. Give an axial CT series",
        )
    return grid.volume(array)


def _right_handed(volume: highdicom.Volume) -> tuple[Grid, np.ndarray]:
    """Grid and array [k, j, i] of a volume; highdicom's axes are k, j, i too."""
    axes, array = volume.direction[:, ::-1].copy(), np.asarray(volume.array)
    spacing_xyz_mm, origin_mm = volume.spacing[::-1], np.array(volume.position)
    if np.linalg.det(axes) < 0:
        origin_mm = origin_mm + axes[:, 2] * spacing_xyz_mm[2] * (len(array) - 1)
        axes[:, 2] *= -1
        array = array[::-1]
    return Grid.along(axes, array.shape[::-1], spacing_xyz_mm, origin_mm), array
