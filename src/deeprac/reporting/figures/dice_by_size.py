"""Dice of each patient against the patient's size, with a line per method."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, MaxNLocator, NullFormatter

from deeprac.evaluation.statistics.size import band, patient_sizes, with_fits
from deeprac.labels import FOREGROUND
from deeprac.records.tidy import foreground_rows
from deeprac.reporting.figures.blocks import draw_legend, panel_rows
from deeprac.reporting.figures.drawing import Drawing, captioned, dice_of, scatter
from deeprac.reporting.figures.rows import by_matrix, few_experiments
from deeprac.reporting.style import WIDTH, MethodStyle, matrix_title
from deeprac.reporting.summary import Summary

AXIS = "Apparent size: scale of the body in the field of view (log)"

STEPS = 25
"""Points of a line and its band."""


def make(summary: Summary) -> list[Drawing]:
    """One row of panels per matrix, one panel per label."""
    config = summary.config
    styles = few_experiments(config)
    scores = foreground_rows(summary.scores)
    scores = scores[scores.experiment.isin(styles)]
    data = with_fits(scores, patient_sizes(summary.diagnostics()))
    notes = _notes(data)
    groups = by_matrix(config, styles)
    figure = Figure(figsize=(WIDTH, 1))
    rows = panel_rows(figure, groups, columns=len(FOREGROUND), note_lines=2)
    for (row, below), (matrix, group) in zip(rows, groups.items(), strict=True):
        for ax, label in zip(row, FOREGROUND, strict=True):
            draw(data[data.label == label.title], group, ax=ax)
            ax.set_title(matrix_title(config, matrix), fontsize=7)
            ax.set_xlabel(AXIS)
            ax.set_ylabel(f"{dice_of(label)}, %")
        draw_legend(group, notes.reindex(group, fill_value=""), ax=below)
    return [captioned("dice_by_size", figure, data, extent=summary.extent)]


def draw(data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Rows of ``with_fits`` of one label.
        styles: Style of each experiment; others are left out.
        ax: Where to draw.
    """
    alpha = max(0.2, 0.8 / len(styles) ** 0.5)
    look = {"s": 9, "alpha": alpha, "linewidth": 0.2, "zorder": 1}
    for experiment, style in styles.items():
        patients = data[data.experiment == experiment]
        scatter(patients["size"], patients.dice_percent, style, ax=ax, **look)
        if patients.slope_per_doubling.notna().any():
            sizes = np.geomspace(patients["size"].min(), patients["size"].max(), STEPS)
            line = patients.iloc[0]
            heights = line.intercept_percent + line.slope_per_doubling * np.log2(sizes)
            ax.plot(
                sizes, heights, color=style.colour, marker=style.marker, markersize=3.5,
                linewidth=1.1, zorder=2, markevery=STEPS - 1,
            )  # fmt: skip
            if patients.slope_se.notna().any():
                ends = band(patients, sizes)
                ax.fill_between(sizes, *ends, color=style.colour, alpha=0.1, lw=0)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(top=103)
    return ax


def _notes(data: pd.DataFrame) -> pd.Series:
    """The slopes of each experiment in words, one line per label."""
    fits = data.drop_duplicates(["experiment", "label"])
    words = [f"{fit.label} {_slope(fit)} ({fit.n})" for fit in fits.itertuples()]
    return pd.Series(words, fits.experiment, object).groupby(level=0).agg("\n".join)


def _slope(fit: Any) -> str:
    """A slope with its interval, as far as they are known."""
    if pd.isna(fit.slope_per_doubling):
        return "no slope"
    slope = f"{fit.slope_per_doubling:+.1f}"
    if pd.isna(fit.slope_se):
        return slope
    return f"{slope} [{fit.slope_low:+.1f}, {fit.slope_high:+.1f}]"
