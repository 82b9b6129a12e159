"""The segmentations of a case, whatever they come in, as label maps."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import highdicom
import numpy as np
from highdicom.seg import Segmentation as DicomSegmentation
from highdicom.seg import SegmentationTypeValues, segread

from deeprac.cohort.dicom import rtstruct
from deeprac.cohort.dicom.headers import UNREADABLE, Header
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.grid import Grid
from deeprac.cohort.reader import MAX_NUMBER, Layers, Segmentation
from deeprac.labels import plain_name

NONE = (
    "no segmentation was found: neither DICOM-SEG nor RTSTRUCT that refers to a "
    "series, nor a label file (NIfTI, NRRD, MetaImage) in the folder of the case or "
    "called after the patient's id. Add one, or leave the patient out"
)


def choose_segmentations(
    headers: Sequence[Header], rule: str
) -> tuple[tuple[Header, ...], list[Finding]]:
    """Choose among the DICOM segmentations that refer to a series.

    Args:
        headers: all of them, copies of one file included.
        rule: ``cohort.dicom.segmentations``: one, newest or all.

    Raises:
        CaseError: there are several and the rule does not choose.
    """
    different = list({header.sop_uid: header for header in headers}.values())
    count = len(different)
    if count <= 1:
        return tuple(different), []
    if rule == "one":
        raise CaseError.of(
            "segmentation",
            f"{count} DICOM segmentations refer to the series. Keep one, or set "
            "cohort.dicom.segmentations to newest or all",
        )
    if rule == "all":
        message = f"{count} DICOM segmentations refer to the series; all were taken"
        return tuple(different), [Finding.note("segmentation", message)]
    newest = max(header.created for header in different)
    chosen = [header for header in different if header.created == newest]
    if len(chosen) > 1 or not newest:
        raise CaseError.of(
            "segmentation",
            f"{count} DICOM segmentations refer to the series and none is the newest. "
            "Keep one, or set cohort.dicom.segmentations to all",
        )
    message = f"{count} DICOM segmentations refer to the series; the newest was taken"
    return tuple(chosen), [Finding.note("segmentation", message)]


def wanted_names(labels: Mapping[str, Sequence[str]]) -> Callable[[str], bool]:
    """Whether the voxels of a segment are needed: all but those of the background.

    Segments that are listed nowhere are needed too: their voxels are an error.
    """
    background = {plain_name(name) for name in labels.get("background", ())}
    used = {plain_name(name) for title, names in labels.items()
            if title != "background" for name in names}  # fmt: skip

    def wanted(name: str) -> bool:
        plain = plain_name(name)
        return plain in used or not ("*" in background or plain in background)

    return wanted


def read_segmentations(
    headers: Sequence[Header], grid: Grid, wanted: Callable[[str], bool]
) -> tuple[tuple[Segmentation, ...], list[Finding]]:
    """Read DICOM segmentations, one or several together, onto their series' grid.

    Segments that are not ``wanted`` are known by name only.

    Raises:
        CaseError: they cannot be read, or do not fit the series.
    """
    findings: list[Finding] = []
    files = [_MASKS[one.modality](one, grid, wanted, findings) for one in headers]
    names = {name for names_of_file, _ in files for name in names_of_file}
    if len(names) > MAX_NUMBER:
        raise CaseError.of(
            "segmentation",
            f"there are {len(names)} names of segments, more than {MAX_NUMBER}. Export "
            "the ones that are needed",
        )
    layers = Layers(names)
    for _, masks in files:
        for name, mask in masks:
            layers.add(mask, name, grid)
    nothing = Segmentation(
        grid.volume(np.zeros(grid.size[::-1], np.uint8)), layers.names
    )
    return layers.segmentations() or (nothing,), findings


def _seg_masks(
    header: Header, grid: Grid, wanted: Callable[[str], bool], _: list[Finding]
) -> tuple[list[str], Iterator[tuple[str, np.ndarray]]]:
    """Open a DICOM-SEG file; as ``rtstruct.masks``, frames are read when asked for."""
    try:
        # Of frames that begin within a byte, highdicom reads too little.
        whole_bytes = header.rows * header.columns % 8 == 0
        file: DicomSegmentation = segread(header.path, lazy_frame_retrieval=whole_bytes)
        names = {
            int(number): str(file.get_segment_description(number).segment_label).strip()
            for number in file.segment_numbers
        }
        fractions = file.segmentation_type == SegmentationTypeValues.FRACTIONAL
    except UNREADABLE as error:
        raise CaseError.of(
            "segmentation",
            "the DICOM-SEG file cannot be read: damaged, or not as DICOM asks. Export "
            "it again",
        ) from error
    if fractions:
        raise CaseError.of(
            "segmentation",
            "the DICOM-SEG file holds fractions, not yes or no. Export it as binary",
        )
    made = (
        (name, _seg_mask(file, number, grid))
        for number, name in names.items()
        if wanted(name)
    )
    return list(names.values()), made


def _seg_mask(file: DicomSegmentation, number: int, grid: Grid) -> np.ndarray:
    try:
        volume = file.get_volume(
            segment_numbers=[number], combine_segments=True, relabel=True
        )
        on_grid = volume.match_geometry(geometry(grid), tol=_TOLERANCE)
    except UNREADABLE as error:
        raise CaseError.of(
            "segmentation",
            "the frames of the DICOM-SEG file do not lie on the slices of the series, "
            "or cannot be read. Export it on the grid of the series",
        ) from error
    return np.asarray(on_grid.array) > 0


_TOLERANCE = 1e-2
"""Share of a voxel by which the two grids may differ."""


def geometry(grid: Grid) -> highdicom.VolumeGeometry:
    """The grid for highdicom, whose arrays are [k, j, i] too."""
    i, j, k = (
        axis * spacing
        for axis, spacing in zip(grid.axes.T, grid.spacing_xyz_mm, strict=True)
    )
    affine = np.eye(4)
    affine[:3] = np.column_stack([k, j, i, grid.origin_mm])
    return highdicom.VolumeGeometry(
        affine, grid.size[::-1], coordinate_system="PATIENT"
    )


_MASKS = {"SEG": _seg_masks, "RTSTRUCT": rtstruct.masks}
