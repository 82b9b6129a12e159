"""One slice being painted, in Hounsfield units, and boxes that keep it cheap."""

from dataclasses import dataclass

import numpy as np

from deeprac.cohort.phantom.fields import Array, Blob, Points, Waves, occupancy

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
