"""Dice against the number of training patients, one line per method."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.evaluation.statistics.estimates import mean_interval
from deeprac.evaluation.statistics.patients import patient_dice
from deeprac.labels import FOREGROUND
from deeprac.reporting.figures.sources import Drawing, Sources
from deeprac.reporting.roles import curve_experiments
from deeprac.reporting.style import (
    WIDTH,
    MethodStyle,
    add_caption,
    legend_above,
    matrix_title,
    method_handles,
    method_styles,
    used_matrices,
)

DODGE = 0.012
"""Distance of neighbouring methods as a share of the axis: their bars stay apart."""


def make(sources: Sources) -> list[Drawing]:
    """Rows: labels; columns: matrices."""
    data = learning_curves(sources)
    config = sources.config
    matrices = [name for name in used_matrices(config) if name in set(data.matrix)]
    styles = method_styles(config)
    figure = Figure(figsize=(min(WIDTH, 1 + 3.2 * len(matrices)), 5))
    axes = figure.subplots(
        len(FOREGROUND), len(matrices), sharex="col", sharey="row", squeeze=False
    )
    for column, matrix in enumerate(matrices):
        for row, label in enumerate(FOREGROUND):
            ax = axes[row, column]
            mine = data[(data.matrix == matrix) & (data.label == label.title)]
            draw(mine, styles, ax=ax)
            name = f"{label.title.capitalize()} Dice, %"
            ax.set_ylabel(name if column == 0 else "")
        axes[0, column].set_title(matrix_title(config, matrix))
        axes[-1, column].set_xlabel("Training patients")
    shown = [style for name, style in styles.items() if name in set(data.method)]
    legend_above(figure, method_handles(shown))
    add_caption(
        figure,
        f"{sources.extent}, out of fold. Mean over patients, bars: bootstrap 95 % "
        "interval. Training patients: mean over folds; the same patients in every "
        "method and seed, smaller sets are part of larger ones; equal numbers of "
        "iterations. Methods are drawn slightly side by side.",
    )
    return [Drawing("learning_curve", figure, data)]


def learning_curves(sources: Sources) -> pd.DataFrame:
    """Tidy points of all methods that have a curve.

    Returns:
        Columns experiment, method, matrix, label, training_patients (mean over the
        runs), n (patients with Dice), dice_percent, low and high; sorted along x.
    """
    scores = patient_dice(sources.summary.cases)
    patients = sources.rows.set_index("experiment").training_patients
    records = []
    for name in curve_experiments(sources.config):
        experiment = sources.config.experiments[name]
        for label in FOREGROUND:
            mine = scores[(scores.experiment == name) & (scores.label == label.title)]
            dice = mean_interval(mine.dice).scaled(100)
            records.append(
                {
                    "experiment": name,
                    "method": experiment.method,
                    "matrix": experiment.matrix,
                    "label": label.title,
                    "training_patients": patients[name],
                    "n": dice.n,
                    "dice_percent": dice.value,
                    "low": dice.low,
                    "high": dice.high,
                }
            )
    return pd.DataFrame(records).sort_values("training_patients", kind="stable")


def draw(data: pd.DataFrame, styles: dict[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Columns method, training_patients, dice_percent, low, high.
        styles: Style of each method, in the order of the legend.
        ax: Where to draw.
    """
    methods = [name for name in styles if name in set(data.method)]
    step = DODGE * (np.ptp(data.training_patients) or 1)
    for index, name in enumerate(methods):
        points, style = data[data.method == name], styles[name]
        ends = (points.dice_percent - points.low, points.high - points.dice_percent)
        ax.errorbar(
            points.training_patients + step * (index - (len(methods) - 1) / 2),
            points.dice_percent, yerr=np.nan_to_num(np.stack(ends)),
            color=style.colour, marker=style.marker, markersize=4, linewidth=1.1,
            elinewidth=0.9, capsize=2,
        )  # fmt: skip
    ax.set_xticks(sorted(data.training_patients.unique()))
    ax.xaxis.set_major_formatter("{x:g}")
    return ax
