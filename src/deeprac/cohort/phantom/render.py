"""From a child and a scan to voxels: slice by slice, so memory stays small."""

from dataclasses import dataclass

import numpy as np

from deeprac.cohort.phantom.acquisition import AIR_HU, Acquisition
from deeprac.cohort.phantom.anatomy import Anatomy
from deeprac.cohort.phantom.canvas import Canvas
from deeprac.cohort.phantom.fields import Array, Points, occupancy
from deeprac.labels import Label

_THICK_MM = 2.5
"""Slices thicker than this are the mean of two thinner ones."""


@dataclass(frozen=True)
class Voxels:
    """CT in HU (int16) and label map (uint8), both [z, y, x]."""

    image: Array
    label: Array


def render(
    anatomy: Anatomy, acquisition: Acquisition, rng: np.random.Generator
) -> Voxels:
    """Render all slices; ``rng`` draws the noise."""
    shape = (len(acquisition.z_mm), acquisition.matrix, acquisition.matrix)
    image, label = np.empty(shape, np.int16), np.empty(shape, np.uint8)
    quarter = acquisition.slice_mm / 4
    offsets = (-quarter, quarter) if acquisition.slice_mm > _THICK_MM else (0.0,)
    for index, z_mm in enumerate(acquisition.z_mm):
        parts = [render_slice(anatomy, acquisition, z_mm + dz) for dz in offsets]
        hu, kidney, tumour = (
            sum(part) / len(parts) for part in zip(*parts, strict=True)
        )
        image[index] = acquisition.finish(hu, rng)
        label[index] = np.where(
            tumour > 0.5, Label.TUMOUR, np.where(kidney > 0.5, Label.KIDNEY, 0)
        )
    return Voxels(image, label)


def render_slice(
    anatomy: Anatomy, acquisition: Acquisition, z_mm: float
) -> tuple[Array, Array, Array]:
    """HU before noise, share of kidney and share of tumour, each (h, w) float32."""
    size = acquisition.matrix
    canvas = Canvas(np.full((size, size), AIR_HU, np.float32), acquisition.edge_mm)
    acquisition.paint_table(canvas)
    rows, columns = _body_box(anatomy, acquisition)
    angle = acquisition.similarity.angle_rad
    down = float(np.sin(angle)), float(np.cos(angle))
    body = Canvas(canvas.hu[rows, columns], acquisition.edge_mm, down)
    points = acquisition.patient_points(z_mm).at((rows, columns))
    kidney, tumour = (np.zeros_like(canvas.hu) for _ in range(2))
    kidney[rows, columns], tumour[rows, columns] = _paint_body(anatomy, body, points)
    return canvas.hu, kidney, tumour


def _paint_body(
    anatomy: Anatomy, canvas: Canvas, points: Points
) -> tuple[Array, Array]:
    """Paint the child from the skin inwards; returns shares of kidney and tumour."""
    torso, edge = anatomy.torso, canvas.edge_mm
    wall = anatomy.bulged(points)
    tissue = anatomy.undisturbed(points)
    skin = torso.paint_wall(canvas, wall)
    cavity = torso.cavity_level(wall)
    inside = occupancy(cavity, edge)
    empty = canvas.hu.copy()
    for organ in anatomy.viscera:
        organ.paint(canvas, tissue)
    kidney = sum(part.paint(canvas, tissue, inside) for part in anatomy.kidneys)
    # Nothing soft leaves the cavity.
    canvas.hu[...] = empty + inside * (canvas.hu - empty)
    tumour = np.zeros_like(canvas.hu)
    for part in anatomy.tumours:
        share = part.paint(canvas, points, cavity)
        tumour = np.maximum(tumour, share)
    torso.paint_back(canvas, wall)
    torso.paint_ribs(canvas, wall, skin)
    return np.clip(kidney, 0, 1) * (1 - tumour), tumour


def _body_box(anatomy: Anatomy, acquisition: Acquisition) -> tuple[slice, slice]:
    """Rows and columns that the body can reach in any slice."""
    points = acquisition.patient_points(0.0)
    torso = anatomy.torso
    bulge = max((tumour.bulge_mm for tumour in anatomy.tumours), default=0.0)
    near = (np.abs(points.x) < 1.12 * torso.half_width_mm + bulge + 3) & (
        np.abs(points.y) < 1.12 * torso.half_depth_mm + bulge + 3
    )
    return tuple(
        slice(int(i.min()), int(i.max()) + 1)
        for i in (near.any(1).nonzero()[0], near.any(0).nonzero()[0])
    )
