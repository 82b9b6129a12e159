"""Which experiments are better than which in these trainings, all pairs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from deeprac.evaluation.statistics.pairs import pairwise
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.figures.ranking import labelled, panels, rankings
from deeprac.reporting.figures.rows import draw_rows
from deeprac.reporting.style import legend_above, say_why_not
from deeprac.reporting.summary import Summary

WORSE, NEITHER, BETTER, ITSELF = range(4)
COLOURS = {
    BETTER: ("#0173B2", "row better than column, in these trainings"),
    NEITHER: ("white", "neither is shown"),
    WORSE: ("0.84", "row worse than column"),
}
"""Dark, white and pale, which differ in grey as well."""
MOST_NUMBERS = 8
"""Experiments up to which the differences are written into the cells."""

CELL_ASPECT = 0.35
"""Height of a cell with a number as a share of its width."""


def make(summary: Summary) -> list[Drawing]:
    """One map per matrix and label, rows and columns in order of the ranks."""
    found = rankings(summary)
    tables = [pairwise(ranking.scores, list(ranking.styles)) for ranking in found]
    figure, axes = panels(found)
    for ax, ranking, table in zip(axes, found, tables, strict=True):
        pairs = f"{len(table)} pair{'s' * (len(table) > 1)}"
        ax.set_title(f"{ranking.title}\n{ranking.extent}, {pairs}", loc="left")
        if table.n.max() == 0:
            say_why_not("No patient has Dice in two methods: no comparison.", ax=ax)
        else:
            draw(table, list(ranking.styles), ax=ax)
            draw_rows(ranking.names, ax=ax)
    look = {"edgecolor": "0.5", "linewidth": 0.5}
    handles = [Patch(facecolor=c, label=name, **look) for c, name in COLOURS.values()]
    legend_above(figure, handles)
    data = labelled(found, tables)
    return [captioned("significance", figure, data, extent=summary.extent)]


def matrices(table: pd.DataFrame, names: list[str]) -> tuple[NDArray, NDArray]:
    """Direction and difference of every ordered pair.

    Args:
        table: Result of ``pairwise``.
        names: Experiments in the order of the map.

    Returns:
        ``(len(names), len(names))`` each: WORSE, NEITHER, BETTER or ITSELF of the row
        against the column, and the difference row minus column in points.
    """
    place = {name: index for index, name in enumerate(names)}
    kind = np.full((len(names), len(names)), NEITHER)
    difference = np.zeros(kind.shape)
    np.fill_diagonal(kind, ITSELF)
    for pair in table.itertuples():
        row, column = place[pair.experiment], place[pair.reference]
        kind[row, column] = NEITHER + pair.direction
        kind[column, row] = NEITHER - pair.direction
        difference[row, column] = 100 * pair.difference
        difference[column, row] = -100 * pair.difference
    return kind, difference


def draw(table: pd.DataFrame, names: list[str], *, ax: Axes) -> Axes:
    """Draw one map; arguments as of :func:`matrices`."""
    kind, difference = matrices(table, names)
    colours = [COLOURS[k][0] for k in (WORSE, NEITHER, BETTER)]
    edges = np.arange(len(names) + 1) - 0.5
    ax.pcolormesh(
        edges, edges, kind, cmap=ListedColormap([*colours, "white"]), vmin=0,
        vmax=ITSELF, edgecolors="0.6", linewidth=0.3,
    )  # fmt: skip
    ax.set_xticks(range(len(names)), [str(place + 1) for place in range(len(names))])
    ax.grid(visible=False)
    ax.plot(edges[:-1] + 0.5, edges[:-1] + 0.5, "x", color="0.5", markersize=3)
    if len(names) <= MOST_NUMBERS:
        ax.set_aspect(CELL_ASPECT, anchor="W")
        for (row, column), value in np.ndenumerate(difference):
            if row != column and not np.isnan(value):
                colour = "white" if kind[row, column] == BETTER else "0.1"
                ax.text(
                    column, row, f"{value:+.1f}", ha="center", va="center", color=colour
                )
    return ax
