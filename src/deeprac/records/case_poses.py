"""case_poses.csv: where size, pose and labels of every case lie. No torch.

All in normalised coordinates of the padded square (``deeprac.geometry.square``), so
the same at every matrix. Written by ``deeprac.preprocessing.case_poses``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deeprac.errors import MetricsError
from deeprac.records.tidy import read_tidy, shortened

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
"""Columns of case_poses.csv, one row per case."""

AGAIN = "Run `deeprac case-poses` again."


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


def read_case_poses(path: Path, *, true_pose: bool = False) -> dict[str, CasePose]:
    """Read the poses of all cases.

    Args:
        path: of case_poses.csv.
        true_pose: whether every case has to have a true transform.

    Raises:
        MetricsError: The file is missing, lacks a column, lists a case twice, holds a
            transform that is incomplete or not finite, or lacks a true one.
    """
    table = read_tidy(path, POSES_COLUMNS, remedy="Run `deeprac case-poses`.")
    twice = table.case[table.case.duplicated()]
    if len(twice):
        raise MetricsError(f"{path} lists case {twice.iloc[0]} twice. {AGAIN}")
    poses, truths, outlines = (
        table[list(columns)].to_numpy(float)
        for columns in (CASE_POSE_COLUMNS, TRUTH_COLUMNS, OUTLINE_COLUMNS)
    )
    known = ~np.isnan(truths).all(axis=1)
    for name, right in (
        ("case pose (t11 to t23)", np.isfinite(poses).all(axis=1)),
        ("true transform (p11 to p23)", np.isfinite(truths).all(axis=1) | ~known),
    ):
        wrong = list(table.case[~right])
        if wrong:
            raise MetricsError(
                f"{path}: the {name} of {shortened(wrong)} is incomplete or not "
                f"finite. {AGAIN}"
            )
    if true_pose and not known.all():
        raise MetricsError(
            f"{path}: the normaliser oracle is told the true transform, which only "
            f"phantoms have, and {shortened(list(table.case[~known]))} has none. Use a "
            "method with normaliser case_pose."
        )
    return {
        case: CasePose(
            image_from_canonical=poses[index].reshape(2, 3),
            truth=truths[index].reshape(2, 3) if known[index] else None,
            outline=outlines[index].reshape(-1, 2),
        )
        for index, case in enumerate(table.case)
    }
