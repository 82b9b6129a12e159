"""How far the single slices of one patient disagree about size, angle and centre."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from deeprac.reporting.figures.drawing import Drawing, captioned, scatter
from deeprac.reporting.figures.rows import (
    draw_rows,
    named_rows,
    row_names,
    shown_experiments,
)
from deeprac.reporting.roles import estimates
from deeprac.reporting.style import INK, MethodStyle
from deeprac.reporting.summary import Summary

KEYS = ("experiment", "fold", "seed", "patient", "case")
PANELS = {
    "spread_scale_percent": "Scale, SD in %",
    "spread_angle_deg": "Angle, SD in degrees",
    "spread_centre_percent": "Centre, SD in % of width",
}
"""Column of each panel and its axis."""


def make(summary: Summary) -> list[Drawing]:
    """One panel per quantity, one row per experiment."""
    styles = shown_experiments(summary.config, estimates)
    table = summary.diagnostics(styles)
    data = table[list(KEYS)].assign(
        labelled_slices=table.labelled_slices,
        spread_scale_percent=100 * table.spread_scale,
        spread_angle_deg=table.spread_angle_deg,
        spread_centre_percent=100 * table.spread_centre,
    )
    names = row_names(summary.config, styles)
    figure, axes = named_rows(names, panels=len(PANELS))
    for ax, (column, title) in zip(axes, PANELS.items(), strict=True):
        draw(data.assign(value=data[column]), styles, ax=ax)
        ax.set_xlabel(title)
    draw_rows(names, ax=axes[0])
    return [captioned("stn_spread", figure, data, cases=data.case.nunique())]


def draw(data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw one row of points per experiment with its median.

    Args:
        data: Columns experiment and value.
        styles: Style of each experiment, from the top.
        ax: Where to draw.
    """
    for y, (experiment, style) in enumerate(styles.items()):
        values = data[data.experiment == experiment].value.dropna()
        scatter(values, y, style, ax=ax, s=12, alpha=0.6, linewidth=0.3)
        ax.vlines(values.median(), y - 0.3, y + 0.3, color=INK, linewidth=1.6, zorder=3)
    ax.grid(visible=False, axis="y")
    largest = data.value.max()
    ax.set_xlim(0, 1.08 * largest if largest > 1e-6 else 1)
    return ax
