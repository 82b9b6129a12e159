"""Bringing a segmentation onto the grid of its image: exactly or not at all.

Convention: indices and matrices here are in SimpleITK's order (x, y, z).
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from deeprac.cohort.affine import short
from deeprac.cohort.findings import Finding, Severity
from deeprac.cohort.frame import orientation

TOLERANCE_VOXELS, TOLERANCE_MM = 0.1, 0.1
"""How far a voxel of the label may lie from one of the image, both limits along every
axis: written by different programs, headers of one grid differ by their rounding."""

NOTED_VOXELS = 0.01
"""A distance above this is recorded."""


@dataclass(frozen=True)
class _Fit:
    """Where the voxels of a segmentation lie among those of the image.

    Axis ``i`` of the image is axis ``order[i]`` of the segmentation, backwards where
    ``backwards[i]``; its first voxel then has the index ``start[i]`` in the image.
    """

    order: tuple[int, ...]
    backwards: tuple[bool, ...]
    start: tuple[int, ...]
    distance_voxels: float


def aligned(
    segmentation: sitk.Image, image: sitk.Image
) -> tuple[sitk.Image, list[Finding]]:
    """Bring a segmentation onto the grid of its image without resampling.

    Its axes may be in another order or direction, and it may cover a part of the image
    or reach beyond it, as long as nothing labelled does.

    Returns:
        The segmentation on the image's grid, or as it was where it does not fit; and
        what was found.
    """
    fit = _fit(segmentation, image)
    if fit is None:
        problem = (
            f"image and label are not on one grid: image {_told(image)}; label "
            f"{_told(segmentation)}. Resample the label onto the image's grid"
        )
        return segmentation, [Finding(Severity.ERROR, "grid", problem)]
    pasted, lost = _pasted(segmentation, fit, image.GetSize())
    if lost:
        problem = (
            f"{lost} labelled voxels lie outside of the image: image {_told(image)}; "
            f"label {_told(segmentation)}. Give image and label that belong together"
        )
        return segmentation, [Finding(Severity.ERROR, "grid", problem)]
    pasted.CopyInformation(image)
    notes = _notes(segmentation, image, fit)
    return pasted, [Finding(Severity.NOTE, "grid", note) for note in notes]


def _fit(segmentation: sitk.Image, image: sitk.Image) -> _Fit | None:
    """Where the segmentation lies, None where its voxels are none of the image's."""
    to_label, to_image = (_lps_from_voxel_mm(v) for v in (segmentation, image))
    steps = np.linalg.solve(to_image[:, :3], to_label[:, :3])
    first = np.linalg.solve(to_image[:, :3], to_label[:, 3] - to_image[:, 3])
    whole = np.rint(steps)
    if not np.array_equal(np.abs(whole) @ np.abs(whole).T, np.eye(3)):
        return None
    size = np.array(segmentation.GetSize())
    corner = np.abs(steps - whole) @ (size - 1) + np.abs(first - np.rint(first))
    corner_mm = corner * np.array(image.GetSpacing())
    if corner.max() > TOLERANCE_VOXELS or corner_mm.max() > TOLERANCE_MM:
        return None
    order = np.abs(whole).argmax(axis=1)
    backwards = whole.sum(axis=1) < 0
    start = np.rint(first) - np.where(backwards, size[order] - 1, 0)
    return _Fit(
        order=tuple(order.tolist()),
        backwards=tuple(backwards.tolist()),
        start=tuple(start.astype(int).tolist()),
        distance_voxels=float(corner.max()),
    )


def _lps_from_voxel_mm(volume: sitk.Image) -> np.ndarray:
    axes = np.reshape(volume.GetDirection(), (3, 3)) * np.array(volume.GetSpacing())
    return np.column_stack([axes, volume.GetOrigin()])


def _pasted(
    segmentation: sitk.Image, fit: _Fit, size: tuple[int, int, int]
) -> tuple[sitk.Image, int]:
    """The segmentation's voxels among the image's, and how many were lost."""
    numbers = sitk.GetArrayViewFromImage(segmentation).T.transpose(fit.order)
    numbers = np.flip(numbers, axis=np.flatnonzero(fit.backwards))
    whole = np.zeros(size[::-1], numbers.dtype)
    inside, there = [], []
    for start, length, limit in zip(fit.start, numbers.shape, size, strict=True):
        low, high = max(start, 0), min(start + length, limit)
        inside.append(slice(low, max(low, high)))
        there.append(slice(low - start, max(low, high) - start))
    kept = numbers[tuple(there)]
    whole.T[tuple(inside)] = kept
    lost = 0
    if kept.shape != numbers.shape:
        lost = np.count_nonzero(numbers) - np.count_nonzero(kept)
    return sitk.GetImageFromArray(whole), lost


def _notes(segmentation: sitk.Image, image: sitk.Image, fit: _Fit) -> list[str]:
    notes = []
    mine, its = (orientation(v.GetDirection()) for v in (segmentation, image))
    if fit.order != (0, 1, 2) or any(fit.backwards):
        notes.append(f"the label's axes are {mine}, the image's {its}; it was turned")
    size = tuple(segmentation.GetSize()[axis] for axis in fit.order)
    if any(fit.start) or size != image.GetSize():
        notes.append(
            f"the label covers {_by(size)} voxels from {fit.start} of the image's "
            f"{_by(image.GetSize())}; the rest was taken as background"
        )
    if fit.distance_voxels > NOTED_VOXELS:
        notes.append(
            f"the grids of image and label differ by {fit.distance_voxels:.2f} voxels; "
            "the image's was taken"
        )
    return notes


def _told(volume: sitk.Image) -> str:
    """A grid in words."""
    direction = volume.GetDirection()
    axes = orientation(direction)
    if not np.isin(np.abs(direction), (0, 1)).all():
        axes += f" {short(direction)}"
    return (
        f"{_by(volume.GetSize())} voxels of {short(volume.GetSpacing())} mm from "
        f"{short(volume.GetOrigin())} mm, axes {axes}"
    )


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
