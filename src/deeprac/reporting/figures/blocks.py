"""Small multiples: a block of one or two panels for every experiment."""

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.config import Config
from deeprac.reporting.style import WIDTH, experiment_style

COLUMNS = 5
PANEL_INCHES = 0.85
TITLE_INCHES = 0.42
TITLE_CHARACTERS = 25


def blocks(
    config: Config, experiments: list[str], *, panels: int
) -> tuple[Figure, dict[str, list[Axes]]]:
    """A figure with a titled block of panels, one above the other, per experiment.

    All blocks share their axes, panel by panel: equal heights mean equal values.
    Numbers stand at the left and at the lowest block of a column only.

    Args:
        config: The configuration of the cohort.
        experiments: Their order, row by row.
        panels: Number of panels of a block.

    Returns:
        The figure and the axes of each experiment, from the top.
    """
    columns = min(COLUMNS, len(experiments))
    lines = -(-len(experiments) // columns)
    height = TITLE_INCHES + panels * PANEL_INCHES
    width = WIDTH if columns == COLUMNS else 0.6 + columns * (WIDTH - 0.6) / COLUMNS
    figure = Figure(figsize=(max(width, 0.6 * WIDTH), 0.9 + lines * height))
    grid = figure.add_gridspec(lines * panels, columns)
    axes: dict[str, list[Axes]] = {}
    for index, experiment in enumerate(experiments):
        line, column = divmod(index, columns)
        first = next(iter(axes.values()), [None] * panels)
        axes[experiment] = [
            figure.add_subplot(
                grid[line * panels + panel, column], sharex=first[0],
                sharey=first[panel],
            )
            for panel in range(panels)
        ]  # fmt: skip
        lowest = index + columns >= len(experiments)
        for panel, ax in enumerate(axes[experiment]):
            ax.tick_params(
                labelleft=column == 0, labelbottom=lowest and panel == panels - 1
            )
        axes[experiment][0].set_title(_title(config, experiment), fontsize=6.5)
    return figure, axes


def _title(config: Config, experiment: str) -> str:
    """Name of the method; with its matrix where there are several."""
    used = {config.experiments[name].matrix for name in config.run.experiments}
    matrix = config.experiments[experiment].matrix
    size = f"{config.matrices[matrix].size}: " if len(used) > 1 else ""
    return textwrap.fill(
        size + experiment_style(config, experiment).label, TITLE_CHARACTERS,
        break_on_hyphens=False,
    )  # fmt: skip
