"""case_poses.csv: where size, pose and labels of every case lie. No torch.

All in normalised coordinates of the padded square (``deeprac.geometry.square``), of
volumes of the cube (``deeprac.geometry.cube``), so the same at every matrix. Written by
``deeprac.preprocessing.case_poses``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deeprac.errors import MetricsError
from deeprac.fitting import PLANE, SPACE
from deeprac.records.tidy import read_tidy, shortened

CASE_POSE_COLUMNS = ("t11", "t12", "t13", "t21", "t22", "t23")
"""Columns of case_poses.csv: image_from_canonical of a case."""

TRUTH_COLUMNS = ("p11", "p12", "p13", "p21", "p22", "p23")
"""Columns of case_poses.csv: image_from_canonical of a phantom, else empty."""

VOLUME_POSE_COLUMNS = tuple(f"v{row}{column}" for row in "123" for column in "1234")
"""Columns of case_poses.csv: volume_from_canonical of a case."""

VOLUME_TRUTH_COLUMNS = tuple(f"w{row}{column}" for row in "123" for column in "1234")
"""Columns of case_poses.csv: volume_from_canonical of a phantom, else empty."""

OUTLINE_POINTS = 16
OUTLINE_COLUMNS = tuple(
    f"{axis}{index}" for index in range(OUTLINE_POINTS) for axis in "xy"
)
"""Points of the convex hull of all labelled voxels, seen along the patient's axis."""

POSES_COLUMNS = ("case", *CASE_POSE_COLUMNS, *TRUTH_COLUMNS, *OUTLINE_COLUMNS)
"""Columns of case_poses.csv of slices, one row per case."""

VOLUME_OUTLINE_COLUMNS = (*(f"v{name}" for name in OUTLINE_COLUMNS), "z_low", "z_high")
"""The outline in the cube around the volume, and the levels that the labels reach."""

VOLUME_COLUMNS = (*VOLUME_POSE_COLUMNS, *VOLUME_TRUTH_COLUMNS, *VOLUME_OUTLINE_COLUMNS)
"""Further ones, of volumes; tables of earlier versions lack them."""

AGAIN = "Run `deeprac case-poses` again."


@dataclass(frozen=True)
class CasePose:
    """Where size, pose and labels of a case lie.

    Attributes:
        image_from_canonical: ``(d, d + 1)`` size, pose and position.
        truth: ``(d, d + 1)`` true transform of a phantom, or None.
        outline: ``(16, 2)`` points (x, y) of the labels' convex hull; of volumes
            ``(32, 3)``, at the labels' lowest and highest level, or none.
    """

    image_from_canonical: NDArray[np.float64]
    truth: NDArray[np.float64] | None
    outline: NDArray[np.float64]

    @property
    def best_known(self) -> NDArray[np.float64]:
        """The truth where it is known, else the pose computed from the labels."""
        return self.image_from_canonical if self.truth is None else self.truth


def read_case_poses(
    path: Path,
    *,
    true_pose: bool = False,
    dimensions: int = PLANE,
    outlined: bool = False,
) -> dict[str, CasePose]:
    """Read the poses of all cases.

    Args:
        path: of case_poses.csv.
        true_pose: whether every case has to have a true transform.
        dimensions: 2 for those of slices, 3 for those of volumes.
        outlined: whether the outline of volumes is read, which only a crop asks for.

    Raises:
        MetricsError: The file is missing, lacks a column, lists a case twice, holds a
            transform that is incomplete or not finite, or lacks a true one.
    """
    if dimensions == SPACE:
        pose_columns, truth_columns = VOLUME_POSE_COLUMNS, VOLUME_TRUTH_COLUMNS
        outline_columns = VOLUME_OUTLINE_COLUMNS if outlined else ()
    else:
        pose_columns, truth_columns = CASE_POSE_COLUMNS, TRUTH_COLUMNS
        outline_columns = OUTLINE_COLUMNS
    columns = ("case", *pose_columns, *truth_columns, *outline_columns)
    table = read_tidy(path, columns, remedy="Run `deeprac case-poses`.")
    twice = table.case[table.case.duplicated()]
    if len(twice):
        raise MetricsError(f"{path} lists case {twice.iloc[0]} twice. {AGAIN}")
    poses, truths, outlines = (
        table[list(columns)].to_numpy(float)
        for columns in (pose_columns, truth_columns, outline_columns)
    )
    known = ~np.isnan(truths).all(axis=1)
    for what, columns, right in (
        ("case pose", pose_columns, np.isfinite(poses).all(axis=1)),
        ("true transform", truth_columns, np.isfinite(truths).all(axis=1) | ~known),
    ):
        name = f"{what} ({columns[0]} to {columns[-1]})"
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
    shape = (dimensions, dimensions + 1)
    return {
        case: CasePose(
            image_from_canonical=poses[index].reshape(shape),
            truth=truths[index].reshape(shape) if known[index] else None,
            outline=_points(outlines[index], dimensions),
        )
        for index, case in enumerate(table.case)
    }


def _points(outline: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    """The points of an outline: of volumes those of a prism, or none."""
    if dimensions == PLANE or not len(outline):
        return outline.reshape(-1, dimensions)
    hull, levels = outline[:-2].reshape(-1, PLANE), outline[-2:]
    return np.concatenate(
        [np.column_stack([hull, np.full(len(hull), level)]) for level in levels]
    )
