"""How far the single slices of one patient disagree about size, angle and centre."""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.reporting.figures.rows import (
    ROW_INCHES,
    draw_rows,
    row_names,
    shown_experiments,
)
from deeprac.reporting.figures.sources import Drawing, Sources
from deeprac.reporting.roles import estimates
from deeprac.reporting.style import INK, WIDTH, MethodStyle, add_caption

NAME = "stn_spread"
KEYS = ("experiment", "fold", "seed", "patient", "case")
PANELS = {
    "spread_scale_percent": "Scale, SD in %",
    "spread_angle_deg": "Angle, SD in degrees",
    "spread_centre_percent": "Centre, SD in % of width",
}
"""Column of each panel and its axis."""


def make(sources: Sources) -> list[Drawing]:
    """One panel per quantity, one row per experiment."""
    styles = shown_experiments(sources.config, estimates)
    table = sources.diagnostics()
    table = table[table.experiment.isin(styles)]
    data = table[list(KEYS)].assign(
        labelled_slices=table.labelled_slices,
        spread_scale_percent=100 * table.spread_scale,
        spread_angle_deg=table.spread_angle_deg,
        spread_centre_percent=100 * table.spread_centre,
    )
    figure = Figure(figsize=(WIDTH, 0.8 + ROW_INCHES * len(styles)))
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for ax, (column, title) in zip(axes, PANELS.items(), strict=True):
        draw(data.assign(value=data[column]), styles, ax=ax)
        ax.set_xlabel(title)
    draw_rows(row_names(sources.config, styles), ax=axes[0])
    add_caption(
        figure,
        f"n = {data.case.nunique()} held-out cases per method and seed, one point "
        "each, bars: median. Standard deviation, over the slices of a case that show "
        "kidney or tumour, of what each slice alone would say; slices with too little "
        "body are left out.",
    )
    return [Drawing(NAME, figure, data)]


def draw(data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw one row of points per experiment with its median.

    Args:
        data: Columns experiment and value.
        styles: Style of each experiment, from the top.
        ax: Where to draw.
    """
    for y, (experiment, style) in enumerate(styles.items()):
        values = data[data.experiment == experiment].value.dropna()
        sns.scatterplot(
            x=values, y=[y] * len(values), color=style.colour, marker=style.marker,
            s=12, alpha=0.6, linewidth=0.3, ax=ax, zorder=2,
        )  # fmt: skip
        ax.vlines(values.median(), y - 0.3, y + 0.3, color=INK, linewidth=1.6, zorder=3)
    ax.grid(visible=False, axis="y")
    largest = data.value.max()
    ax.set_xlim(0, 1.08 * largest if largest > 1e-6 else 1)
    return ax
