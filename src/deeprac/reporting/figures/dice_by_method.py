"""Dice of every case by method, and the mean of each training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.evaluation.statistics.method_means import (
    interval_name,
    method_means,
    seed_means,
)
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
    cases = foreground_rows(summary.cases)
    keys = ["experiment", "label"]
    seeds = cases.groupby([*keys, "patient", "case"], sort=False).dice
    data = seeds.mean().mul(100).rename("dice_percent").reset_index()
    means, trainings = method_means(cases, keys), seed_means(cases, keys)
    for line, (matrix, styles) in zip(axes, groups.items(), strict=True):
        for ax, label in zip(line, FOREGROUND, strict=True):
            of_label = data[data.label == label.title]
            draw(of_label, styles, ax=ax)
            mean, own = (t[t.label == label.title] for t in (means, trainings))
            draw_means(mean, own, styles, ax=ax)
            # From the ten below the worst, at least 20 points wide, to 100.
            worst = min(of_label.dice_percent.min(), own.dice_percent.min())
            low = min(80.0, 10 * (np.nan_to_num(worst) // 10))
            margin = 0.03 * (100 - low)
            ax.set_xlim(low - margin, 100 + margin)
        draw_rows(row_names(config, styles), ax=line[0])
        line[0].set_title(matrix_title(config, matrix), loc="left")
    for ax, label in zip(axes[-1], FOREGROUND, strict=True):
        ax.set_xlabel(f"{dice_of(label)}, %")
    joined = "; grey lines join a case" if max(heights) <= MOST_JOINED + 1 else ""
    words = {"extent": summary.extent, "joined": joined}
    words |= {"interval": interval_name(cases)}
    data = data.merge(means.drop(columns="dice_percent"), on=keys)
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
    for y, (experiment, style) in enumerate(styles.items()):
        values = wide[experiment].dropna()
        scatter(values, y, style, ax=ax, s=10, alpha=0.45, linewidth=0.2)
    ax.set(xlabel="", ylabel="")
    return ax


def draw_means(
    means: pd.DataFrame,
    trainings: pd.DataFrame,
    styles: dict[str, MethodStyle],
    *,
    ax: Axes,
) -> Axes:
    """Draw mean and interval of each method, and a tick for each of its trainings.

    Args:
        means: Rows of ``method_means`` of one label.
        trainings: Rows of ``seed_means`` of it.
        styles: Style of each experiment, from the top.
        ax: Where to draw.
    """
    rows = means.set_index("experiment").reindex(list(styles))
    y = np.arange(len(rows))
    ax.hlines(y, rows.low_percent, rows.high_percent, color=INK, lw=1.1, zorder=3)
    ax.vlines(rows.dice_percent, y - 0.34, y + 0.34, color=INK, lw=1.8, zorder=4)
    own = trainings[trainings.experiment.isin(styles)].dropna(subset="dice_percent")
    height = own.experiment.map(dict(zip(styles, y, strict=True)))
    ax.vlines(
        own.dice_percent, height + 0.12, height + 0.42, color=INK, lw=0.8, zorder=4
    )
    return ax
