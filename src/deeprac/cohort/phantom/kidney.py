"""A kidney in early arterial contrast: bright cortex, darker medulla, sinus fat."""

from dataclasses import dataclass

import numpy as np

from deeprac.cohort.phantom.fields import (
    Array,
    Blob,
    Canvas,
    Points,
    Waves,
    box_around,
    draw_waves,
    occupancy,
    rotation_matrix,
    smooth_max,
)
from deeprac.cohort.phantom.torso import Torso


@dataclass(frozen=True)
class Kidney:
    """Capsule, sinus and appearance of one kidney; ``side`` is -1 right, +1 left."""

    side: int
    capsule: Blob
    sinus: Blob
    pelvis: Blob
    pyramids: Waves
    pyramid_mm: float
    cortex_mm: float
    cortex_hu: float
    medulla_hu: float
    fat_mm: float

    def level(self, points: Points) -> Array:
        """Signed distance to the parenchyma: the capsule without the sinus."""
        width_mm = 0.15 * self.cortex_mm
        return smooth_max(
            self.capsule.level(points), -self.sinus.level(points), width_mm
        )

    def paint(self, canvas: Canvas, points: Points, spared: Array) -> Array:
        """Paint the kidney with its fat; returns the parenchyma's share per pixel.

        Args:
            canvas: the slice.
            points: where every pixel's tissue lies in the undisturbed child.
            spared: share of every pixel that a kidney may fill (h, w).
        """
        filled = np.zeros_like(canvas.hu)
        reach = self.capsule.reach_mm + self.fat_mm + 2
        box = box_around(points, self.capsule.centre_mm, reach)
        if box is None:
            return filled
        here, edge, free = points.at(box), canvas.edge_mm, spared[box]
        capsule = self.capsule.level(here)
        sinus = self.sinus.level(here)
        canvas.paint(box, free * occupancy(capsule - self.fat_mm, edge), -95.0)
        inside = occupancy(capsule, edge)
        canvas.paint(box, free * inside, -85.0)
        pelvis = np.maximum(self.pelvis.level(here), capsule + 1)
        canvas.paint(box, free * occupancy(pelvis, edge), 14.0)
        parenchyma = smooth_max(capsule, -sinus, 0.15 * self.cortex_mm)
        share = free * occupancy(parenchyma, edge)
        filled[box] = share
        canvas.paint(box, share, self.cortex_hu)
        canvas.paint(box, share * self._medulla(here, capsule, sinus), self.medulla_hu)
        return filled

    def _medulla(self, here: Points, capsule: Array, sinus: Array) -> Array:
        """Share of pyramids: below the cortex, off the sinus, columns between them."""
        wave = self.pyramids(here)
        depth = capsule + self.cortex_mm * (1 - 0.12 * wave)
        column = (np.abs(wave) - 0.3) * self.pyramid_mm
        level = np.maximum(np.maximum(depth, 0.8 - sinus), -column)
        return occupancy(level, max(0.8, 0.25 * self.cortex_mm))


def draw_kidney(
    rng: np.random.Generator, torso: Torso, length_mm: float, side: int
) -> Kidney:
    """Draw one kidney in the place, size and tilt that fit its side.

    The upper pole leans to the spine and to the back, the hilum looks to the front
    and the middle, the right kidney lies a little lower.
    """
    length = length_mm * float(np.exp(rng.normal(0, 0.06)))
    semi = 0.5 * length * np.array([0.50, 0.42, 1.0])
    semi[:2] *= np.exp(rng.normal(0, 0.05, 2))
    lean, tip, turn = rng.normal([0.22, 0.18, 0.5], [0.06, 0.05, 0.12])
    rotation = rotation_matrix(about_x=tip, about_y=-side * lean, about_z=side * turn)
    centre = np.array(
        [
            side * (0.46 * torso.half_width_mm + rng.normal(0, 0.02 * length)),
            0.20 * torso.half_depth_mm + rng.normal(0, 0.02 * length),
            side * 0.06 * length + rng.normal(0, 0.05 * length),
        ]
    )

    def blob(offset: tuple[float, float, float], size: Array, uneven: float) -> Blob:
        return Blob(
            centre_mm=centre + rotation @ (np.array(offset) * semi),
            axes_mm=size * semi,
            rotation=rotation,
            waves=draw_waves(rng, wavelength_mm=0.5 * length),
            bump_mm=uneven * float(semi[0]),
        )

    return Kidney(
        side=side,
        capsule=blob((0, 0, 0), np.array([1, 1, 1]), 0.035),
        sinus=blob((-side * 0.66, 0, 0), np.array([0.66, 0.40, 0.46]), 0.06),
        pelvis=blob((-side * 0.60, 0, -0.03), np.array([0.42, 0.20, 0.22]), 0.05),
        pyramids=draw_waves(rng, wavelength_mm=0.34 * length, count=7),
        pyramid_mm=0.34 * length / (2 * np.pi),
        cortex_mm=0.23 * float(semi[0]),
        cortex_hu=rng.uniform(175, 230),
        medulla_hu=rng.uniform(80, 115),
        fat_mm=0.35 * torso.fat_mm + 0.4,
    )
