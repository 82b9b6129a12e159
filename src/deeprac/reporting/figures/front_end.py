"""What the figures of the front ends share: their experiments, names and legends."""

import math
import textwrap
from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deeprac.config import Config, Method
from deeprac.reporting.style import (
    MethodStyle,
    experiment_style,
    method_handles,
    used_matrices,
)

CHARACTERS_PER_LINE = 48
LINE_INCHES = 0.145
"""Height of a line of a legend."""
LEGEND_COLUMNS = 3


def shown_experiments(
    config: Config, wanted: Callable[[Method], bool]
) -> dict[str, MethodStyle]:
    """Selected experiments with a wanted method, in order, with their styles.

    Of a method that was trained on several numbers of patients at a matrix, only the
    most patients are shown: smaller sets are the learning curve's.
    """
    most: dict[tuple[str, str], float] = {}
    for name in config.run.experiments:
        key = _method_at_matrix(config, name)
        most[key] = max(_patients(config, name), most.get(key, 0))
    return {
        name: experiment_style(config, name)
        for name in config.run.experiments
        if wanted(config.methods[config.experiments[name].method])
        and _patients(config, name) == most[_method_at_matrix(config, name)]
    }


def _method_at_matrix(config: Config, name: str) -> tuple[str, str]:
    return config.experiments[name].method, config.experiments[name].matrix


def _patients(config: Config, name: str) -> float:
    patients = config.experiments[name].training_patients
    return math.inf if patients is None else patients


def by_matrix(
    config: Config, styles: Mapping[str, MethodStyle]
) -> dict[str, dict[str, MethodStyle]]:
    """The same experiments, grouped by the matrices that have any."""
    groups = {
        matrix: {
            name: style
            for name, style in styles.items()
            if config.experiments[name].matrix == matrix
        }
        for matrix in used_matrices(config)
    }
    return {matrix: group for matrix, group in groups.items() if group}


def row_names(config: Config, styles: Mapping[str, MethodStyle]) -> list[str]:
    """Names for a vertical axis of experiments, with the matrix if they differ."""
    matrices = {config.experiments[name].matrix for name in styles}
    names = []
    for experiment, style in styles.items():
        size = config.matrices[config.experiments[experiment].matrix].size
        names.append(f"{size}: {style.label}" if len(matrices) > 1 else style.label)
    return [_wrapped(name) for name in names]


def draw_rows(names: list[str], *, ax: Axes) -> Axes:
    """Prepare an axis with one named row per experiment, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_ylabel("")
    ax.grid(visible=False, axis="y")
    return ax


def panel_rows(
    figure: Figure, groups: Mapping[str, Mapping[str, MethodStyle]], *, columns: int
) -> list[tuple[NDArray, Axes]]:
    """Rows of panels with room for a legend below each; sets the figure's height.

    Args:
        figure: An empty figure; panels are as high as they are wide at most.
        groups: Experiments of each row.
        columns: Number of panels in a row.

    Returns:
        For each row its axes ``(columns,)`` and the axes of its legend.
    """
    panel = min(4.2, figure.get_figwidth() / columns)
    heights = [
        height for group in groups.values() for height in (panel, _legend_inches(group))
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
        handle.set_label(f"{_wrapped(style.label)}\n{notes[name]}")
    ax.legend(
        handles=handles, loc="upper center", ncols=LEGEND_COLUMNS, frameon=False,
        borderaxespad=0, labelspacing=0.7,
    )  # fmt: skip
    return ax


def _legend_inches(styles: Mapping[str, MethodStyle]) -> float:
    lines = [len(_wrapped(style.label).split("\n")) + 1.7 for style in styles.values()]
    columns = np.array_split(lines, LEGEND_COLUMNS)
    return LINE_INCHES * max(column.sum() for column in columns)


def _wrapped(name: str) -> str:
    # A factor is not torn from its number.
    bound = name.replace("input x ", "input_x_")
    wrapped = textwrap.fill(bound, CHARACTERS_PER_LINE, break_on_hyphens=False)
    return wrapped.replace("input_x_", "input x ")
