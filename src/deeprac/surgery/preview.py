"""Pictures of a patient's structures: three planes through each tumour, and 3D."""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from deeprac import files
from deeprac.reporting.canvas import MARK, contour, scale_bar, show
from deeprac.reporting.style import theme
from deeprac.surgery.anatomy import Anatomy, Kind, Structure
from deeprac.surgery.rendering import BEHIND, FRONT, render
from deeprac.surgery.study import Study
from deeprac.surgery.surfaces import Surface
from deeprac.surgery.terminology import terms, title

WINDOW_HU = (-160.0, 240.0)
"""Drawn black and white."""

MOST_PICTURES = 12
"""Structures with planes of their own at most, the largest first."""

SURFACES = "surfaces"
"""Name of the picture in 3D."""

DPI = 110
PIXELS = 520
"""Side of a view in 3D."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plane:
    """How a plane through the volume is drawn.

    Attributes:
        name: the field's word.
        axis: of the array [z, y, x] that it is perpendicular to.
        letters: what lies to the left, right, top and bottom.
    """

    name: str
    axis: int
    letters: str


PLANES = (
    Plane("axial", 0, "RLAP"),
    Plane("coronal", 1, "RLSI"),
    Plane("sagittal", 2, "APSI"),
)


def write_preview(study: Study, surfaces: Sequence[Surface], folder: Path) -> None:
    """Write ``NAME.png`` of each pictured structure, and ``surfaces.png``.

    Args:
        study: the patient, with or without CT.
        surfaces: of all structures.
        folder: made when missing.
    """
    with theme():
        for structure in pictured(study.anatomy):
            figure = planes(study, structure)
            files.write_bytes(folder / f"{structure.name}.png", _png(figure))
        if surfaces and (drawn := views(surfaces)) is not None:
            files.write_bytes(folder / f"{SURFACES}.png", _png(drawn))


def pictured(anatomy: Anatomy) -> tuple[Structure, ...]:
    """The structures that have planes: the tumours, or without any the kidneys."""
    shown = anatomy.of_kind(Kind.TUMOUR) or anatomy.of_kind(Kind.KIDNEY)
    return shown[:MOST_PICTURES]


def planes(study: Study, structure: Structure) -> Figure:
    """Three planes through the centroid of a structure, all structures outlined."""
    anatomy = study.anatomy
    found = np.nonzero(anatomy.mask(structure))
    centroid = [round(float(axis.mean())) for axis in found]
    place = anatomy.grid.lps_from_voxel_mm @ [*centroid[::-1], 1]
    sizes = np.array(anatomy.numbers.shape) * anatomy.spacing_mm
    figure = Figure(figsize=(11, 4.4), facecolor="black")
    ratios = [sizes[2], sizes[2], sizes[1]]
    for plane, ax in zip(
        PLANES, figure.subplots(1, 3, width_ratios=ratios), strict=True
    ):
        _draw(study, plane, centroid[plane.axis], ax=ax)
        letter, place_mm = "zyx"[plane.axis], place[2 - plane.axis]
        ax.set_title(
            f"{plane.name}, {letter} = {place_mm:.0f} mm", color="white", fontsize=8
        )
    _legend(figure, anatomy.structures)
    return figure


def views(surfaces: Sequence[Surface]) -> Figure | None:
    """The surfaces from the front and from behind; None where nothing can draw them."""
    drawn = render(surfaces, (FRONT, BEHIND), pixels=PIXELS)
    if drawn is None:
        _LOG.warning("no picture in 3D: this machine has no OpenGL, not even Mesa's")
        return None
    pictures, side_mm = drawn
    figure = Figure(figsize=(11, 5.6), facecolor="black")
    names = ("from the front", "from behind")
    for ax, picture, name, letters in zip(
        figure.subplots(1, 2), pictures, names, ("RLSI", "LRSI"), strict=True
    ):
        ax.imshow(picture, extent=(0, side_mm, side_mm, 0))
        ax.set_axis_off()
        ax.set_title(name, color="white", fontsize=8)
        _mark(letters, ax=ax)
        scale_bar(_bar_mm(side_mm), ax=ax)
    _legend(figure, [surface.structure for surface in surfaces])
    return figure


def _draw(study: Study, plane: Plane, index: int, *, ax: Axes) -> None:
    anatomy = study.anatomy
    height_mm, width_mm = np.delete(anatomy.spacing_mm, plane.axis)
    numbers = _upright(anatomy.numbers, plane, index)
    height, width = numbers.shape
    extent = (0.0, width * float(width_mm), height * float(height_mm), 0.0)
    image = np.full(numbers.shape, WINDOW_HU[0], np.float32)
    if study.image is not None:
        image = _upright(study.image, plane, index)
    show(image, WINDOW_HU, extent=extent, ax=ax)
    for structure in anatomy.structures:
        mask, colour = numbers == structure.number, _colour(structure)
        contour(mask, colour, extent=extent, ax=ax)
    _mark(plane.letters, ax=ax)
    scale_bar(_bar_mm(extent[1]), ax=ax)


def _upright(volume: NDArray, plane: Plane, index: int) -> NDArray:
    """A slice with the head on top, or the front."""
    cut = volume.take(index, axis=plane.axis)
    return cut if plane.axis == 0 else cut[::-1]


def _mark(letters: str, *, ax: Axes) -> None:
    """Letters for what lies to the left, right, top and bottom."""
    places = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.98), (0.5, 0.02))
    aligned = (("left", "center"), ("right", "center"), ("center", "top"),
               ("center", "bottom"))  # fmt: skip
    for letter, (x, y), (ha, va) in zip(letters, places, aligned, strict=True):
        text = ax.text(x, y, letter, transform=ax.transAxes, ha=ha, va=va, **MARK)
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])


def _bar_mm(width_mm: float) -> float:
    """Length of a scale bar: the largest round one of at most a third of the width."""
    return next((mm for mm in (100, 50, 20, 10, 5, 2) if 3 * mm <= width_mm), 1)


def _legend(figure: Figure, structures: Sequence[Structure]) -> None:
    shown = {title(one): _colour(one) for one in structures[:MOST_PICTURES]}
    handles = [Line2D([], [], color=c, lw=2, label=name) for name, c in shown.items()]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=6, frameon=False,
        labelcolor="white", fontsize=8,
    )  # fmt: skip


def _colour(structure: Structure) -> str:
    return "#{:02x}{:02x}{:02x}".format(*terms(structure).colour)


def _png(figure: Figure) -> bytes:
    """The figure as PNG: equal figures give equal bytes."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return content.getvalue()
