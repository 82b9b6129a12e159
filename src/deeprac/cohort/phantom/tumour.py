"""A kidney tumour: its shape, what it pushes aside, and how it looks.

The tumour grows out of a small core in its kidney. Tissue around the core is pushed
outwards: a point just outside the tumour shows what lay just outside the core, a point
far away shows what always lay there. The kidney is so spread over the tumour and bent
to a claw; liver, bowel and vessels give way.
"""

from dataclasses import dataclass

import numpy as np

from deeprac.cohort.phantom.disease import Disease
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
from deeprac.cohort.phantom.kidney import Kidney
from deeprac.cohort.phantom.torso import Torso

_REACH = 2.1
"""Tissue beyond this multiple of the tumour's size is not displaced."""


@dataclass(frozen=True)
class Tumour:
    """Shape, origin in the kidney, and appearance of one tumour."""

    side: int
    shape: Blob
    core_mm: Array
    shrink: float
    bulge_mm: float
    coarse: Waves
    fine: Waves
    necrosis: float
    solid_hu: float
    liquid_hu: float

    def undisturbed(self, points: Points) -> Points:
        """Where the tissue seen at the points lay before the tumour grew."""
        u = points.about(self.shape.centre_mm)
        level = self.shape.level(points)
        size = np.float32(np.cbrt(np.prod(self.shape.axes_mm)))
        t = np.clip(level / (size * np.float32(_REACH - 1)), 0, 1)
        # Smooth at the far end only: at the tumour's surface tissue starts to give way.
        far = 1 - np.square(1 - t)
        return Points(
            *(
                far * point + (1 - far) * (np.float32(core) + offset * self.shrink)
                for point, core, offset in zip(points, self.core_mm, u, strict=True)
            )
        )

    def bulged(self, points: Points) -> Points:
        """Where the body wall at the points would lie without the tumour."""
        centre = self.shape.centre_mm
        size = 1.5 * float(np.cbrt(np.prod(self.shape.axes_mm)))
        squared = sum(np.square(c / np.float32(size)) for c in points.about(centre))
        push = np.float32(self.bulge_mm) * np.exp(-0.5 * squared)
        out = np.array([centre[0], min(centre[1], 0) - 1.0])
        out /= np.linalg.norm(out)
        return Points(
            points.x - push * np.float32(out[0]),
            points.y - push * np.float32(out[1]),
            points.z,
        )

    def level(self, points: Points, cavity: Array) -> Array:
        """Signed distance to the tumour, held back by the wall of the cavity."""
        return smooth_max(self.shape.level(points), cavity, 0.6)

    def paint(self, canvas: Canvas, points: Points, cavity: Array) -> Array:
        """Paint the tumour; returns its share per pixel (h, w)."""
        filled = np.zeros_like(canvas.hu)
        box = box_around(points, self.shape.centre_mm, self.shape.reach_mm + 3)
        if box is None:
            return filled
        here = points.at(box)
        level = self.level(here, cavity[box])
        share = occupancy(level, canvas.edge_mm)
        filled[box] = share
        canvas.paint(box, share, self._hu(here, level))
        return filled

    def _hu(self, here: Points, level: Array) -> Array:
        """Solid tissue, soft-edged necrosis with bright strands, a pseudo-capsule."""
        coarse, fine = self.coarse(here), self.fine(here)
        solid = self.solid_hu + 9 * fine + 7 * coarse
        field = coarse + 0.45 * fine + self.necrosis
        # Necrosis keeps off the vital rim under the capsule.
        rim = np.clip(-level / (0.12 * float(np.min(self.shape.axes_mm))), 0, 1)
        dead = np.clip(3.0 * field, 0, 1) * rim
        strands = np.exp(-np.square(fine / 0.12))
        hu = solid + dead * (self.liquid_hu + 18 * strands - solid)
        capsule = np.exp(-np.square((level + 1.2) / 1.1))
        return hu + 26 * capsule


def draw_tumour(
    rng: np.random.Generator,
    torso: Torso,
    kidney: Kidney,
    disease: Disease,
    volume_ml: float,
) -> Tumour:
    """Draw a tumour of a volume that grows from a place in its kidney."""
    axes = np.exp(rng.normal(0, disease.axes_spread, 3))
    axes *= np.cbrt(1000 * volume_ml * 3 / (4 * np.pi)) / np.cbrt(np.prod(axes))
    angles = rng.uniform(-0.6, 0.6, 3)
    core_mm, core_size = _draw_core(rng, kidney, disease)
    shrink = float(np.clip(core_size / np.cbrt(np.prod(axes)), 0.12, 0.75))
    centre = _fit(rng, torso, core_mm, axes, shrink)
    size = float(np.mean(axes))
    shape = Blob(
        centre_mm=centre,
        axes_mm=axes,
        rotation=rotation_matrix(
            about_x=angles[0], about_y=angles[1], about_z=angles[2]
        ),
        waves=draw_waves(rng, wavelength_mm=1.5 * size),
        bump_mm=disease.uneven * size,
    )
    return Tumour(
        side=kidney.side,
        shape=shape,
        core_mm=core_mm,
        shrink=shrink,
        bulge_mm=float(np.clip(0.35 * (size - 0.35 * torso.half_width_mm), 0, 40)),
        coarse=draw_waves(rng, wavelength_mm=0.75 * size, count=8),
        fine=draw_waves(rng, wavelength_mm=0.27 * size, count=10),
        necrosis=rng.uniform(-1.5, 0.1),
        solid_hu=rng.uniform(*disease.solid_hu),
        liquid_hu=rng.uniform(8, 26),
    )


def _draw_core(
    rng: np.random.Generator, kidney: Kidney, disease: Disease
) -> tuple[Array, float]:
    """Where in the kidney the tumour starts, and the radius of tissue it replaces."""
    direction = rng.normal(size=3) * [0.7, 0.7, 1.0]
    direction /= np.linalg.norm(direction)
    direction[1] = -abs(direction[1])
    semi = kidney.capsule.axes_mm
    core = kidney.capsule.centre_mm + kidney.capsule.rotation @ (
        direction * semi * rng.uniform(*disease.depth)
    )
    return core, float(semi[0]) * rng.uniform(0.75, 1.0)


def _fit(
    rng: np.random.Generator,
    torso: Torso,
    core_mm: Array,
    axes_mm: Array,
    shrink: float,
) -> Array:
    """Centre, near the core, at which most of the tumour lies in the cavity."""
    surface = rng.normal(size=(200, 3))
    surface *= axes_mm / np.linalg.norm(surface, axis=1, keepdims=True)
    # A centre farther from the core would fold the displaced tissue over itself.
    room = 0.75 * (1 - shrink) * float(np.min(axes_mm))
    best, best_cost = core_mm, np.inf
    for _ in range(80):
        offset = rng.normal(size=3)
        offset *= room * rng.uniform() ** (1 / 3) / np.linalg.norm(offset)
        points = (core_mm + offset + surface).astype(np.float32).T
        outside = torso.cavity_level(Points(*points))
        cost = np.mean(np.maximum(outside, 0)) + 0.04 * np.linalg.norm(offset)
        if cost < best_cost:
            best, best_cost = core_mm + offset, cost
    return best
