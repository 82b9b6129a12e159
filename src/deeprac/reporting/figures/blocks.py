"""Small multiples: a block of panels per experiment, or rows with a legend each."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deeprac.config import Config
from deeprac.reporting.figures.rows import matrix_size, wrapped
from deeprac.reporting.roles import used_matrices
from deeprac.reporting.style import (
    WIDTH,
    MethodStyle,
    experiment_style,
    method_handles,
)

COLUMNS = 4
PANEL_INCHES = 0.74
TITLE_INCHES = 0.34
TITLE_LINE_INCHES = 0.1
CHARACTERS = 30
"""Letters of a title's line."""


def blocks(
    config: Config,
    experiments: list[str],
    *,
    panels: int,
    notes: Mapping[str, str] | None = None,
) -> tuple[Figure, dict[str, list[Axes]]]:
    """A figure with a titled block of panels, one above the other, per experiment.

    Args:
        config: The configuration of the cohort.
        experiments: Their order, row by row.
        panels: Number of panels of a block.
        notes: A line below the title of each experiment.

    Returns:
        The figure and the axes of each experiment, from the top.
    """
    columns = min(COLUMNS, len(experiments))
    lines = -(-len(experiments) // columns)
    height = TITLE_INCHES + TITLE_LINE_INCHES * bool(notes) + panels * PANEL_INCHES
    figure = Figure(figsize=(WIDTH, 0.9 + lines * height))
    grid = figure.add_gridspec(lines * panels, columns)
    axes: dict[str, list[Axes]] = {}
    for index, experiment in enumerate(experiments):
        line, column = divmod(index, columns)
        axes[experiment] = [
            figure.add_subplot(grid[line * panels + panel, column])
            for panel in range(panels)
        ]
        note = f"\n{notes[experiment]}" if notes else ""
        # With its matrix where there are several.
        size = f"{matrix_size(config, experiment)}: " * (len(used_matrices(config)) > 1)
        name = wrapped(size + experiment_style(config, experiment).label, CHARACTERS)
        axes[experiment][0].set_title(name + note, fontsize=6, fontweight="normal")
    return figure, axes


def align(axes: Mapping[str, list[Axes]], *, xlabel: str, heights: bool) -> None:
    """Give drawn blocks one horizontal axis, with numbers below each column only.

    Matplotlib's shared axes do the same, but take seconds for dozens of panels.

    Args:
        axes: Result of :func:`blocks`.
        xlabel: Name of the horizontal axis.
        heights: Whether equal heights mean equal values too, panel by panel, with
            numbers at the left only; if not, every panel has its own.
    """
    everything = list(axes.values())
    columns = min(COLUMNS, len(everything))
    x = _union(ax.get_xlim() for block in everything for ax in block)
    y = [_union(ax.get_ylim() for ax in row) for row in zip(*everything, strict=True)]
    for index, block in enumerate(everything):
        lowest = index + columns >= len(everything)
        block[-1].set_xlabel(xlabel if lowest else "")
        for ax, limits in zip(block, y, strict=True):
            ax.set_xlim(x)
            ax.tick_params(labelbottom=lowest and ax is block[-1])
            if heights:
                ax.set_ylim(limits)
                ax.tick_params(labelleft=index % columns == 0)


def _union(limits: Iterable[tuple[float, float]]) -> tuple[float, float]:
    lows, highs = zip(*limits, strict=True)
    return min(lows), max(highs)


LINE_INCHES = 0.112
"""Height of a line of a legend."""
LEGEND_COLUMNS = 3


def panel_rows(
    figure: Figure,
    groups: Mapping[str, Mapping[str, MethodStyle]],
    *,
    columns: int,
    note_lines: int = 1,
) -> list[tuple[NDArray, Axes]]:
    """Rows of panels with room for a legend below each; sets the figure's height.

    Args:
        figure: An empty figure; panels are as high as they are wide at most.
        groups: Experiments of each row.
        columns: Number of panels in a row.
        note_lines: Lines of a note in the legend.

    Returns:
        For each row its axes ``(columns,)`` and the axes of its legend.
    """
    panel = min(2.9, figure.get_figwidth() / columns)
    heights = []
    for styles in groups.values():
        names = [wrapped(style.label) for style in styles.values()]
        lines = [len(name.split("\n")) + note_lines + 0.7 for name in names]
        highest = max(map(sum, np.array_split(lines, LEGEND_COLUMNS)))
        heights += [panel, LINE_INCHES * highest]
    figure.set_figheight(0.6 + sum(heights))
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    rows = []
    for row in range(0, len(heights), 2):
        axes = [figure.add_subplot(grid[row, column]) for column in range(columns)]
        below = figure.add_subplot(grid[row + 1, :])
        below.axis("off")
        rows.append((np.array(axes), below))
    return rows


def draw_legend(
    styles: Mapping[str, MethodStyle], notes: Mapping[str, str], *, ax: Axes
) -> Axes:
    """Fill an empty axes with names of methods, each with its note below."""
    handles = method_handles(list(styles.values()))
    for handle, (name, style) in zip(handles, styles.items(), strict=True):
        handle.set_label(f"{wrapped(style.label)}\n{notes[name]}")
    ax.legend(
        handles=handles, loc="upper center", ncols=LEGEND_COLUMNS, frameon=False,
        borderaxespad=0, labelspacing=0.7,
    )  # fmt: skip
    return ax
