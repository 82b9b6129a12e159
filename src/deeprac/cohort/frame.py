"""The canonical frame: axial slices, LPS, true spacing; and the way back."""

from dataclasses import dataclass

import SimpleITK as sitk

from deeprac.cohort import checks
from deeprac.cohort.findings import Finding, Severity

FRAME = "LPS"
"""Orientation of every case, in DICOM's letters."""


@dataclass(frozen=True)
class SourceFrame:
    """The grid of the source's image: what restores a canonical label map.

    Sizes, spacings and origins in SimpleITK's order (x, y, z), in mm; ``direction`` are
    the nine direction cosines row by row.
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> "SourceFrame":
        """The frame of an image as it came."""
        return cls(
            size=image.GetSize(),
            spacing_mm=image.GetSpacing(),
            origin_mm=image.GetOrigin(),
            direction=image.GetDirection(),
        )


def aligned(
    segmentation: sitk.Image, image: sitk.Image
) -> tuple[sitk.Image, list[Finding]]:
    """Bring a segmentation onto the grid of its image, exactly or not at all.

    Returns:
        The segmentation, as it was where it does not fit, and what was found.
    """
    problems = checks.grid_problems(image, segmentation)
    return segmentation, [Finding(Severity.ERROR, "grid", text) for text in problems]


def canonical(volume: sitk.Image) -> sitk.Image:
    """Reorient a volume to the canonical frame."""
    return sitk.DICOMOrient(volume, FRAME)


def frame_findings(volume: sitk.Image) -> list[Finding]:
    """What is wrong with the axes of a canonical volume."""
    problems = checks.geometry_problems(volume)
    return [Finding(Severity.ERROR, "geometry", problem) for problem in problems]
