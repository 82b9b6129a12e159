"""Dice of every case by method; lines join the same case."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.labels import FOREGROUND
from deeprac.records.tidy import foreground_rows
from deeprac.reporting.figures.drawing import Drawing, captioned, dice_of, scatter
from deeprac.reporting.figures.rows import (
    ROW_INCHES,
    all_experiments,
    by_matrix,
    draw_rows,
    row_names,
)
from deeprac.reporting.style import FAINT, INK, WIDTH, MethodStyle, matrix_title
from deeprac.reporting.summary import Summary

MOST_JOINED = 8
"""Experiments up to which lines join a case: with more they hide the points."""


def make(summary: Summary) -> list[Drawing]:
    """One panel per label and matrix, one row per experiment."""
    config = summary.config
    groups = by_matrix(config, all_experiments(config))
    heights = [len(group) + 1 for group in groups.values()]
    figure = Figure(figsize=(WIDTH, 0.8 + (0.06 + ROW_INCHES) * sum(heights)))
    axes = figure.subplots(
        len(groups), len(FOREGROUND), sharex="col", sharey="row", squeeze=False,
        height_ratios=heights,
    )  # fmt: skip
    keys = ["experiment", "label", "patient", "case"]
    seeds = foreground_rows(summary.cases).groupby(keys, sort=False).dice
    data = seeds.mean().mul(100).rename("dice_percent").reset_index()
    for line, (matrix, styles) in zip(axes, groups.items(), strict=True):
        for ax, label in zip(line, FOREGROUND, strict=True):
            of_label = data[data.label == label.title]
            draw(of_label, styles, ax=ax)
            # From the ten below the worst case, at least 20 points wide, to 100.
            lowest = np.nan_to_num(of_label.dice_percent.min())
            low = min(80.0, 10 * (lowest // 10))
            margin = 0.03 * (100 - low)
            ax.set_xlim(low - margin, 100 + margin)
        draw_rows(row_names(config, styles), ax=line[0])
        line[0].set_title(matrix_title(config, matrix), loc="left")
    for ax, label in zip(axes[-1], FOREGROUND, strict=True):
        ax.set_xlabel(f"{dice_of(label)}, %")
    joined = "; grey lines join a case" if max(heights) <= MOST_JOINED + 1 else ""
    words = {"extent": summary.extent, "joined": joined}
    return [captioned("dice_by_method", figure, data, **words)]


def draw(data: pd.DataFrame, styles: dict[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Columns experiment, patient, case, dice_percent; other experiments are
            left out.
        styles: Style of each experiment, from the top.
        ax: Where to draw.
    """
    wide = data.pivot_table(index="case", columns="experiment", values="dice_percent")
    wide = wide.reindex(columns=list(styles))
    if len(styles) <= MOST_JOINED:
        for _, values in wide.iterrows():
            ax.plot(values, range(len(styles)), color=FAINT, linewidth=0.6, zorder=1)
    means = data.groupby(["experiment", "patient"]).dice_percent.mean()
    means = means.groupby("experiment").mean().reindex(list(styles))
    for y, (experiment, style) in enumerate(styles.items()):
        values = wide[experiment].dropna()
        scatter(values, y, style, ax=ax, s=12, alpha=0.8, linewidth=0.2)
        mean = means[experiment]
        ax.vlines(mean, y - 0.32, y + 0.32, color=INK, linewidth=1.8, zorder=3)
    ax.set(xlabel="", ylabel="")
    return ax
