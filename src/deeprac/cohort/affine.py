"""Axes of a volume: exact where they are nearly so, refused where they are sheared."""

from collections.abc import Sequence

import numpy as np

from deeprac.cohort.findings import CaseError, Finding

ROUNDING = 1e-5
"""Cosines between axes up to this come from rounding and are not worth a word."""

REPAIRABLE = 1e-3
"""Cosines between axes up to this (0.06 degrees) are taken for zero, and recorded."""

SPACING_MM = (0.05, 50.0)
"""Spacings outside of this are not those of a CT: a wrong header or unit."""

FARTHEST_MM = 1e5
"""No scanner's coordinates reach as far: an origin beyond is a damaged header."""


def origin_findings(origin_mm: Sequence[float]) -> list[Finding]:
    """What was found in the place of a volume's first voxel, in mm along each axis."""
    if np.abs(np.array(origin_mm, float)).max() <= FARTHEST_MM:
        return []
    problem = (
        f"the origin is {short(origin_mm)} mm; it must be finite and within "
        f"{FARTHEST_MM:.0f} mm along every axis. Correct the header"
    )
    return [Finding.error("origin", problem)]


def orthonormal(
    axes_mm: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, list[Finding]]:
    """Split the steps from voxel to voxel into spacing and direction cosines.

    Args:
        axes_mm: 3 x 3, one column per axis of the volume, in mm.

    Returns:
        Spacing (x, y, z) in mm, direction cosines (3 x 3, orthonormal, of either
        handedness), and what was repaired.

    Raises:
        CaseError: the spacing is not that of a CT, or the axes are sheared.
    """
    spacing = np.linalg.norm(axes_mm, axis=0)
    low, high = SPACING_MM
    if not (low <= spacing.min() <= spacing.max() <= high):  # nor where one is NaN
        problem = (
            f"the spacing is {short(spacing)} mm, but that of a CT is {low:g} to "
            f"{high:g} mm. Correct the header, its unit too"
        )
        raise CaseError.of("affine", problem)
    direction = axes_mm / spacing
    cosine = float(np.abs(direction.T @ direction - np.eye(3)).max())
    angle = f"{90 - np.degrees(np.arcsin(min(cosine, 1))):.2f} degrees"
    if cosine > REPAIRABLE:
        problem = (
            f"the axes are sheared: they meet at {angle} instead of 90, as after a "
            "tilt of the gantry. Resample image and label to a rectangular grid"
        )
        raise CaseError.of("affine", problem)
    if cosine > 1e-12:
        # The nearest orthonormal matrix; one that is exact stays as it is.
        left, _, right = np.linalg.svd(direction)
        direction = left @ right
    if cosine > ROUNDING:
        repair = f"the axes met at {angle}; they were made rectangular"
        return spacing, direction, [Finding.repaired("affine", repair)]
    return spacing, direction, []


def short(numbers: Sequence[float] | np.ndarray) -> str:
    """Numbers in brackets, four digits each."""
    return "(" + ", ".join(f"{number:.4g}" for number in numbers) + ")"
