"""The pictures of a cohort: histograms of all cases, and a slice of each."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray
from scipy import ndimage

from deeprac.cohort.inspection import Inspection, KidneySlice
from deeprac.labels import Label
from deeprac.reporting.page.build import data_uri
from deeprac.reporting.style import CONTOURS, INK, say_why_not, theme

Value = float | None


@dataclass(frozen=True)
class Panel:
    """One histogram: its axis, which value of a case it counts, and its colour."""

    title: str
    axis: str
    value: Callable[[Inspection], Value]
    colour: str = INK
    missing: str = "not known"


def _volume(title: str, number: int, value: Callable[[Inspection], float]) -> Panel:
    """Volumes of a label, over the cases that have it."""
    return Panel(
        title=title,
        axis="volume in ml",
        value=lambda case: value(case) or None,
        colour=CONTOURS[number].reference,
        missing="in no case",
    )


INTENSITY = "intensity"
"""Stands for the unit of the cohort's intensities."""

PANELS = (
    Panel("Extent, left to right", "mm", lambda case: case.extent_mm[0]),
    Panel("Extent, head to foot", "mm", lambda case: case.extent_mm[2]),
    Panel("In-plane spacing", "mm", lambda case: case.spacing_x_mm),
    Panel("Slice spacing", "mm", lambda case: case.spacing_z_mm),
    Panel("Age", "years", lambda case: case.age_years),
    _volume("Kidney", Label.KIDNEY, lambda case: case.kidney_ml),
    _volume("Tumour", Label.TUMOUR, lambda case: case.tumour_ml),
    Panel("Median in the kidney", INTENSITY, lambda case: case.kidney_median),
)
COLUMNS = 4
WIDTH = 10.5
"""Inches: wider than a figure in print, for the letters of a page."""


def histograms(cases: Sequence[Inspection], *, unit: str) -> Figure:
    """One panel per quantity, counting cases.

    Args:
        cases: the cases that can be read.
        unit: of their intensities.
    """
    rows = -(-len(PANELS) // COLUMNS)
    with theme():
        figure = Figure(figsize=(WIDTH, 1.9 * rows))
        axes = figure.subplots(rows, COLUMNS)
        for panel, ax in zip(PANELS, axes.flat, strict=True):
            _histogram(panel, [panel.value(case) for case in cases], ax=ax)
            if panel.axis == INTENSITY:
                ax.set_xlabel(unit)
    return figure


def _histogram(panel: Panel, values: Sequence[Value], *, ax: Axes) -> None:
    known = [value for value in values if value is not None]
    ax.set_title(f"{panel.title}, n = {len(known)}", loc="left", fontsize=7)
    if not known:
        say_why_not(panel.missing, ax=ax)
        return
    sns.histplot(
        x=known, bins=_bins(known), ax=ax, color=panel.colour, edgecolor="white"
    )
    ax.set(xlabel=panel.axis, ylabel="cases")
    ax.yaxis.get_major_locator().set_params(integer=True)


def _bins(values: Sequence[float]) -> int:
    """As many bars as are readable; one where all values are equal."""
    return 1 if min(values) == max(values) else min(20, max(5, len(values) // 4))


def svg_uri(figure: Figure) -> str:
    """A figure as a data URI; equal figures give equal text."""
    content = io.BytesIO()
    with theme():
        figure.savefig(content, format="svg", metadata={"Date": None})
    return data_uri(content.getvalue(), "image/svg+xml")


SMALLEST = 192
"""Smaller slices are enlarged to at least this many pixels."""


def png(middle: KidneySlice, window: tuple[float, float]) -> bytes:
    """Draw a slice in its window, each label outlined in its colour, as PNG."""
    content = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    imsave(content, draw(middle, window), format="png", metadata=metadata)
    return content.getvalue()


def draw(middle: KidneySlice, window: tuple[float, float]) -> NDArray[np.float32]:
    """The picture (h, w, 3) of a slice, values 0 to 1."""
    low, high = window
    factor = max(1, -(-SMALLEST // max(middle.label.shape)))
    grey = np.clip((middle.image - low) / (high - low), 0, 1)
    picture = np.repeat(_enlarged(grey, factor)[..., None], 3, axis=2)
    label = _enlarged(middle.label, factor)
    for number, style in CONTOURS.items():
        mask = label == number
        # Of pixels that are enlarged the inner rim is as wide as of others.
        picture[mask & ~ndimage.binary_erosion(mask)] = to_rgb(style.reference)
    return picture.astype(np.float32)


def _enlarged(array: NDArray, factor: int) -> NDArray:
    return array.repeat(factor, axis=0).repeat(factor, axis=1)
