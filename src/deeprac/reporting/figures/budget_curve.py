"""Dice against the number of training steps, one line per method."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from deeprac.reporting.figures.drawing import Drawing, captioned, label_panels
from deeprac.reporting.style import (
    MethodStyle,
    method_styles,
)
from deeprac.reporting.summary import Summary

DODGE = 0.06
"""Distance of neighbouring methods as a share of a doubling: their bars stay apart."""
BESIDE = 2 ** (DODGE / 2)
"""Where the points of single trainings stand, times the steps of their mean."""


def make(summary: Summary) -> list[Drawing]:
    """Rows: labels; columns: matrices."""
    data = budget_points(summary)
    styles = method_styles(summary.config)
    figure = label_panels(
        summary.config,
        data,
        lambda panel, ax: draw(panel, styles, ax=ax),
        xlabel="Training steps",
    )
    return [captioned("budget_curve", figure, data, extent=summary.extent)]


def budget_points(summary: Summary) -> pd.DataFrame:
    """Tidy points of all methods that have a curve.

    Returns:
        Columns experiment, method, matrix, label, steps, kind (mean or seed), seed
        (of that kind), n (patients), dice_percent, low and high (of the mean).
    """
    table = summary.budgets
    means = table.assign(
        kind="mean", dice_percent=100 * table.dice, low=100 * table.low,
        high=100 * table.high,
    )  # fmt: skip
    cases = summary.cases.groupby(["experiment", "label", "seed", "patient"]).dice
    by_seed = cases.mean().groupby(["experiment", "label", "seed"])
    seeds = pd.DataFrame({"n": by_seed.count(), "dice_percent": 100 * by_seed.mean()})
    named = table[["experiment", "method", "matrix", "label", "steps"]]
    seeds = named.merge(seeds.reset_index(), on=["experiment", "label"])
    columns = [*named, "kind", "seed", "n", "dice_percent", "low", "high"]
    parts = [means, seeds.assign(kind="seed")]
    points = pd.concat([part.reindex(columns=columns) for part in parts])
    return points.astype({"seed": "Int64"}).reset_index(drop=True)


def draw(data: pd.DataFrame, styles: dict[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Columns method, steps, kind, dice_percent, low, high.
        styles: Style of each method, in the order of the legend.
        ax: Where to draw.
    """
    methods = [name for name in styles if name in set(data.method)]
    for index, name in enumerate(methods):
        own, style = data[data.method == name], styles[name]
        aside = 2 ** (DODGE * (index - (len(methods) - 1) / 2))
        points, seeds = own[own.kind == "mean"], own[own.kind == "seed"]
        ends = (points.dice_percent - points.low, points.high - points.dice_percent)
        ax.errorbar(
            points.steps * aside, points.dice_percent,
            yerr=np.nan_to_num(np.stack(ends)), color=style.colour, marker=style.marker,
            markersize=4, linewidth=1.1, elinewidth=0.9, capsize=2,
        )  # fmt: skip
        ax.plot(
            seeds.steps * aside * BESIDE, seeds.dice_percent, linestyle="none",
            marker="o", color=style.colour, markersize=1.8,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(sorted(data.steps.unique()))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    return ax
