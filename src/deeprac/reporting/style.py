"""How methods, labels and figures look; each choice is made once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deeprac.config import Config
from deeprac.files import atomic_path
from deeprac.labels import CYST, Label
from deeprac.reporting.roles import (
    crops,
    normalises,
    selected_experiments,
    training_suffix,
)
from deeprac.settings.methods import PLANNED

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DARK_ENOUGH = (0, 1, 2, 3, 4, 5, 7, 9)
"""Colours of seaborn's colour-blind palette that stand out on white paper: without pale
pink and yellow."""
DASHES = ("-", "--", ":", "-.")
"""Lines of the matrices, from the first on."""
INK = "0.2"
FAINT = "0.75"
DPI = 300
WIDTH = 180 / 25.4
"""Width of every figure in inches: two columns of a journal, so that no letter is below
6 points in print."""
MOST_POINTS = 600
"""Points that an SVG holds as shapes."""
LETTER_INCHES = 0.057
"""Mean width of a letter of a legend."""


@dataclass(frozen=True)
class MethodStyle:
    """Name, colour and marker of a method in every figure."""

    name: str
    colour: tuple[float, float, float]
    marker: str

    @property
    def label(self) -> str:
        """Name as matplotlib needs it, which sets what is between two $ as maths."""
        return self.name.replace("$", r"\$")

    @property
    def wrapped(self) -> str:
        """Name with one part per line, for axes."""
        return self.label.replace(" + ", "\n+ ").replace(", ", "\n")


@dataclass(frozen=True)
class ContourStyle:
    """Name and colours of one label's contours on a grey CT slice."""

    title: str
    reference: str
    prediction: str


CONTOURS = {
    Label.KIDNEY: ContourStyle("kidney", reference="#0096FF", prediction="#00F0FF"),
    Label.TUMOUR: ContourStyle("tumour", reference="#E66100", prediction="#FFEB3B"),
    CYST: ContourStyle("cyst", reference="#CC79A7", prediction="#FFB8DE"),
}
"""Blue, orange and rose, distinct for colour-blind readers; predictions are brighter.
By number of a label map whose kidneys are united."""


def contours(config: Config) -> dict[int, ContourStyle]:
    """Contours of the labels that a cohort keeps."""
    cysts = config.cohort.kept_labels.cysts
    return {n: style for n, style in CONTOURS.items() if n != CYST or cysts}


def method_styles(config: Config) -> dict[str, MethodStyle]:
    """Styles of all configured methods, in their order; colour-blind safe.

    A colour and a marker repeat with different periods, so that the pair stays unique
    for 56 methods. Of the selected ones those without crop and augmentation, which are
    compared most, come first: their colours differ as long as there are enough.
    """
    selected = {row.method for row in selected_experiments(config)}
    order = sorted(
        config.methods.values(),
        key=lambda m: (
            *(m.name not in selected, crops(m)),
            normalises(m) and bool(m.augment),
        ),
    )
    place = {method.name: index for index, method in enumerate(order)}
    palette = [sns.color_palette("colorblind")[index] for index in DARK_ENOUGH]
    styles = {}
    for method in config.methods.values():
        index = place[method.name]
        reduced = f", input x {method.network_input:g}"
        styles[method.name] = MethodStyle(
            name=method.label + (reduced if method.network_input < 1 else ""),
            colour=palette[index % len(palette)],
            marker=MARKERS[index % len(MARKERS)],
        )
    return styles


def experiment_style(config: Config, experiment: str) -> MethodStyle:
    """Style of the method of an experiment; named with its patients and epochs."""
    row = config.experiments[experiment]
    style = method_styles(config)[row.method]
    return replace(style, name=style.name + training_suffix(row))


def matrix_title(config: Config, matrix: str) -> str:
    """Name of a matrix with its size, or with who plans it."""
    own = config.matrices[matrix]
    if own.size == PLANNED:
        return f"{matrix} matrix, own spacing and patches"
    return f"{matrix} matrix, {' x '.join(map(str, own.sides))}"


@contextmanager
def theme() -> Iterator[None]:
    """Fonts and lines of all figures; reproducible SVG."""
    sizes = {
        "font.size": 6.5,
        "axes.titlesize": 7.5,
        "axes.labelsize": 7,
        "xtick.labelsize": 6.5,
        "ytick.labelsize": 6.5,
        "legend.fontsize": 6.5,
        "lines.markersize": 4,
        "svg.hashsalt": "deeprac",
        "axes.titleweight": "bold",
        "figure.constrained_layout.use": True,
    }
    with (
        sns.axes_style("whitegrid", {"grid.color": "0.9", "axes.edgecolor": "0.6"}),
        mpl.rc_context(sizes),
    ):
        yield


def method_handles(styles: list[MethodStyle]) -> list[Line2D]:
    """Legend entries of methods."""
    return [
        Line2D([], [], color=s.colour, marker=s.marker, linestyle="none", label=s.label)
        for s in styles
    ]


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """Legend above the panels with as many columns as the names leave room for."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = int(figure.get_figwidth() / (LETTER_INCHES * longest + 0.5))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=max(1, min(columns, 4)),
        frameon=False,
    )  # fmt: skip


def within_percent(ax: Axes) -> None:
    """Cut a vertical axis of Dice to what Dice can be: wide intervals go beyond."""
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, -4), min(high, 104))


def say_why_not(text: str, *, ax: Axes) -> None:
    """A panel without data says why."""
    ax.set(xticks=[], yticks=[])
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)


def save(figure: Figure, stem: Path) -> None:
    """Write PNG and SVG without a date: equal data gives equal files.

    Many points are one picture in the SVG, which would grow with each of them.
    """
    points = [
        group
        for ax in figure.axes
        for group in ax.collections
        if isinstance(group, PathCollection)
    ]
    if sum(len(np.asarray(group.get_offsets())) for group in points) > MOST_POINTS:
        for group in points:
            group.set_rasterized(True)
    for suffix in FORMATS:
        save_as(figure, stem.with_name(stem.name + suffix))
        figure.set_layout_engine("none")  # Arranged once: the second file is alike.


FORMATS: dict[str, tuple[type[FigureCanvasBase], dict[str, None]]] = {
    ".png": (FigureCanvasAgg, {"Software": None}),
    ".svg": (FigureCanvasSVG, {"Date": None}),
}
"""By the end of a file: what draws it, and what is not written into it."""


def save_as(figure: Figure, path: Path) -> None:
    """Write one file, a PNG or an SVG.

    By its canvas: ``savefig`` draws everything once more, to no effect.
    """
    canvas, metadata = FORMATS[path.suffix]
    figure.set_dpi(DPI)
    write = getattr(canvas(figure), f"print_{path.suffix[1:]}")
    with atomic_path(path) as temporary:
        write(temporary, metadata=metadata)
