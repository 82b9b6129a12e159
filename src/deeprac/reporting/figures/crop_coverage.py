"""Share of kidney and tumour that lies inside the crop, case by case."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deeprac.reporting.figures.rows import (
    ROW_INCHES,
    draw_rows,
    row_names,
    shown_experiments,
)
from deeprac.reporting.figures.sources import Drawing, Sources
from deeprac.reporting.roles import crops
from deeprac.reporting.style import INK, WIDTH, MethodStyle, add_caption

NAME = "crop_coverage"
COLUMNS = (
    "experiment",
    "fold",
    "seed",
    "patient",
    "case",
    "coverage",
    "missed",
    "crop_side",
)
REQUIRED = 99.5
"""Percent of every case's voxels that a crop should keep."""
TICKS = (0, 50, 90, 99, 99.9, 100)
FINEST = 0.05
"""Uncovered percent below which the axis becomes linear."""


def make(sources: Sources) -> list[Drawing]:
    """One row per experiment with a crop."""
    styles = shown_experiments(sources.config, crops)
    table = sources.diagnostics()
    data = table.loc[table.experiment.isin(styles), list(COLUMNS)]
    figure = Figure(figsize=(WIDTH, 0.8 + ROW_INCHES * len(styles)))
    ax = figure.subplots()
    draw(data, styles, ax=ax)
    draw_rows(row_names(sources.config, styles), ax=ax)
    add_caption(
        figure,
        f"n = {data.case.nunique()} held-out cases per method and seed, one point "
        f"each. Line: {REQUIRED:g} %. Missed: less than half of a case's kidney and "
        "tumour voxels inside. Side: of the window, as a share of the canonical frame, "
        "median. "
        "The axis is stretched towards 100 %.",
    )
    return [Drawing(NAME, figure, data)]


def draw(data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw coverage in percent, one row per experiment, with counts at the right.

    Args:
        data: Columns ``COLUMNS``; cases without labelled voxels have no coverage.
        styles: Style of each experiment, from the top.
        ax: Where to draw.
    """
    ax.set_xscale("function", functions=(stretched, unstretched))
    for y, (experiment, style) in enumerate(styles.items()):
        mine = data[data.experiment == experiment].dropna(subset="coverage")
        percent = 100 * mine.coverage
        sns.scatterplot(
            x=percent, y=[y] * len(mine), color=style.colour, marker=style.marker,
            s=14, alpha=0.6, linewidth=0.3, ax=ax, zorder=2, clip_on=False,
        )  # fmt: skip
        ax.annotate(
            f"{int(mine.missed.sum())} missed, {(percent < REQUIRED).sum()} below "
            f"{REQUIRED:g} %, n = {len(mine)}; side {mine.crop_side.median():.2f}",
            (1.03, y), xycoords=("axes fraction", "data"), va="center", fontsize=6,
        )  # fmt: skip
    ax.axvline(REQUIRED, color=INK, linewidth=1, linestyle="--", zorder=1)
    ax.set_xlim(-2, 100)
    ax.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    ax.set_xlabel("Kidney and tumour inside the crop, % of voxels")
    return ax


def stretched(percent: NDArray) -> NDArray:
    """Position on the axis of a coverage in percent; 100 lies at 0."""
    outside = np.maximum(100 - np.asarray(percent, dtype=float), 0)
    return -np.log10(1 + outside / FINEST)


def unstretched(position: NDArray) -> NDArray:
    """Inverse of :func:`stretched`."""
    return 100 - FINEST * (10 ** -np.asarray(position, dtype=float) - 1)
