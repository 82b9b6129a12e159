"""Share of kidney and tumour that lies inside the crop, case by case."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deeprac.reporting.figures.drawing import Drawing, captioned, scatter
from deeprac.reporting.figures.rows import (
    draw_rows,
    named_rows,
    row_names,
    shown_experiments,
)
from deeprac.reporting.roles import crops
from deeprac.reporting.style import INK, MethodStyle
from deeprac.reporting.summary import Summary

COLUMNS = (
    *("experiment", "fold", "seed", "patient", "case"),
    *("coverage", "missed", "crop_side"),
)
REQUIRED = 99.5
"""Percent of every case's voxels that a crop should keep."""
TICKS = (0, 50, 90, 99, 99.9, 100)
FINEST = 0.05
"""Uncovered percent below which the axis becomes linear."""


def make(summary: Summary) -> list[Drawing]:
    """One row per experiment with a crop."""
    styles = shown_experiments(summary.config, crops)
    data = summary.diagnostics(styles)[list(COLUMNS)]
    names = row_names(summary.config, styles)
    figure, (ax,) = named_rows(names, panels=1)
    draw(data, styles, ax=ax)
    draw_rows(names, ax=ax)
    numbers = {"cases": data.case.nunique(), "required": REQUIRED}
    return [captioned("crop_coverage", figure, data, **numbers)]


def draw(data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw coverage in percent, one row per experiment, with counts at the right.

    Args:
        data: Columns ``COLUMNS``; cases without labelled voxels have no coverage.
        styles: Style of each experiment, from the top.
        ax: Where to draw.
    """
    ax.set_xscale("function", functions=(stretched, unstretched))
    look = {"s": 14, "alpha": 0.6, "linewidth": 0.3, "clip_on": False}
    for y, (experiment, style) in enumerate(styles.items()):
        rows = data[data.experiment == experiment].dropna(subset="coverage")
        percent = 100 * rows.coverage
        scatter(percent, y, style, ax=ax, **look)
        ax.annotate(
            f"{int(rows.missed.sum())} missed, {(percent < REQUIRED).sum()} below "
            f"{REQUIRED:g} %, n = {len(rows)}; side {rows.crop_side.median():.2f}",
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
