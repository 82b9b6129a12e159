"""What lies about a child in the scanner: arms beside the body, a cushion under it."""

from dataclasses import dataclass

import numpy as np

from deeprac.cohort.phantom.fields import (
    EVERYWHERE,
    Array,
    Blob,
    Canvas,
    Points,
    box_around,
    occupancy,
    smooth_max,
)
from deeprac.cohort.phantom.torso import OUTLINE_EXPONENT, Torso

_CORTEX, _MARROW = 0.24, 0.13
"""Radii of the bone and of its marrow, as shares of the arm's."""


@dataclass(frozen=True)
class Arm:
    """An arm along the body, endless in z."""

    shape: Blob
    fat_mm: float
    marrow_hu: float

    def paint(self, canvas: Canvas, points: Points) -> None:
        """Skin, fat, muscle and bone, where the points fall into the arm."""
        reach_mm = self.shape.reach_mm + canvas.edge_mm
        box = box_around(points, self.shape.centre_mm, reach_mm)
        if box is None:
            return
        level = self.shape.level(points.at(box))
        # A level is the distance to the skin: half the shorter axis at the core.
        radius_mm = float(self.shape.axes_mm[:2].min())
        for depth_mm, hu in (
            (0.0, 35.0),
            (1.6, -100.0),
            (1.6 + self.fat_mm, 58.0),
            ((1 - _CORTEX) * radius_mm, 480.0),
            ((1 - _MARROW) * radius_mm, self.marrow_hu),
        ):
            canvas.paint(box, occupancy(level + depth_mm, canvas.edge_mm), hu)


def draw_arms(rng: np.random.Generator, torso: Torso) -> tuple[Arm, Arm]:
    """Draw the arms of a child who keeps them down, close to the body."""
    radius_mm = rng.uniform(0.26, 0.32) * torso.half_width_mm
    arms = []
    for side in (-1, 1):
        height = rng.uniform(-0.25, 0.25)
        # The skin at this height, with the waist and what is uneven about it.
        p = OUTLINE_EXPONENT
        skin_mm = 1.05 * torso.half_width_mm * (1 - abs(height) ** p) ** (1 / p)
        x_mm = side * (skin_mm + rng.uniform(1, 5) + radius_mm)
        centre_mm = np.array([x_mm, height * torso.half_depth_mm, 0])
        axes_mm = np.array([radius_mm, rng.uniform(0.95, 1.15) * radius_mm, 1e4])
        shape = Blob(centre_mm, axes_mm, np.eye(3))
        arms.append(Arm(shape, 0.6 * torso.fat_mm, torso.marrow_hu))
    return arms[0], arms[1]


@dataclass(frozen=True)
class Cushion:
    """A rounded slab of the image frame into which the back has sunk."""

    centre_mm: tuple[float, float]
    half_mm: tuple[float, float]
    hu: float

    @property
    def bottom_mm(self) -> float:
        """Where the table begins, y in the image frame."""
        return self.centre_mm[1] + self.half_mm[1]

    def paint(self, canvas: Canvas, x_mm: Array, y_mm: Array) -> None:
        """Paint the cushion on pixels of these places in the image frame."""
        across, along = (
            np.abs(place - np.float32(centre)) - np.float32(half)
            for place, centre, half in zip(
                (x_mm, y_mm), self.centre_mm, self.half_mm, strict=True
            )
        )
        level = smooth_max(across, along, self.half_mm[1])
        canvas.paint(EVERYWHERE, occupancy(level, canvas.edge_mm), self.hu)


def draw_cushion(
    rng: np.random.Generator,
    torso: Torso,
    *,
    body_mm: tuple[float, float],
    table_y_mm: float,
) -> Cushion:
    """Draw a cushion that a silhouette cannot tell from the body.

    Args:
        rng: draws size and density, which is above fat's: -10 to 40 HU.
        torso: of the child.
        body_mm: (x, y) of the body's centre in the image frame.
        table_y_mm: where the table would be without.
    """
    top = body_mm[1] + rng.uniform(0.5, 0.7) * torso.half_depth_mm
    bottom = table_y_mm + rng.uniform(0.15, 0.35) * torso.half_depth_mm
    half_width_mm = rng.uniform(1.1, 1.3) * torso.half_width_mm
    return Cushion(
        centre_mm=(body_mm[0], (top + bottom) / 2),
        half_mm=(half_width_mm, (bottom - top) / 2),
        hu=float(rng.uniform(-10, 40)),
    )
