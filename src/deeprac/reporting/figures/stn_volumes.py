"""Held-out volumes before and after the normaliser, in three planes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from deeprac.config import Config
from deeprac.fitting import SPACE
from deeprac.geometry.cube import Cube
from deeprac.geometry.spatial import compose, invert, parameters, transform_points
from deeprac.records.transforms import SEEN_COLUMNS, volume_matrix
from deeprac.reporting import canvas
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.figures.stn_slices import (
    SIDE,
    SQUARE,
    caption_fields,
    held_out,
    normalising_experiment,
    spread,
)
from deeprac.reporting.roles import crops
from deeprac.reporting.slices import read_label_map, read_volume
from deeprac.reporting.style import CONTOURS, WIDTH
from deeprac.reporting.summary import Summary

PLANES: Mapping[str, tuple[int, int]] = {
    "axial": (0, 1),
    "coronal": (0, 2),
    "sagittal": (1, 2),
}
"""By name the axes (x, y, z are 0, 1, 2) that go right and down; z goes up instead."""
Z = 2
NATIVE = np.eye(3, 4)


@dataclass(frozen=True)
class NormalisedVolume:
    """A held-out volume with the transforms that the network applied to it.

    Attributes:
        case: Name of the case.
        patient: Name of its patient.
        image: ``(z, y, x)`` in HU or the cohort's grey values.
        label: ``(z, y, x)`` label numbers, kidneys united.
        cube: Around the volume.
        volume_from_canonical: ``(3, 4)``.
        volume_from_input: ``(3, 4)``, with the crop; None of earlier versions.
    """

    case: str
    patient: str
    image: NDArray
    label: NDArray
    cube: Cube
    volume_from_canonical: NDArray
    volume_from_input: NDArray | None

    @property
    def middle(self) -> NDArray[np.floating]:
        """Point (x, y, z) in the middle of the labels, in the cube."""
        return self.cube.from_vx(np.argwhere(self.label > 0).mean(axis=0)[::-1])


def make(summary: Summary) -> list[Drawing]:
    """One row per patient: three planes of the native and of the canonical volume."""
    config = summary.config
    experiment = normalising_experiment(config, SPACE)
    transforms, patients = held_out(summary, experiment)
    chosen = spread(patients, transforms, count=config.figures.cases)
    shown = [normalised(summary, row, transforms) for _, row in chosen.iterrows()]
    method = config.methods[config.experiments[experiment].method]
    figure = draw_all(shown, config, cropped=crops(method))
    data = pd.DataFrame(
        {"experiment": experiment, "patient": item.patient, "case": item.case}
        | _numbers(item.volume_from_canonical)
        for item in shown
    )
    fields = caption_fields(config, experiment, patients, shown=len(shown))
    return [captioned("stn_volumes", figure, data, **fields)]


def normalised(
    summary: Summary, row: pd.Series, transforms: pd.DataFrame
) -> NormalisedVolume:
    """Read a case and the transforms of its volume."""
    cohort, own = summary.layout.cohort, transforms[transforms.case == row.case]
    image = read_volume(cohort / row.image)
    spacing = (row.spacing_z_mm, row.spacing_y_mm, row.spacing_x_mm)
    canonical = volume_matrix(own)
    assert canonical is not None
    return NormalisedVolume(
        row.case,
        row.patient,
        image,
        read_label_map(cohort / row.label, cohort=cohort),
        Cube(image.shape, spacing),
        canonical,
        volume_matrix(own, SEEN_COLUMNS),
    )


def plane(
    volume: NDArray, cube: Cube, volume_from_frame: NDArray, axes: tuple[int, int],
    through: NDArray, *, fill: float,
) -> NDArray[np.floating]:  # fmt: skip
    """Sample a plane of a frame from a native volume, linearly.

    Args:
        volume: ``(z, y, x)``.
        cube: Around it.
        volume_from_frame: ``(3, 4)``.
        axes: One of ``PLANES``.
        through: Point (x, y, z) of the frame in the plane.
        fill: Value outside the volume (air).

    Returns:
        ``(SIDE, SIDE)``; of a mask the shares in 0..1.
    """
    centres = (2 * np.arange(SIDE) + 1) / SIDE - 1
    points = np.broadcast_to(through, (SIDE, SIDE, 3)).copy()
    right, down = axes
    points[..., right] = centres
    points[..., down] = (-centres if down == Z else centres)[:, None]
    x_y_z = cube.to_vx(transform_points(volume_from_frame, points))
    z_y_x = np.moveaxis(x_y_z[..., ::-1], -1, 0)
    # Of a large volume a copy in float would be a gigabyte, for every plane.
    return map_coordinates(
        volume, z_y_x, output=float, order=1, mode="grid-constant", cval=fill
    )


def draw(
    item: NormalisedVolume, volume_from_frame: NDArray, axes: tuple[int, int], *,
    window: tuple[float, float], air: float, ax: Axes,
) -> Axes:  # fmt: skip
    """Draw the plane of a frame through the labels' middle, with their outlines."""
    through = transform_points(invert(volume_from_frame), item.middle)
    where = (item.cube, volume_from_frame, axes, through)
    canvas.show(plane(item.image, *where, fill=air), window, extent=SQUARE, ax=ax)
    for label, colours in CONTOURS.items():
        mask = plane(item.label == label, *where, fill=0.0)
        canvas.contour(mask, colours.reference, extent=SQUARE, ax=ax)
    return ax


def draw_all(shown: list[NormalisedVolume], config: Config, *, cropped: bool) -> Figure:
    """Draw all volumes, the canonical ones with the outline of the network's input."""
    look: dict[str, Any] = {
        "window": config.figures.window_hu,
        "air": config.cohort.air,
    }
    columns = [(frame, name) for frame in ("Native", "Canonical") for name in PLANES]
    figure = Figure(figsize=(WIDTH, WIDTH / len(columns) * len(shown) + 0.9))
    grid = figure.subplots(len(shown), len(columns), squeeze=False)
    for row, item in zip(grid, shown, strict=True):
        for ax, (frame, name) in zip(row, columns, strict=True):
            native = frame == "Native"
            matrix = NATIVE if native else item.volume_from_canonical
            draw(item, matrix, PLANES[name], ax=ax, **look)
            if cropped and not native and item.volume_from_input is not None:
                _outline(item, PLANES[name], ax=ax)
        found = _numbers(item.volume_from_canonical)
        row[0].set_ylabel(
            f"{item.patient}\nscale {found['scale']:.2f}, {found['angle_z_deg']:+.0f}°",
            fontsize=6.5,
        )
    for ax, (frame, name) in zip(grid[0], columns, strict=True):
        ax.set_title(f"{frame}, {name}")
    return figure


def _outline(item: NormalisedVolume, axes: tuple[int, int], *, ax: Axes) -> None:
    """The box that the network sees, which has the sides of the canonical cube."""
    assert item.volume_from_input is not None
    box = compose(invert(item.volume_from_canonical), item.volume_from_input)
    corners = transform_points(box, np.array([[-1.0] * 3, [1.0] * 3]))[:, list(axes)]
    if axes[1] == Z:
        corners[:, 1] *= -1
    (left, top), (right, bottom) = corners
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    ax.plot(x, y, color="white", linewidth=1, linestyle="--")
    ax.set(xlim=SQUARE[:2], ylim=SQUARE[2:])


def _numbers(volume_from_canonical: NDArray) -> dict[str, float]:
    log_scale, angle_rad, shift = (
        part[0] for part in parameters(volume_from_canonical[None])
    )
    turned = np.degrees(angle_rad)
    return {
        "scale": float(np.exp(log_scale)),
        **{f"angle_{axis}_deg": float(turned[n]) for n, axis in enumerate("xyz")},
        **{f"shift_{axis}": float(shift[n]) for n, axis in enumerate("xyz")},
    }
