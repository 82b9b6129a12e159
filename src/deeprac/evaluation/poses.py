"""Size, orientation and position of transforms: compared, and where they truly are.

Convention: a transform is a ``(2, 3)`` matrix ``image_from_canonical`` in normalised
coordinates, with the parameters of :mod:`deeprac.geometry.planar`. The centre is the
image of the canonical frame's origin.

Of a phantom the true transform is known, of other cases the pose that the networks
were taught (both are in case_poses.csv). The phantom's canonical frame and the
networks' may differ by one similarity for the whole cohort: what is upright, of size 1
and in the middle is a choice of frame, not a fact about a patient. That constant is the
component-wise median over all cases of ``true_from_case_pose``; it is taken from truth
and case poses alone, never from a prediction.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deeprac.errors import MetricsError
from deeprac.geometry.planar import (
    compose,
    determinant,
    invert,
    parameters,
    similarity,
)
from deeprac.records.case_poses import AGAIN, read_case_poses


@dataclass(frozen=True)
class Poses:
    """Size, orientation and position of n transforms.

    Attributes:
        log_scale: ``(n,)`` natural logarithm of the scale.
        angle_rad: ``(n,)`` rotation in radians, -pi to pi; x turns towards y.
        centre: ``(n, 2)`` image (x, y) of the origin, in normalised units.
    """

    log_scale: NDArray[np.floating]
    angle_rad: NDArray[np.floating]
    centre: NDArray[np.floating]

    @classmethod
    def of(cls, matrices: NDArray) -> "Poses":
        """Read the poses of matrices.

        Args:
            matrices: ``(n, 2, 3)`` affine transforms.

        Raises:
            ValueError: A determinant is not positive, so that there is no scale.

        Example:
            >>> pose = Poses.of(np.array([[[0.0, -2.0, 0.1], [2.0, 0.0, 0.3]]]))
            >>> float(np.exp(pose.log_scale[0])), float(np.degrees(pose.angle_rad[0]))
            (2.0, 90.0)
        """
        matrices = np.asarray(matrices, dtype=float).reshape(-1, 2, 3)
        determinants = determinant(matrices)
        wrong = determinants[~(determinants > 0)]
        if len(wrong):
            raise ValueError(
                f"a transform has the determinant {wrong[0]:g}: it mirrors or collapses"
            )
        return cls(*parameters(matrices))

    def matrices(self) -> NDArray:
        """The similarities ``(n, 2, 3)`` of these poses."""
        return similarity(self.log_scale, self.angle_rad, self.centre)

    def median(self) -> "Poses":
        """The median of each component, as one pose (see ``medians``)."""
        return Poses(*medians(self.log_scale, self.angle_rad, self.centre))


@dataclass(frozen=True)
class Spread:
    """How far the poses of one patient's slices lie from each other.

    Each is a standard deviation with one delta degree of freedom, NaN of fewer than
    two poses.

    Attributes:
        log_scale: of the natural logarithm of the scale.
        angle_deg: of the rotation in degrees, around the mean direction.
        centre: of the distance to the mean centre, as a share of the square's width.
    """

    log_scale: float
    angle_deg: float
    centre: float


def spread(poses: Poses) -> Spread:
    """Spread of poses around their mean.

    Args:
        poses: the estimates of n slices.
    """
    n = len(poses.log_scale)
    if n < 2:
        return Spread(float("nan"), float("nan"), float("nan"))
    turned = wrapped(poses.angle_rad - mean_angle(poses.angle_rad))
    away = poses.centre - poses.centre.mean(axis=0)
    return Spread(
        log_scale=float(poses.log_scale.std(ddof=1)),
        angle_deg=float(np.degrees(turned.std(ddof=1))),
        centre=float(np.sqrt((away**2).sum() / (n - 1)) / 2),
    )


def wrapped(angle_rad: NDArray) -> NDArray:
    """Angles in radians, brought to (-pi, pi]."""
    return -((np.pi - angle_rad) % (2 * np.pi) - np.pi)


def mean_angle(angle_rad: NDArray) -> NDArray:
    """Mean direction in radians, over the first axis; 0 where opposites cancel."""
    return np.arctan2(np.sin(angle_rad).mean(axis=0), np.cos(angle_rad).mean(axis=0))


def medians(
    log_scale: NDArray, angle_rad: NDArray, centre: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """The median of each parameter of n similarities, of slices or of volumes.

    Angles are taken around their mean direction, so that 179 and -179 degrees have
    the median 180 and not 0.

    Args:
        log_scale: ``(n,)``.
        angle_rad: ``(n,)`` or ``(n, 3)``.
        centre: ``(n, 2)`` or ``(n, 3)``.

    Returns:
        The same of one similarity, n being 1.
    """
    middle = mean_angle(angle_rad)
    around = np.median(wrapped(angle_rad - middle), axis=0, keepdims=True)
    return (
        np.median(log_scale, axis=0, keepdims=True),
        wrapped(middle + around),
        np.median(centre, axis=0, keepdims=True),
    )


TRUTH, CASE_POSE = "truth", "case_pose"
UNKNOWN = np.full((2, 3), np.nan)


@dataclass(frozen=True)
class Reference:
    """Reference of one case.

    Attributes:
        kind: ``truth`` or ``case_pose``.
        pose: one pose, ``image_from_canonical`` in the networks' canonical frame.
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
        cases: names of n cases, all of the cohort.
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
