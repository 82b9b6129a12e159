"""case_poses.csv: where size, pose and labels of every case lie. No torch.

All in normalised coordinates of the padded square (``deeprac.geometry.square``), so
the same at every matrix. Written by ``deeprac.preprocessing.case_poses``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deeprac.records.tidy import read_tidy

CASE_POSE_COLUMNS = ("t11", "t12", "t13", "t21", "t22", "t23")
"""Columns of case_poses.csv: image_from_canonical of a case."""

TRUTH_COLUMNS = ("p11", "p12", "p13", "p21", "p22", "p23")
"""Columns of case_poses.csv: image_from_canonical of a phantom, else empty."""

OUTLINE_POINTS = 16
OUTLINE_COLUMNS = tuple(
    f"{axis}{index}" for index in range(OUTLINE_POINTS) for axis in "xy"
)
"""Points of the convex hull of all labelled voxels, seen along the patient's axis."""
POSES_COLUMNS = ("case", *CASE_POSE_COLUMNS, *TRUTH_COLUMNS, *OUTLINE_COLUMNS)


@dataclass(frozen=True)
class CasePose:
    """Where size, pose and labels of a case lie.

    Attributes:
        image_from_canonical: ``(2, 3)`` size, pose and position.
        truth: ``(2, 3)`` true transform of a phantom, or None.
        outline: ``(16, 2)`` points (x, y) of the labels' convex hull.
    """

    image_from_canonical: NDArray[np.float64]
    truth: NDArray[np.float64] | None
    outline: NDArray[np.float64]

    @property
    def best_known(self) -> NDArray[np.float64]:
        """The truth where it is known, else the pose computed from the labels."""
        return self.image_from_canonical if self.truth is None else self.truth


def read_case_poses(path: Path) -> Mapping[str, CasePose]:
    """Read the poses of all cases.

    Raises:
        MetricsError: the file is missing or lacks a column.
    """
    table = read_tidy(path, POSES_COLUMNS, remedy="Run `deeprac case-poses`.")
    poses = {}
    for _, row in table.iterrows():
        truth = row[list(TRUTH_COLUMNS)].to_numpy(float).reshape(2, 3)
        poses[row.case] = CasePose(
            image_from_canonical=row[list(CASE_POSE_COLUMNS)]
            .to_numpy(float)
            .reshape(2, 3),
            truth=None if np.isnan(truth).any() else truth,
            outline=row[list(OUTLINE_COLUMNS)].to_numpy(float).reshape(-1, 2),
        )
    return poses
