"""Smooth random fields, implicit shapes, and the slice on which they are painted.

Convention: the patient frame, in mm: x to the patient's left, y to posterior, z to
superior; the origin is the centre of the body at the height of the kidneys. A level is
a signed distance in mm, approximately: negative inside.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Points(NamedTuple):
    """Coordinates of points in the patient frame, in mm; arrays that broadcast."""

    x: Array
    y: Array
    z: Array

    def at(self, box: tuple[slice, slice]) -> "Points":
        """The points of a box of pixels."""
        return Points(*(c[box] if np.ndim(c) else c for c in self))

    def about(self, centre_mm: Array) -> "Points":
        """The points as seen from a centre (x, y, z)."""
        return Points(
            *(c - np.float32(m) for c, m in zip(self, centre_mm, strict=True))
        )


@dataclass(frozen=True)
class Waves:
    """A smooth random field of mean 0 and standard deviation about 1.

    The sum of a few plane waves: cheap, smooth everywhere, the same at any resolution.
    """

    k_per_mm: Array
    phase_rad: Array

    def __call__(self, points: Points) -> Array:
        """Value of the field at the points."""
        x, y, z = points
        total = np.float32(0)
        for (kx, ky, kz), phase in zip(self.k_per_mm, self.phase_rad, strict=True):
            total = total + np.sin(kx * x + ky * y + kz * z + phase)
        return total * np.float32(np.sqrt(2 / len(self.phase_rad)))


def draw_waves(
    rng: np.random.Generator, *, wavelength_mm: float, count: int = 6
) -> Waves:
    """Draw a field whose waves are near a length, in random directions."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = wavelength_mm * rng.uniform(0.75, 1.4, size=(count, 1))
    return Waves(
        k_per_mm=(2 * np.pi * direction / length).astype(np.float32),
        phase_rad=rng.uniform(0, 2 * np.pi, count).astype(np.float32),
    )


@dataclass(frozen=True)
class Blob:
    """An ellipsoid with a smoothly uneven surface.

    ``rotation`` has the three axes as columns (patient_from_blob); ``bump_mm`` is the
    standard deviation of the unevenness.
    """

    centre_mm: Array
    axes_mm: Array
    rotation: Array
    waves: Waves | None = None
    bump_mm: float = 0.0

    @property
    def reach_mm(self) -> Array:
        """Half size of the upright box around the shape, along x, y and z."""
        return np.sqrt(self.rotation**2 @ self.axes_mm**2) + 3 * self.bump_mm

    def local(self, points: Points) -> Points:
        """Points in the blob's own axes, in units of its semi-axes."""
        x, y, z = points.about(self.centre_mm)
        scaled = (self.rotation / self.axes_mm).astype(np.float32)
        return Points(*(x * a + y * b + z * c for a, b, c in scaled.T))

    def level(self, points: Points) -> Array:
        """Signed distance in mm to the surface, first order."""
        u, v, w = self.local(points)
        a, b, c = (np.float32(1 / axis**2) for axis in self.axes_mm)
        u2, v2, w2 = u * u, v * v, w * w
        rho = np.sqrt(u2 + v2 + w2) + np.float32(1e-6)
        gradient = np.sqrt(u2 * a + v2 * b + w2 * c) + np.float32(1e-6)
        level = (rho - 1) * rho / gradient
        if self.waves is not None:
            level = level + np.float32(self.bump_mm) * self.waves(points)
        return level


def rotation_matrix(*, about_x: float, about_y: float, about_z: float) -> Array:
    """Rotation by three angles in radians: first about z, then y, then x."""
    cx, cy, cz = np.cos([about_x, about_y, about_z])
    sx, sy, sz = np.sin([about_x, about_y, about_z])
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return rx @ ry @ rz


def occupancy(level: Array, edge_mm: float) -> Array:
    """Share of a voxel inside a shape: 1 inside, 0 outside, a ramp at its edge."""
    return np.clip(np.float32(0.5) - level * np.float32(1 / edge_mm), 0, 1)


def smooth_min(a: Array, b: Array, width_mm: float) -> Array:
    """Union of two levels with a rounded seam (polynomial smooth minimum)."""
    h = np.clip(0.5 + 0.5 * (b - a) / width_mm, 0, 1)
    return b * (1 - h) + a * h - width_mm * h * (1 - h)


def smooth_max(a: Array, b: Array, width_mm: float) -> Array:
    """Intersection of two levels with a rounded seam."""
    return -smooth_min(-a, -b, width_mm)


_STRIDE = 4
"""At every how many pixels a shape's bounding box is looked for."""

Box = tuple[slice, slice]
EVERYWHERE: Box = (slice(None), slice(None))


@dataclass
class Canvas:
    """Hounsfield units of one slice (h, w), the width of an edge, and where down is.

    ``down`` is the unit vector (x, y) of gravity in the patient frame: a patient who
    lies askew has gas that does not.
    """

    hu: Array
    edge_mm: float
    down: tuple[float, float] = (0.0, 1.0)

    def paint(self, box: Box, share: Array, hu: Array | float) -> None:
        """Mix ``hu`` into the box by the share of each voxel that it fills."""
        region = self.hu[box]
        region += share * (hu - region)


def box_around(points: Points, centre_mm: Array, reach_mm: Array) -> Box | None:
    """Box of the pixels within a reach (x, y, z) of a centre, or None without any.

    Looked for on every few pixels and widened by as much, so it also holds where the
    points were displaced smoothly.
    """
    near = np.bool_(True)
    for axis, centre, reach in zip(points, centre_mm, reach_mm, strict=True):
        coarse = axis[::_STRIDE, ::_STRIDE] if np.ndim(axis) else axis
        near = near & (np.abs(coarse - centre) < reach)
    rows, columns = np.nonzero(near)
    if rows.size == 0:
        return None
    return tuple(
        slice(max(0, (i.min() - 1) * _STRIDE), (i.max() + 1) * _STRIDE + 1)
        for i in (rows, columns)
    )


@dataclass(frozen=True)
class Organ:
    """A shape with its Hounsfield units, a wall, texture and gas that floats.

    ``gas`` is the share of the height that gas fills; it gathers in front, with a level
    surface.
    """

    shape: Blob
    hu: float
    texture: Waves | None = None
    texture_hu: float = 0.0
    wall_mm: float = 0.0
    wall_hu: float = 0.0
    gas: float = 0.0

    def paint(self, canvas: Canvas, points: Points) -> None:
        """Paint the organ where the points fall into it."""
        box = box_around(points, self.shape.centre_mm, self.shape.reach_mm + 4)
        if box is None:
            return
        here = points.at(box)
        level = self.shape.level(here)
        share = occupancy(level, canvas.edge_mm)
        hu: Array | float = self.hu
        if self.texture is not None:
            hu = self.hu + self.texture_hu * self.texture(here)
        if self.wall_mm == 0:
            canvas.paint(box, share, hu)
            return
        canvas.paint(box, share, self.wall_hu)
        inside = occupancy(level + self.wall_mm, canvas.edge_mm)
        canvas.paint(box, inside, hu)
        if self.gas:
            x, y = (np.float32(part) for part in canvas.down)
            centre = self.shape.centre_mm.astype(np.float32)
            height = x * (here.x - centre[0]) + y * (here.y - centre[1])
            surface = float(self.shape.axes_mm[1]) * (2 * self.gas - 1)
            gas = inside * occupancy(height - surface, canvas.edge_mm)
            canvas.paint(box, gas, -960.0)
