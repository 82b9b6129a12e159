"""The body wall and the bones: what a tumour bulges or spares, but never enters."""

from dataclasses import dataclass

import numpy as np
from scipy.special import beta

from deeprac.cohort.phantom.fields import (
    EVERYWHERE,
    Array,
    Blob,
    Box,
    Canvas,
    Points,
    Waves,
    box_around,
    draw_waves,
    occupancy,
    smooth_max,
    smooth_min,
)
from deeprac.cohort.phantom.growth import REFERENCE_AGE_YEARS, Growth, growth

_UPRIGHT = np.eye(3)

OUTLINE_EXPONENT = 2.35
"""Of the superellipse of the outline: fuller than an ellipse, as an abdomen is."""


def reference_radius_mm() -> float:
    """Root mean square radius, per axis, of the reference child's outline in mm.

    Of the superellipse ``|x / a|^p + |y / b|^p = 1``, whose mean square along x is
    ``a^2 B(3 / p, 1 + 1 / p) / B(1 / p, 1 + 1 / p)``.
    """
    child, p = growth(REFERENCE_AGE_YEARS), OUTLINE_EXPONENT
    share = beta(3 / p, 1 + 1 / p) / beta(1 / p, 1 + 1 / p)
    squares = (child.body_width_mm / 2) ** 2 + (child.body_depth_mm / 2) ** 2
    return float(np.sqrt(share * squares / 2))


@dataclass(frozen=True)
class Torso:
    """Outline, layers, spine and ribs of one body."""

    half_width_mm: float
    half_depth_mm: float
    fat_mm: float
    muscle_mm: float
    pitch_mm: float
    disc_phase: float
    waves: Waves
    bone: Waves
    marrow_hu: float
    mesentery_hu: float

    @property
    def body_size_mm(self) -> float:
        """Geometric mean of width and depth."""
        return 2 * float(np.sqrt(self.half_width_mm * self.half_depth_mm))

    def level(self, points: Points) -> Array:
        """Signed distance to the skin in mm, first order."""
        x = points.x / np.float32(self.half_width_mm)
        y = points.y / np.float32(self.half_depth_mm)
        # A gentle waist, and a flatter back with a groove over the spine.
        waist = 1 + 0.04 * np.cos(points.z / (4 * self.pitch_mm))
        y = y + np.float32(0.07) * np.maximum(y, 0) * np.exp(-np.square(x / 0.16))
        ax, ay = np.abs(x) + np.float32(1e-6), np.abs(y) + np.float32(1e-6)
        px, py = ax ** (OUTLINE_EXPONENT - 1), ay ** (OUTLINE_EXPONENT - 1)
        power = (px * ax + py * ay) + np.float32(1e-9)
        rho = power ** (1 / OUTLINE_EXPONENT)
        gradient = np.sqrt(
            np.square(px / self.half_width_mm) + np.square(py / self.half_depth_mm)
        ) * (rho / power)
        bump = np.float32(0.012 * self.half_width_mm) * self.waves(points)
        return (rho - waist) / (gradient + np.float32(1e-6)) + bump

    def layers_mm(self, points: Points) -> tuple[Array, Array]:
        """Thickness of the fat and of the muscle under it, at every point."""
        back = np.clip(points.y / np.float32(self.half_depth_mm), -1, 1)
        flank = np.clip(np.abs(points.x) / np.float32(self.half_width_mm), 0, 1)
        fat = self.fat_mm * (1 + 0.45 * back * (1 - 0.4 * flank))
        muscle = self.muscle_mm * (1 + 1.1 * np.maximum(back, 0) * (1 - flank))
        return fat, muscle

    def cavity_level(self, points: Points) -> Array:
        """Signed distance to the inside of the wall, spine and back muscles cut out."""
        fat, muscle = self.layers_mm(points)
        wall = self.level(points) + fat + muscle
        corner_mm = 0.14 * self.half_width_mm
        return smooth_max(wall, -self.back_level(points), corner_mm)

    def back_level(self, points: Points) -> Array:
        """Signed distance to the spine with psoas and back muscles."""
        flat = points._replace(z=np.float32(0))
        seam_mm = 0.14 * self.half_width_mm
        level = np.minimum(self.vertebra.level(flat) - 1.5, self._arch.level(flat))
        for muscle in self._muscles(points.z):
            # Rounded seams: nothing grows into the clefts between muscles.
            level = smooth_min(level, muscle.level(flat), seam_mm)
        return level

    @property
    def vertebra(self) -> Blob:
        """Vertebral body, endless in z."""
        return self._pillar((0, 0.27), (0.155, 0.155))

    @property
    def _arch(self) -> Blob:
        """What the arch of the vertebra and its processes span, endless in z."""
        return self._pillar((0, 0.68), (0.24, 0.42))

    def _pillar(
        self,
        centre: tuple[float, float],
        axes: tuple[float, float],
        rotation: Array = _UPRIGHT,
    ) -> Blob:
        """An ellipse by shares of half width and half depth, endless in z."""
        unit = np.array([self.half_width_mm, self.half_depth_mm, 1])
        return Blob(unit * [*centre, 0], unit * [*axes, 1e4], rotation)

    def _muscles(self, z_mm: Array) -> list[Blob]:
        """Psoas, quadratus lumborum and erector spinae, both sides, at one height."""
        height = float(np.mean(z_mm))
        grow = float(np.clip(0.75 - height / (9 * self.pitch_mm), 0.3, 1.35))
        tilt = np.cos(0.5), np.sin(0.5)
        blobs = []
        for side in (-1, 1):
            turn = np.array(
                [[tilt[0], side * tilt[1], 0], [-side * tilt[1], tilt[0], 0], [0, 0, 1]]
            )
            blobs += [
                self._pillar((side * 0.23, 0.34), (0.10 * grow, 0.17 * grow)),
                self._pillar((side * 0.43, 0.56), (0.15, 0.085), turn),
                self._pillar((side * 0.23, 0.68), (0.20, 0.21)),
            ]
        return blobs

    def paint_wall(self, canvas: Canvas, points: Points) -> Array:
        """Skin, fat, muscle and the empty cavity; returns the skin's level."""
        level = self.level(points)
        fat, muscle = self.layers_mm(points)
        edge = canvas.edge_mm
        texture = self.waves(points)
        canvas.paint(EVERYWHERE, occupancy(level, edge), 35.0)
        canvas.paint(EVERYWHERE, occupancy(level + 1.6, edge), -100 + 6 * texture)
        canvas.paint(EVERYWHERE, occupancy(level + fat, edge), 58 + 4 * texture)
        cavity = occupancy(level + fat + muscle, edge)
        canvas.paint(EVERYWHERE, cavity, self.mesentery_hu + 12 * texture)
        return level

    def paint_back(self, canvas: Canvas, points: Points) -> None:
        """Muscles of the back, then the vertebra with its arch and processes."""
        flat = points._replace(z=np.float32(0))
        reach = np.array([0.75 * self.half_width_mm, self.half_depth_mm, 1])
        centre = np.array([0, 0.5 * self.half_depth_mm, 0])
        box = box_around(flat, centre, reach)
        if box is None:
            return
        here, edge = flat.at(box), canvas.edge_mm
        texture = 5 * self.bone(points.at(box))
        for blob in self._muscles(points.z):
            canvas.paint(box, occupancy(blob.level(here), edge), 62 + texture)
        self._paint_vertebra(canvas, box, here, float(np.mean(points.z)))

    def _paint_vertebra(
        self, canvas: Canvas, box: Box, here: Points, z_mm: float
    ) -> None:
        edge, size = canvas.edge_mm, self.half_width_mm
        turn = 2 * np.pi * (z_mm / self.pitch_mm + self.disc_phase)
        bony = float(np.clip(0.5 + 2.2 * (np.cos(turn) + 0.55), 0, 1))
        arch_share = float(np.clip(0.5 + 2.0 * (np.cos(turn - 0.9) + 0.35), 0, 1))
        body = self.vertebra.level(here)
        depth = self.vertebra.axes_mm[1]
        canal_y = self.vertebra.centre_mm[1] + depth + 0.062 * size
        canal = _ellipse(here, (0, canal_y), (0.088 * size, 0.075 * size))
        arch = self._arch_level(here, canal_y)
        cortex = 0.016 * size + 0.5
        marrow = self.marrow_hu + 22 * self.bone(here._replace(z=np.float32(z_mm)))
        canvas.paint(box, arch_share * occupancy(arch, edge), 420.0)
        inner = occupancy(arch + cortex, edge)
        canvas.paint(box, arch_share * inner, marrow)
        canvas.paint(box, occupancy(body, edge), bony * 430 + (1 - bony) * 95)
        inner = occupancy(body + cortex, edge)
        canvas.paint(box, inner, bony * marrow + (1 - bony) * 80)
        canvas.paint(box, occupancy(canal, edge), 8.0)
        cord = _ellipse(here, (0, canal_y), (0.055 * size, 0.045 * size))
        canvas.paint(box, occupancy(cord, edge), 42.0)

    def _arch_level(self, here: Points, canal_y: float) -> Array:
        """Ring of the arch, transverse processes and the spinous process."""
        size = self.half_width_mm
        ring = _ellipse(here, (0, canal_y), (0.135 * size, 0.115 * size))
        behind, beside = canal_y + 0.17 * size, canal_y - 0.015 * size
        spinous = _ellipse(here, (0, behind), (0.026 * size, 0.115 * size))
        wing = (0.115 * size, 0.028 * size)
        wings = [_ellipse(here, (s * 0.21 * size, beside), wing) for s in (-1, 1)]
        level = smooth_min(ring, spinous, 0.02 * size)
        return smooth_min(level, np.minimum(*wings), 0.02 * size)

    def paint_ribs(self, canvas: Canvas, points: Points, skin: Array) -> None:
        """Ribs in the wall: every one leaves the spine and falls towards the flank."""
        fat, muscle = self.layers_mm(points)
        angle = np.arctan2(np.abs(points.x), points.y + 0.2 * self.half_depth_mm)
        arc = angle * np.float32(self.half_width_mm)
        height = (points.z + 0.36 * arc) / self.pitch_mm - 2.3
        rib = np.round(np.clip(height, 0, 6))
        thick, tall = 0.024 * self.half_width_mm + 0.9, 0.26 * self.pitch_mm
        across = (skin + fat + 0.45 * muscle) / thick
        along = (height - rib) * self.pitch_mm / tall
        level = (np.sqrt(np.square(across) + np.square(along)) - 1) * thick
        # The lowest ribs float: they end before they reach the front.
        end = 0.95 + 0.34 * rib
        level = np.maximum(level, (angle - end) * self.half_width_mm)
        level = np.maximum(level, (0.42 - angle) * self.half_width_mm)
        canvas.paint(EVERYWHERE, occupancy(level, canvas.edge_mm), 480.0)
        core = occupancy(level + 0.5 * thick, canvas.edge_mm)
        canvas.paint(EVERYWHERE, core, self.marrow_hu)


def _ellipse(
    here: Points, centre: tuple[float, float], axes: tuple[float, float]
) -> Array:
    """Signed distance to an ellipse of the axial plane, first order."""
    u = (here.x - np.float32(centre[0])) / np.float32(axes[0])
    v = (here.y - np.float32(centre[1])) / np.float32(axes[1])
    rho = np.sqrt(u * u + v * v) + np.float32(1e-6)
    gradient = np.sqrt(np.square(u / axes[0]) + np.square(v / axes[1]))
    return (rho - 1) * rho / (gradient + np.float32(1e-6))


def draw_torso(rng: np.random.Generator, size: Growth) -> Torso:
    """Draw one body's torso around the mean of the age."""
    # Python's floats: NumPy's own would turn every slice into float64.
    overall, slender = (float(f) for f in np.exp(rng.normal(0, [size.spread, 0.03])))
    fat_mm = size.fat_mm * float(np.exp(rng.normal(0, 0.35)))
    width = size.body_width_mm * overall * slender + fat_mm - size.fat_mm
    depth = size.body_depth_mm * overall / slender + fat_mm - size.fat_mm
    return Torso(
        half_width_mm=width / 2,
        half_depth_mm=depth / 2,
        fat_mm=fat_mm,
        muscle_mm=0.036 * width * rng.uniform(0.85, 1.2),
        pitch_mm=size.vertebra_pitch_mm * overall,
        disc_phase=rng.uniform(),
        waves=draw_waves(rng, wavelength_mm=0.75 * width),
        bone=draw_waves(rng, wavelength_mm=0.035 * width, count=8),
        marrow_hu=rng.uniform(170, 240),
        # Thin children have little fat between their loops of bowel.
        mesentery_hu=float(np.interp(fat_mm, [4, 9], [-58, -98])),
    )
