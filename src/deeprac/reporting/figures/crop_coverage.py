"""Share of kidney and tumour that lies inside the crop, case by case."""

from collections.abc import Iterable, Mapping

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
from deeprac.settings.claims import Claim

COLUMNS = (
    *("experiment", "fold", "seed", "patient", "case"),
    *("coverage", "missed", "crop_side"),
)
TICKS = (0, 50, 90, 99, 99.9, 100)
FINEST = 0.05
"""Uncovered percent below which the axis becomes linear."""


def make(summary: Summary) -> list[Drawing]:
    """One row per experiment with a crop."""
    styles = shown_experiments(summary.config, crops)
    data = summary.diagnostics(styles)[list(COLUMNS)]
    names = row_names(summary.config, styles)
    figure, (ax,) = named_rows(names, panels=1)
    required = claimed_coverage(summary.config.report.claims)
    draw(data, styles, required, ax=ax)
    draw_rows(names, ax=ax)
    numbers = {"cases": data.case.nunique(), "required": required}
    return [captioned("crop_coverage", figure, data, **numbers)]


def claimed_coverage(claims: Iterable[Claim]) -> float:
    """Percent of every case's voxels that a crop is claimed to keep; else all."""
    limits = [one.limit.limit for one in claims if one.quantity == "coverage"]
    return min(limits, default=100.0)


def draw(
    data: pd.DataFrame, styles: Mapping[str, MethodStyle], required: float, *, ax: Axes
) -> Axes:
    """Draw coverage in percent, one row per experiment, with counts at the right.

    Args:
        data: Columns ``COLUMNS``; cases without labelled voxels have no coverage.
        styles: Style of each experiment, from the top.
        required: Percent that every case should have.
        ax: Where to draw.
    """
    ax.set_xscale("function", functions=(stretched, unstretched))
    look = {"s": 14, "alpha": 0.6, "linewidth": 0.3, "clip_on": False}
    for y, (experiment, style) in enumerate(styles.items()):
        rows = data[data.experiment == experiment].dropna(subset="coverage")
        percent = 100 * rows.coverage
        scatter(percent, y, style, ax=ax, **look)
        ax.annotate(
            f"{int(rows.missed.sum())} missed, {(percent < required).sum()} below "
            f"{required:g} %, n = {len(rows)}; side {rows.crop_side.median():.2f}",
            (1.03, y), xycoords=("axes fraction", "data"), va="center", fontsize=6,
        )  # fmt: skip
    ax.axvline(required, color=INK, linewidth=1, linestyle="--", zorder=1)
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
