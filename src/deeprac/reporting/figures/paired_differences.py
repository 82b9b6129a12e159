"""Paired differences of Dice with their intervals, for the planned comparisons."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deeprac.config import Config
from deeprac.evaluation.statistics.pairs import (
    compared,
    with_patients,
    with_seeds,
)
from deeprac.evaluation.statistics.verdicts import INFERIOR, NOT_INFERIOR, SUPERIOR
from deeprac.labels import FOREGROUND
from deeprac.reporting.figures.drawing import (
    Drawing,
    captioned,
    dice_of,
    nothing_to_show,
)
from deeprac.reporting.figures.rows import draw_rows, wrapped
from deeprac.reporting.style import (
    FAINT,
    INK,
    WIDTH,
    experiment_style,
    legend_above,
    matrix_title,
    method_styles,
)
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.comparisons import comparison_gates

NAME = "paired_differences"
ROW_INCHES = 0.38
SHOWN = (SUPERIOR, INFERIOR, NOT_INFERIOR)
"""Verdicts that are drawn filled."""
PATIENT = {"marker": "o", "linestyle": "none", "markersize": 2.6, "alpha": 0.7}
PATIENT |= {"mfc": FAINT, "mec": "0.45", "mew": 0.3}
SEED = {"marker": "|", "linestyle": "none", "markersize": 5, "color": INK, "mew": 0.8}
LOSS = "Non-inferior: a loss below {:g} points; inferior: a greater one."
PATIENTS_BELOW, SEEDS_ABOVE = 0.22, 0.2
"""Distance of the patients and the seeds from their mean as a share of a row."""


def make(summary: Summary) -> list[Drawing]:
    """One panel per matrix and label, one row per comparison."""
    config, cases = summary.config, summary.cases
    table, why = compared(config, cases, summary.runs, *comparison_gates(summary))
    if table.empty:
        text = f"{why} Nothing is compared: n = {cases.patient.nunique()} patients."
        return [nothing_to_show(NAME, text)]
    parts = with_patients(table, summary.common_scores), with_seeds(table, cases)
    data = pd.concat(parts, ignore_index=True)
    matrices = [name for name in config.matrices if name in set(table.matrix)]
    pairs = {
        name: list(dict.fromkeys(zip(rows.experiment, rows.reference, strict=True)))
        for name in matrices
        for rows in [table[table.matrix == name]]
    }
    heights = [len(rows) + 0.7 for rows in pairs.values()]
    figure = Figure(figsize=(WIDTH, 1.4 + ROW_INCHES * sum(heights)))
    axes = figure.subplots(
        len(matrices), len(FOREGROUND), sharex="col", squeeze=False,
        height_ratios=heights,
    )  # fmt: skip
    for line, (matrix, rows) in zip(axes, pairs.items(), strict=True):
        for column, (ax, label) in enumerate(zip(line, FOREGROUND, strict=True)):
            shown = data[(data.matrix == matrix) & (data.label == label.title)]
            draw(shown, rows, ax=ax)
            names = _names(config, rows) if column == 0 else [""] * len(rows)
            draw_rows(names, ax=ax)
        line[0].set_title(matrix_title(config, matrix), loc="left")
    for ax, label in zip(axes[-1], FOREGROUND, strict=True):
        ax.set_xlabel(f"{dice_of(label)}, difference in points")
    margin = data.margin_points.max()
    legend_above(figure, _handles(margin=not np.isnan(margin)))
    loss = "" if np.isnan(margin) else LOSS.format(margin)
    words = {"extent": summary.extent, "why": why, "loss": loss}
    return [captioned(NAME, figure, data, **words)]


def draw(data: pd.DataFrame, pairs: list[tuple[str, str]], *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Rows of :func:`with_patients` and :func:`with_seeds` of one matrix and
            label.
        pairs: Experiment and reference of each row, from the top.
        ax: Where to draw.
    """
    ax.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for y, (experiment, reference) in enumerate(pairs):
        pair = data[(data.experiment == experiment) & (data.reference == reference)]
        points = pair[pair.kind == "patient"].difference_points
        ax.plot(points, np.full(len(points), y + PATIENTS_BELOW), **PATIENT, zorder=2)
        seeds = pair[pair.kind == "seed"].difference_points
        ax.plot(seeds, np.full(len(seeds), y - SEEDS_ABOVE), **SEED, zorder=2)
        for mean in pair[pair.kind == "mean"].itertuples():
            _draw_mean(mean, y, ax=ax)
    ax.grid(visible=False, axis="y")
    return ax


def _draw_mean(mean: Any, y: int, *, ax: Axes) -> None:
    if not np.isnan(mean.margin_points):
        ax.vlines(-mean.margin_points, y - 0.4, y + 0.4, color=INK, ls=":", lw=1.2)
    if mean.n:
        ends = np.nan_to_num(
            [[mean.difference_points - mean.low_points],
             [mean.high_points - mean.difference_points]]
        )  # fmt: skip
        ax.errorbar(
            mean.difference_points, y, xerr=ends, color=INK, marker="D", markersize=4,
            markerfacecolor=INK if mean.verdict in SHOWN else "white", capsize=2.5,
            elinewidth=1.2, zorder=3,
        )  # fmt: skip
        text = f"{mean.difference_points:+.1f}"
        if not np.isnan(mean.low_points):
            text += f" [{mean.low_points:+.1f}, {mean.high_points:+.1f}]"
        text += f"\nn = {int(mean.n)}, {mean.verdict}"
    else:
        text = "n = 0: no patient has\nDice in both"
    ax.annotate(
        text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=6
    )


def _names(config: Config, pairs: list[tuple[str, str]]) -> list[str]:
    methods = method_styles(config)
    return [
        f"{wrapped(experiment_style(config, experiment).label)}\n"
        f"vs {wrapped(methods[config.experiments[reference].method].label)}"
        for experiment, reference in pairs
    ]


def _handles(*, margin: bool) -> list[Line2D]:
    looks = {"color": INK, "marker": "D", "linestyle": "-", "markersize": 4}
    handles = [
        Line2D([], [], label="mean, 95 % interval; with a verdict", **looks),
        Line2D([], [], label="no verdict", markerfacecolor="white", **looks),
        Line2D([], [], label="seed", **SEED),
        Line2D([], [], label="patient", **PATIENT),
    ]
    if margin:
        name = "non-inferiority margin"
        handles.append(Line2D([], [], color=INK, linestyle=":", lw=1.2, label=name))
    return handles
