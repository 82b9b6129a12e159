"""DICOM-SEG: segments as masks on the grid of their series, read by highdicom."""

from collections.abc import Callable, Iterator

import highdicom
import numpy as np
from highdicom.seg import Segmentation as DicomSegmentation
from highdicom.seg import SegmentationTypeValues, segread

from deeprac.cohort.dicom.headers import UNREADABLE, Header
from deeprac.cohort.findings import CaseError
from deeprac.cohort.grid import Grid


class SegReader:
    """The segments of one DICOM-SEG file."""

    def __init__(self, header: Header) -> None:
        """Open a file; frames are read when they are asked for.

        Raises:
            CaseError: it cannot be read, or holds fractions.
        """
        try:
            self._file: DicomSegmentation = segread(
                header.path, lazy_frame_retrieval=True
            )
            self._names = {
                int(number): str(
                    self._file.get_segment_description(number).segment_label
                ).strip()
                for number in self._file.segment_numbers
            }
            fractions = (
                self._file.segmentation_type == SegmentationTypeValues.FRACTIONAL
            )
        except UNREADABLE as error:
            raise CaseError.of(
                "segmentation",
                "the DICOM-SEG file cannot be read: damaged, or not as DICOM asks. "
                "Export it again",
            ) from error
        if fractions:
            raise CaseError.of(
                "segmentation",
                "the DICOM-SEG file holds fractions, not yes or no. Export it as "
                "binary",
            )

    @property
    def names(self) -> list[str]:
        """Names of all segments."""
        return list(self._names.values())

    def masks(
        self, grid: Grid, wanted: Callable[[str], bool]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Name and mask [k, j, i] of bool of each wanted segment.

        Raises:
            CaseError: the frames do not lie on the grid of the series.
        """
        target = _geometry(grid)
        for number, name in self._names.items():
            if not wanted(name):
                continue
            try:
                volume = self._file.get_volume(
                    segment_numbers=[number], combine_segments=True, relabel=True
                )
                on_grid = volume.match_geometry(target, tol=_TOLERANCE)
            except UNREADABLE as error:
                raise CaseError.of(
                    "segmentation",
                    "the frames of the DICOM-SEG file do not lie on the slices of the "
                    "series, or cannot be read. Export it on the grid of the series",
                ) from error
            yield name, np.asarray(on_grid.array) > 0


_TOLERANCE = 1e-2
"""Share of a voxel by which the two grids may differ."""


def _geometry(grid: Grid) -> highdicom.VolumeGeometry:
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
