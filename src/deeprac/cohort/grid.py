"""The grid of a volume, and bringing a segmentation onto that of its image.

Convention: sizes, indices, spacings and matrices here are in SimpleITK's order
(x, y, z); millimetres are LPS; arrays are [z, y, x].
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from deeprac.cohort.affine import short
from deeprac.cohort.findings import Finding
from deeprac.errors import CohortError

TOLERANCE_VOXELS, TOLERANCE_MM = 0.1, 0.1
"""How far a voxel of the label may lie from one of the image, both limits along every
axis: written by different programs, headers of one grid differ by their rounding."""

NOTED_VOXELS = 0.01
"""A distance above this is recorded."""

_SAME = 1e-6
"""Grids are one up to this share of a voxel; direction cosines up to this."""


_KEYS = ("size", "spacing_mm", "origin_mm", "direction")
"""Of a grid's JSON object."""


@dataclass(frozen=True)
class Grid:
    """Size, spacing and place of a volume with orthonormal axes.

    ``direction`` are the nine direction cosines row by row: column i of their 3 x 3
    matrix is the unit vector of axis i.
    """

    size: tuple[int, ...]
    spacing_xyz_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> "Grid":
        """The grid of a volume."""
        return cls(
            image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()
        )

    @classmethod
    def along(
        cls,
        axes: np.ndarray,
        size: Iterable[int],
        spacing_xyz_mm: Iterable[float],
        origin_mm: Iterable[float],
    ) -> "Grid":
        """The grid along axes, 3 x 3 with their unit vectors as columns."""
        return cls(
            tuple(map(int, size)),
            tuple(map(float, spacing_xyz_mm)),
            tuple(map(float, origin_mm)),
            tuple(axes.ravel().tolist()),
        )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Grid":
        """The grid from its JSON object."""
        return cls(*(tuple(stored[key]) for key in _KEYS))

    def as_json(self) -> dict[str, tuple]:
        """What ``from_json`` reads."""
        return dict(zip(_KEYS, astuple(self), strict=True))

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors of the axes as the columns of a 3 x 3 matrix."""
        return np.reshape(self.direction, (3, 3))

    @property
    def orientation(self) -> str:
        """DICOM's letters of the nearest of the 48 orientations."""
        return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
            self.direction
        )

    @property
    def lps_from_voxel_mm(self) -> np.ndarray:
        """The 3 x 4 matrix that maps indices to millimetres."""
        return np.column_stack(
            [self.axes * np.array(self.spacing_xyz_mm), self.origin_mm]
        )

    def index_from_mm(self, points_mm: np.ndarray) -> np.ndarray:
        """Continuous indices [n, 3] of points [n, 3]."""
        return (points_mm - np.array(self.origin_mm)) @ self.axes / self.spacing_xyz_mm

    def is_same_as(self, other: "Grid") -> bool:
        """Whether two grids are one but for rounding."""
        near = _SAME * self.spacing_xyz_mm[0]
        return self.size == other.size and all(
            np.allclose(a, b, rtol=0, atol=tolerance)
            for a, b, tolerance in (
                (self.spacing_xyz_mm, other.spacing_xyz_mm, near),
                (self.origin_mm, other.origin_mm, near),
                (self.direction, other.direction, _SAME),
            )
        )

    def place(self, image: sitk.Image) -> sitk.Image:
        """Give a volume of this size the grid's spacing and place."""
        image.SetSpacing(self.spacing_xyz_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image

    def volume(self, array: np.ndarray) -> sitk.Image:
        """A volume of an array [z, y, x]."""
        return self.place(sitk.GetImageFromArray(array))

    def restore(self, label: sitk.Image) -> sitk.Image:
        """Bring a canonical volume back onto this grid, its source's.

        Voxels are only permuted and flipped, never resampled: what ``canonical`` did
        is undone exactly.

        Raises:
            CohortError: the volume has not this grid's size.
        """
        back = sitk.DICOMOrient(label, self.orientation)
        if back.GetSize() != self.size:
            raise CohortError(
                f"a label map of {label.GetSize()} voxels does not belong to a source "
                f"of {self.size}. Give the one of the same case."
            )
        return self.place(back)

    def __str__(self) -> str:
        """The grid in words, for messages."""
        axes = self.orientation
        if not np.isin(np.abs(self.direction), (0, 1)).all():
            axes += f" {short(self.direction)}"
        return (
            f"{_by(self.size)} voxels of {short(self.spacing_xyz_mm)} mm from "
            f"{short(self.origin_mm)} mm, axes {axes}"
        )


def aligned(
    segmentation: sitk.Image, image: sitk.Image
) -> tuple[sitk.Image, list[Finding]]:
    """Bring a segmentation onto the grid of its image, each voxel as it is.

    Its axes may be in another order or direction, and it may cover a part of the image
    or reach beyond it, as long as nothing labelled does.

    Returns:
        The segmentation on the image's grid, or as it was where it does not fit; and
        what was found.
    """
    label_grid, image_grid = Grid.of(segmentation), Grid.of(image)
    notes = _placed(label_grid, image_grid)
    if notes is None:
        problem = (
            f"image and label are not on one grid: image {image_grid}; label "
            f"{label_grid}. Resample the label onto the image's grid"
        )
        return segmentation, [Finding.error("grid", problem)]
    # Voxels lie on voxels: the nearest is the same one.
    pasted = sitk.Resample(
        segmentation, image, sitk.Transform(), sitk.sitkNearestNeighbor
    )
    if lost := _labelled(segmentation) - _labelled(pasted):
        problem = (
            f"{lost} labelled voxels lie outside of the image: image {image_grid}; "
            f"label {label_grid}. Give image and label that belong together"
        )
        return segmentation, [Finding.error("grid", problem)]
    return pasted, [Finding.note("grid", note) for note in notes]


def _labelled(volume: sitk.Image) -> int:
    return int(np.count_nonzero(sitk.GetArrayViewFromImage(volume)))


def _placed(label: Grid, image: Grid) -> list[str] | None:
    """How the segmentation lies in the image, where that is worth a note.

    None where its voxels are none of the image's.
    """
    to_label, to_image = label.lps_from_voxel_mm, image.lps_from_voxel_mm
    steps = np.linalg.solve(to_image[:, :3], to_label[:, :3])
    first = np.linalg.solve(to_image[:, :3], to_label[:, 3] - to_image[:, 3])
    whole = np.rint(steps)
    if not np.array_equal(np.abs(whole) @ np.abs(whole).T, np.eye(3)):
        return None
    size = np.array(label.size)
    corner = np.abs(steps - whole) @ (size - 1) + np.abs(first - np.rint(first))
    corner_mm = corner * np.array(image.spacing_xyz_mm)
    if corner.max() > TOLERANCE_VOXELS or corner_mm.max() > TOLERANCE_MM:
        return None
    notes = []
    if not np.array_equal(whole, np.eye(3)):
        notes.append(
            f"the label's axes are {label.orientation}, the image's "
            f"{image.orientation}; it was turned"
        )
    # Along the image's axes: the label's size, and where it begins.
    size = size[np.abs(whole).argmax(axis=1)]
    start = np.rint(first) - np.where(whole.sum(axis=1) < 0, size - 1, 0)
    if start.any() or tuple(size) != image.size:
        notes.append(
            f"the label covers {_by(size)} voxels from "
            f"{tuple(start.astype(int).tolist())} of the image's {_by(image.size)}; "
            "the rest was taken as background"
        )
    if corner.max() > NOTED_VOXELS:
        notes.append(
            f"the grids of image and label differ by {corner.max():.2f} voxels; the "
            "image's was taken"
        )
    return notes


def _by(size: Iterable[int]) -> str:
    return " x ".join(map(str, size))
