"""Dice against the number of training patients, one line per method."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from deeprac.evaluation.statistics.method_means import (
    interval_name,
    method_means,
    seed_means,
)
from deeprac.records.tidy import foreground_rows
from deeprac.reporting.figures.drawing import Drawing, captioned, label_panels
from deeprac.reporting.roles import curve_experiments
from deeprac.reporting.style import (
    MethodStyle,
    method_styles,
)
from deeprac.reporting.summary import Summary

DODGE = 0.012
"""Distance of neighbouring methods as a share of the axis: their bars stay apart."""


def make(summary: Summary) -> list[Drawing]:
    """Rows: labels; columns: matrices."""
    data = learning_curves(summary)
    cases = summary.cases[summary.cases.experiment.isin(data.experiment)]
    trainings = seed_means(cases, ["experiment", "label"])
    styles = method_styles(summary.config)

    def panel(rows: pd.DataFrame, ax: Axes) -> None:
        own = trainings[trainings.label.isin(rows.label)]
        draw(rows, own, styles, ax=ax)

    figure = label_panels(summary.config, data, panel, xlabel="Training patients")
    words = {"extent": summary.extent, "interval": interval_name(cases)}
    return [captioned("learning_curve", figure, data, **words)]


def learning_curves(summary: Summary) -> pd.DataFrame:
    """Tidy points of all methods that have a curve.

    Returns:
        Columns experiment, method, matrix, training_patients (mean over the runs) and
        those of ``method_means``; sorted along x.
    """
    names = curve_experiments(summary.config)
    cases = foreground_rows(summary.cases)
    means = method_means(cases[cases.experiment.isin(names)], ["experiment", "label"])
    columns = ["experiment", "method", "matrix", "training_patients"]
    table = summary.rows[columns].merge(means, on="experiment")
    return table.sort_values("training_patients", kind="stable")


def draw(
    data: pd.DataFrame,
    trainings: pd.DataFrame,
    styles: dict[str, MethodStyle],
    *,
    ax: Axes,
) -> Axes:
    """Draw one panel.

    Args:
        data: Rows of :func:`learning_curves`.
        trainings: Rows of ``seed_means`` of the same label.
        styles: Style of each method, in the order of the legend.
        ax: Where to draw.
    """
    methods = [name for name in styles if name in set(data.method)]
    step = DODGE * (np.ptp(data.training_patients) or 1)
    for index, name in enumerate(methods):
        points, style = data[data.method == name], styles[name]
        low, high = points.low_percent, points.high_percent
        ends = (points.dice_percent - low, high - points.dice_percent)
        x = points.training_patients + step * (index - (len(methods) - 1) / 2)
        own = trainings.merge(points.assign(x=x)[["experiment", "x"]], on="experiment")
        ax.scatter(own.x, own.dice_percent, s=16, marker="_", color=style.colour)
        ax.errorbar(
            x, points.dice_percent, yerr=np.nan_to_num(np.stack(ends)),
            color=style.colour, marker=style.marker, markersize=4, linewidth=1.1,
            elinewidth=0.9, capsize=2,
        )  # fmt: skip
    ax.set_xticks(sorted(data.training_patients.unique()))
    ax.xaxis.set_major_formatter("{x:g}")
    return ax
