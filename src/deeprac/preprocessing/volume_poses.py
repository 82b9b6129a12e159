"""Size, pose, position and labels of whole volumes: what training in space aims at.

In every axial slice they are the case's pose (``preprocessing.case_poses``): nobody
lies tilted against the table by much, and what tilt there is no label says. Along the
patient's axis the origin is the level midway between the first and the last slice that
shows a kidney; a tumour says less, since it may grow either way. Of a phantom the truth
is known in all three directions. What a crop has to hold is the prism of the labels'
outline between the lowest and the highest level of any label.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac.cohort.phantom.torso import reference_radius_mm
from deeprac.geometry.cube import Cube
from deeprac.geometry.planar import compose, similarity, transform_points
from deeprac.geometry.spatial import lifted
from deeprac.preprocessing.case_poses import true_similarity
from deeprac.records.case_poses import (
    CASE_POSE_COLUMNS,
    OUTLINE_COLUMNS,
    VOLUME_COLUMNS,
    VOLUME_TRUTH_COLUMNS,
)


def volume_poses(
    found: Mapping[str, Any],
    labels: NDArray,
    kidney: Collection[int],
    geometry: sitk.Image,
    row: pd.Series,
    radius: float,
) -> dict[str, float]:
    """Return pose, truth and outline of a volume, in the cube around it.

    Args:
        found: the pose of its slices, a row of ``case_poses.case_pose``.
        labels: (slices, height, width) label numbers.
        kidney: those of either kidney.
        geometry: image with spacing and origin of the volume.
        row: of cases.csv.
        radius: canonical RMS radius of the body, ``localiser.canonical_radius``.

    Returns:
        ``VOLUME_COLUMNS``.
    """
    cube = Cube(labels.shape, geometry.GetSpacing()[::-1])
    square_from_canonical, outline = (
        np.array([found[name] for name in names])
        for names in (CASE_POSE_COLUMNS, OUTLINE_COLUMNS)
    )
    planar = compose(cube.from_square(), square_from_canonical.reshape(2, 3))
    pose = lifted(planar, sum(_levels(np.isin(labels, list(kidney)), cube)) / 2)
    hull = transform_points(cube.from_square(), outline.reshape(-1, 2))
    numbers = [*pose.ravel(), *_truth(row, geometry, cube, radius)]
    numbers += [*hull.ravel(), *_levels(labels > 0, cube)]
    return dict(zip(VOLUME_COLUMNS, numbers, strict=True))


def _levels(mask: NDArray[np.bool_], cube: Cube) -> tuple[float, float]:
    """Lowest and highest level z of a mask, at the outer faces of its voxels.

    In normalised units; of an empty one, of all of the volume.
    """
    shown = np.flatnonzero(mask.any(axis=(1, 2)))
    first, last = shown[[0, -1]] if len(shown) else (0, len(mask) - 1)
    low, high = cube.from_vx([[0, 0, first - 0.5], [0, 0, last + 0.5]])[:, 2]
    return float(low), float(high)


def _truth(
    row: pd.Series, geometry: sitk.Image, cube: Cube, radius: float
) -> list[float]:
    """The true ``volume_from_canonical`` of a phantom; NaN for other cases."""
    scale, angle, *shift = true_similarity(row)
    if np.isnan([scale, angle, *shift]).any():
        return [float("nan")] * len(VOLUME_TRUTH_COLUMNS)
    half_mm = cube.side_mm / 2
    size = scale * reference_radius_mm() / radius / half_mm
    # A phantom's files count z from the height of the kidneys, where its origin is.
    last = (cube.shape[0] - 1) * cube.spacing_mm[0]
    level_mm = -(geometry.GetOrigin()[2] + last / 2)
    planar = similarity(np.log(size), angle, np.array(shift) / half_mm)
    return [float(entry) for entry in lifted(planar, level_mm / half_mm).ravel()]
