"""Size, pose and position of whole volumes: what training in space aims at.

In every axial slice they are the case's pose (``preprocessing.case_poses``): nobody
lies tilted against the table by much, and what tilt there is no label says. Along the
patient's axis the origin is the level midway between the first and the last slice that
shows a kidney; a tumour says less, since it may grow either way. Of a phantom the truth
is known in all three directions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac.cohort.phantom.torso import reference_radius_mm
from deeprac.geometry.cube import Cube
from deeprac.geometry.planar import compose, similarity
from deeprac.geometry.spatial import lifted
from deeprac.preprocessing.case_poses import true_similarity
from deeprac.records.case_poses import (
    CASE_POSE_COLUMNS,
    VOLUME_COLUMNS,
    VOLUME_TRUTH_COLUMNS,
)


def volume_poses(
    found: Mapping[str, Any],
    kidneys: NDArray[np.bool_],
    geometry: sitk.Image,
    row: pd.Series,
    radius: float,
) -> dict[str, float]:
    """Return pose and truth of a volume, in the cube around it.

    Args:
        found: the pose of its slices, a row of ``case_poses.case_pose``.
        kidneys: (slices, height, width) voxels of either kidney.
        geometry: image with spacing and origin of the volume.
        row: of cases.csv.
        radius: canonical RMS radius of the body, ``localiser.canonical_radius``.

    Returns:
        ``VOLUME_COLUMNS``.
    """
    cube = Cube(kidneys.shape, geometry.GetSpacing()[::-1])
    square_from_canonical = np.array([found[name] for name in CASE_POSE_COLUMNS])
    planar = compose(cube.from_square(), square_from_canonical.reshape(2, 3))
    pose = lifted(planar, _mid_level(kidneys, cube))
    numbers = [*pose.ravel(), *_truth(row, geometry, cube, radius)]
    return dict(zip(VOLUME_COLUMNS, numbers, strict=True))


def _mid_level(kidneys: NDArray[np.bool_], cube: Cube) -> float:
    """Level z of the kidneys, in normalised units; the middle where there are none."""
    shown = np.flatnonzero(kidneys.any(axis=(1, 2)))
    if not len(shown):
        return 0.0
    return float(cube.from_vx([0, 0, (shown[0] + shown[-1]) / 2])[2])


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
