"""What the figures of the front ends share: rows of panels with a legend each."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deeprac.reporting.figures.rows import wrapped
from deeprac.reporting.style import MethodStyle, method_handles

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
    heights = [
        height
        for group in groups.values()
        for height in (panel, _legend_inches(group, note_lines))
    ]
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


def _legend_inches(styles: Mapping[str, MethodStyle], note_lines: int) -> float:
    lines = [
        len(wrapped(style.label).split("\n")) + note_lines + 0.7
        for style in styles.values()
    ]
    columns = np.array_split(lines, LEGEND_COLUMNS)
    return LINE_INCHES * max(column.sum() for column in columns)
