"""Where the size, pose and position of every case truly are.

Of a phantom the true transform is known, of other cases the pose that the networks
were taught (both are in case_poses.csv). The phantom's canonical
frame and the networks' may differ by one similarity for the whole cohort: what is
upright, of size 1 and in the middle is a choice of frame, not a fact about a patient.
That constant is the component-wise median over all cases of ``true_from_case_pose``; it
is taken from truth and case poses alone, never from a prediction.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deeprac.errors import MetricsError
from deeprac.evaluation.poses import Poses
from deeprac.geometry.planar import compose, invert
from deeprac.records.case_poses import AGAIN, read_case_poses

TRUTH, CASE_POSE = "truth", "case_pose"
UNKNOWN = np.full((2, 3), np.nan)


@dataclass(frozen=True)
class Reference:
    """Reference of one case.

    Attributes:
        kind: ``truth`` or ``case_pose``.
        pose: One pose, ``image_from_canonical`` in the networks' canonical frame.
    """

    kind: str
    pose: Poses


def read_references(path: Path) -> dict[str, Reference]:
    """Read case_poses.csv and give the reference of each case.

    Returns:
        Reference by case.

    Raises:
        MetricsError: The file is missing, lacks a column, lists a case twice, or holds
            a transform that is incomplete, not finite or without a scale.
    """
    table = read_case_poses(path)
    poses = [pose.image_from_canonical for pose in table.values()]
    truths = [UNKNOWN if pose.truth is None else pose.truth for pose in table.values()]
    try:
        return references(list(table), np.array(poses), np.array(truths))
    except ValueError as error:
        raise MetricsError(f"{path}: {error}. {AGAIN}") from error


def references(
    cases: list[str], poses: NDArray, truths: NDArray
) -> dict[str, Reference]:
    """Reference of each case: the truth in the case poses' frame, else the pose.

    Args:
        cases: Names of n cases, all of the cohort.
        poses: ``(n, 2, 3)`` case poses ``image_from_canonical``.
        truths: ``(n, 2, 3)`` true ones, all NaN where there is no truth.

    Raises:
        ValueError: A transform is without a scale.
    """
    known = ~np.isnan(truths).all(axis=(1, 2))
    matrices = poses.copy()
    if known.any():
        constant = true_from_case_pose(truths[known], poses[known])
        matrices[known] = compose(truths[known], constant.matrices())
    return {
        case: Reference(TRUTH if true else CASE_POSE, Poses.of(matrix[None]))
        for case, true, matrix in zip(cases, known, matrices, strict=True)
    }


def true_from_case_pose(truths: NDArray, poses: NDArray) -> Poses:
    """The one similarity between the two canonical frames of a cohort.

    Args:
        truths: ``(n, 2, 3)`` true ``image_from_canonical``.
        poses: ``(n, 2, 3)`` case poses of the same cases.

    Returns:
        One pose: the median of each component over the cases.
    """
    return Poses.of(compose(invert(truths), poses)).median()
