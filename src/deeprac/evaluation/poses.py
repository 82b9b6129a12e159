"""Size, orientation and position of transforms, and how they are compared.

Convention: a transform is a ``(2, 3)`` matrix ``image_from_canonical`` in normalised
coordinates, with the parameters of :mod:`deeprac.geometry.planar`. The centre is the
image of the canonical frame's origin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeprac.geometry import planar


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
        determinants = planar.determinant(matrices)
        wrong = determinants[~(determinants > 0)]
        if len(wrong):
            raise ValueError(
                f"a transform has the determinant {wrong[0]:g}: it mirrors or collapses"
            )
        return cls(*planar.parameters(matrices))

    def matrices(self) -> NDArray:
        """The similarities ``(n, 2, 3)`` of these poses."""
        return planar.similarity(self.log_scale, self.angle_rad, self.centre)

    def median(self) -> "Poses":
        """The median of each component, as one pose.

        Angles are taken around their mean direction, so that 179 and -179 degrees have
        the median 180 and not 0.
        """
        middle = mean_angle(self.angle_rad)
        angle = middle + np.median(wrapped(self.angle_rad - middle))
        return Poses(
            np.median(self.log_scale, keepdims=True),
            wrapped(np.array([angle])),
            np.median(self.centre, axis=0, keepdims=True),
        )


@dataclass(frozen=True)
class Spread:
    """How far the poses of one patient's slices lie from each other.

    Each is a standard deviation with one delta degree of freedom, NaN of fewer than
    two poses.

    Attributes:
        log_scale: Of the natural logarithm of the scale.
        angle_deg: Of the rotation in degrees, around the mean direction.
        centre: Of the distance to the mean centre, as a share of the square's width.
    """

    log_scale: float
    angle_deg: float
    centre: float


def spread(poses: Poses) -> Spread:
    """Spread of poses around their mean.

    Args:
        poses: The estimates of n slices.
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


def mean_angle(angle_rad: NDArray) -> float:
    """Mean direction in radians; 0 where opposite angles cancel each other."""
    return float(np.arctan2(np.sin(angle_rad).mean(), np.cos(angle_rad).mean()))
