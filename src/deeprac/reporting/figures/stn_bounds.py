"""How often front ends fall back or end at a bound, and how hard they still learn."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from deeprac.config import Config
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.figures.rows import (
    ROW_INCHES,
    by_matrix,
    draw_rows,
    row_names,
    shown_experiments,
)
from deeprac.reporting.style import (
    DASHES,
    WIDTH,
    MethodStyle,
    matrix_title,
)
from deeprac.reporting.summary import Summary

KEYS = ["experiment", "fold", "seed"]
COLUMNS = [*KEYS, "epoch", "quantity", "value"]
SHARES = {"at_bound_percent": "correction at its bound", "fallback_percent": "fallback"}
"""Quantities of the left panel and their names."""
GRADIENT = "localiser_gradient"
MOST_BANDS = 6
MARKS = 8
"""Markers along a curve."""


def make(summary: Summary) -> list[Drawing]:
    """Left: share of slices; right: the localiser's gradient over the epochs."""
    config = summary.config
    styles = shown_experiments(config, lambda method: method.has_front_end)
    table = summary.diagnostics(styles)
    shares = slice_shares(table)
    gradients = summary.training((GRADIENT,), styles).rename(
        columns={GRADIENT: "value"}
    )
    gradients = gradients.assign(quantity=GRADIENT)[COLUMNS].dropna(subset="value")
    data = pd.concat([shares, gradients], ignore_index=True)
    figure = Figure(figsize=(WIDTH, max(2.6, 1 + ROW_INCHES * len(styles))))
    drawn = bool(shares.value.any())
    left, right = figure.subplots(1, 2, width_ratios=(1, 1 if drawn else 2.5))
    if drawn:
        draw_shares(shares, styles, ax=left)
    else:
        draw_none(styles, ax=left)
    draw_rows(row_names(config, styles), ax=left)
    groups = by_matrix(config, styles)
    for group, dash in zip(groups.values(), DASHES, strict=False):
        draw_gradients(gradients, group, dash=dash, ax=right)
    draw_matrices(config, list(groups), ax=right)
    slices = table.groupby(["experiment", "seed"]).slices.sum().max()
    runs = shares.groupby(["experiment", "quantity"]).size().max()
    return [captioned("stn_bounds", figure, data, slices=slices, runs=runs)]


def slice_shares(table: pd.DataFrame) -> pd.DataFrame:
    """Share of each run's slices at a bound and fallen back.

    Args:
        table: Columns of summary/diagnostics.csv.

    Returns:
        ``COLUMNS``: epoch is empty, quantity see ``SHARES``, value in percent.
    """
    slices = ["slices", "at_bound_slices", "fallback_slices"]
    counts = table.groupby(KEYS, sort=False)[slices].sum()
    percent = {
        "at_bound_percent": 100 * counts.at_bound_slices / counts.slices,
        "fallback_percent": 100 * counts.fallback_slices / counts.slices,
    }
    long = pd.DataFrame(percent).reset_index().melt(KEYS, var_name="quantity")
    return long.assign(epoch=np.nan)[COLUMNS]


def draw_shares(
    data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, ax: Axes
) -> Axes:
    """Two bars per experiment: at a bound (full colour) and fallback (light)."""
    means = data.groupby(["experiment", "quantity"]).value.mean()
    for y, (experiment, style) in enumerate(styles.items()):
        for offset, quantity, alpha in zip((-0.2, 0.2), SHARES, (1, 0.4), strict=True):
            value = means[experiment, quantity]
            ax.barh(y + offset, value, 0.38, color=style.colour, alpha=alpha)
            ax.annotate(
                f"{value:.1f}", (value, y + offset), xytext=(3, 0), fontsize=6,
                textcoords="offset points", va="center",
            )  # fmt: skip
        ax.plot(
            -0.03, y, marker=style.marker, color=style.colour, clip_on=False,
            transform=ax.get_yaxis_transform(), markersize=4,
        )  # fmt: skip
    ax.tick_params(axis="y", pad=10)
    ax.margins(x=0.14)
    ax.set_xlim(0, None if means.max() > 0 else 1)
    ax.set_xlabel("Share of slices, %")
    handles = [
        Patch(color="0.35", alpha=alpha, label=name)
        for name, alpha in zip(SHARES.values(), (1, 0.4), strict=True)
    ]
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False
    )
    return ax


def draw_none(styles: Mapping[str, MethodStyle], *, ax: Axes) -> Axes:
    """Say that there is no bar to draw; the rows name the markers."""
    for y, style in enumerate(styles.values()):
        ax.plot(0.1, y, marker=style.marker, color=style.colour, linestyle="none")
    ax.set(xlim=(0, 1), xticks=[], xlabel="Share of slices: 0 %")
    text = "No slice of any\nmethod ends at a\nbound or falls back."
    ax.text(0.55, 0.5, text, ha="center", va="center", transform=ax.transAxes)
    return ax


def draw_gradients(
    data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, dash: str, ax: Axes
) -> Axes:
    """Mean over runs of the gradient's norm, one curve per experiment.

    With the range of the runs, where bands of many do not hide each other.
    """
    band = ("pi", 100) if len(styles) <= MOST_BANDS else None
    for experiment, style in styles.items():
        norms = data[data.experiment == experiment]
        if len(norms):
            sns.lineplot(
                data=norms, x="epoch", y="value", color=style.colour, linestyle=dash,
                marker=style.marker, markevery=max(1, norms.epoch.nunique() // MARKS),
                errorbar=band, err_kws={"alpha": 0.15} if band else None, linewidth=1,
                ax=ax,
            )  # fmt: skip
    return ax


def draw_matrices(config: Config, matrices: list[str], *, ax: Axes) -> None:
    """Name the axes of the gradients, and the lines of the matrices if several."""
    ax.set(xlabel="Epoch", ylabel="Norm of the gradient (log)")
    if not ax.lines:
        text = "No selected experiment learns its pose."
        ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(matrices) > 1:
        handles = [
            Line2D([], [], color="0.3", linestyle=d, label=matrix_title(config, matrix))
            for matrix, d in zip(matrices, DASHES, strict=False)
        ]
        ax.legend(handles=handles, frameon=False)
