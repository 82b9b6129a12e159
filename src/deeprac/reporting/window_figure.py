"""The figure of a study of label masks (``deeprac cohort geometry``)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deeprac.labels import FOREGROUND, Label
from deeprac.mask_geometry.window_table import boxes_of
from deeprac.reporting.style import (
    CONTOURS,
    DARK_ENOUGH,
    DASHES,
    INK,
    MARKERS,
    WIDTH,
    legend_above,
    save,
    theme,
)
from deeprac.reporting.window_geometry import MARGIN, ceilings_table, read_geometry
from deeprac.windows import SHAPES, place

LEAST_DENSITY, MOST_FLOPS = 0.8, 0.3
"""What a window at half input is to reach: pixels per length and FLOPs, in units of the
full input's."""
CROWDED = 0.235
"""FLOPs below which names stand to the left of their points."""
MARGINS = {0.0: "-", MARGIN: "--"}


def draw_geometry(folder: Path, stem: Path) -> None:
    """Draw the figure of a study as PNG and SVG.

    Args:
        folder: of the study.
        stem: path of the figure without suffix.

    Raises:
        MetricsError: a table is missing or foreign.
    """
    tables = read_geometry(folder)
    with theme():
        figure = Figure(figsize=(WIDTH, 5.4))
        (fitting, covering), (dense, ceiling) = figure.subplots(2, 2)
        draw_fitting(tables["cases"], ax=fitting)
        draw_coverage(tables["coverage"], ax=covering)
        draw_density(tables["windows"], ax=dense)
        draw_ceilings(tables["ceilings"], ax=ceiling)
        legend_above(figure, _handles())
        figure.supxlabel(
            f"n = {len(tables['cases'])} masks. Width: of a window, as a share of the "
            "padded slice's. Dashed: with a margin of "
            f"{100 * MARGIN:g} %. A pair counts where the kidneys can be told apart.",
            fontsize=6, color="0.25", x=0.01, ha="left",
        )  # fmt: skip
        save(figure, stem)


def _looks() -> Mapping[str, dict[str, str]]:
    palette = [sns.color_palette("colorblind")[index] for index in DARK_ENOUGH]
    return {
        kind.name: {"color": colour, "marker": marker}
        for kind, colour, marker in zip(SHAPES, palette, MARKERS, strict=False)
    }


def _handles() -> list[Line2D]:
    titles = {
        "stn": "one square",
        "stn_rectangle": "one rectangle, 2:1",
        "stn_pair": "a square per kidney",
    }
    return [
        Line2D([], [], label=titles[name], **look) for name, look in _looks().items()
    ]


def draw_fitting(cases: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw how many cases fit into windows of a size, by shape and margin.

    Args:
        cases: as cases.csv.
        ax: where to draw.
    """
    whole, kidneys = boxes_of(cases)
    for kind in SHAPES:
        colour = _looks()[kind.name]["color"]
        for margin, dashes in MARGINS.items():
            placed = place(kind, whole, kidneys, margin=margin)
            needs = np.sort(placed.width_share[~placed.fallback])
            percent = 100 * np.arange(1, len(needs) + 1) / len(whole)
            ax.step(needs, percent, dashes, where="post", color=colour, linewidth=1.2)
    ax.set(xlim=(0.1, 1.0), ylim=(0, 101), xlabel="Width of the window, share")
    ax.set(ylabel="Cases wholly inside, %", title="What fits")
    return ax


def draw_coverage(coverage: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw the share of voxels inside windows of a size: each case, and the mean.

    Args:
        coverage: as coverage.csv.
        ax: where to draw.
    """
    for kind in SHAPES:
        colour = _looks()[kind.name]["color"]
        rows = coverage[coverage.kind == kind.name]
        for _, case in rows.groupby("case"):
            ax.plot(
                case.width_share, 100 * case.coverage, color=colour, alpha=0.12,
                linewidth=0.5,
            )  # fmt: skip
        mean = rows.groupby("width_share").coverage.mean()
        ax.plot(mean.index, 100 * mean, color=colour, linewidth=1.6)
    ax.set(xlim=(0.1, 1.0), ylim=(0, 101), xlabel="Width of the window, share")
    ax.set(ylabel="Labelled voxels inside, %", title="What is covered, by case")
    return ax


def draw_density(windows: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw pixels per length against FLOPs, one point per kind and sizing.

    Args:
        windows: as windows.csv.
        ax: where to draw.
    """
    rows = windows[windows.margin == MARGIN]
    for sizing, face in (("common", None), ("per patient", "none")):
        for row in rows[rows.sizing == sizing].itertuples():
            look = _looks()[row.kind]
            ax.plot(
                row.flops_share, row.density_median, linestyle="none",
                markerfacecolor=face or look["color"], **look,
            )  # fmt: skip
            if sizing == "common":
                # Pairs are hardly denser than the rectangles below them.
                above, left = row.windows > 1, row.flops_share < CROWDED
                ax.annotate(
                    f"{row.width_px} x {row.height_px}", fontsize=5,
                    xy=(row.flops_share, row.density_median),
                    xytext=(-4 if left else 4, 4 if above else -2),
                    textcoords="offset points", ha="right" if left else "left",
                    va="bottom" if above else "center",
                )  # fmt: skip
    ax.axhline(LEAST_DENSITY, color=INK, linewidth=0.8, linestyle=DASHES[1])
    ax.axvline(MOST_FLOPS, color=INK, linewidth=0.8, linestyle=DASHES[1])
    ax.set(xlabel="FLOPs in units of the full input's", xlim=(0.215, 0.305))
    ax.set(ylabel="Pixels per length, median", title="Filled: one size. Open: own size")
    return ax


def draw_ceilings(ceilings: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw the mean Dice of a perfect network, by what it sees.

    Args:
        ceilings: as ceilings.csv.
        ax: where to draw.
    """
    rows = ceilings_table(ceilings).rows
    names = [f"{row.through}, {row.matrix_px}" for row in rows.itertuples()]
    for label in FOREGROUND:
        percent = 100 * rows[f"{label.title}_dice"]
        ax.plot(
            percent, range(len(rows)), linestyle="none", label=label.title,
            color=CONTOURS[label].reference,
            marker="o" if label is Label.KIDNEY else "s",
        )  # fmt: skip
    ax.set_yticks(range(len(names)), names, fontsize=5)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set(xlabel="Dice of a perfect network, %", title="Ceilings")
    ax.legend(loc="lower left")
    return ax
