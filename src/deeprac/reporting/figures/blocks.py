"""Small multiples: a block of one or two panels for every experiment."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.config import Config
from deeprac.reporting.figures.rows import wrapped
from deeprac.reporting.style import WIDTH, experiment_style

COLUMNS = 5
PANEL_INCHES = 0.66
TITLE_INCHES = 0.34
TITLE_LINE_INCHES = 0.1
TITLE_CHARACTERS = 26


def blocks(
    config: Config,
    experiments: list[str],
    *,
    panels: int,
    notes: Mapping[str, str] | None = None,
    equal_heights: bool = True,
) -> tuple[Figure, dict[str, list[Axes]]]:
    """A figure with a titled block of panels, one above the other, per experiment.

    Args:
        config: The configuration of the cohort.
        experiments: Their order, row by row.
        panels: Number of panels of a block.
        notes: A line below the title of each experiment.
        equal_heights: Whether equal heights mean equal values in all blocks, panel by
            panel; if not, each panel has numbers of its own.

    Returns:
        The figure and the axes of each experiment, from the top. All have one
        horizontal axis, with numbers below the lowest block of a column.
    """
    columns = min(COLUMNS, len(experiments))
    lines = -(-len(experiments) // columns)
    height = TITLE_INCHES + TITLE_LINE_INCHES * bool(notes) + panels * PANEL_INCHES
    figure = Figure(figsize=(WIDTH, 0.9 + lines * height))
    grid = figure.add_gridspec(lines * panels, columns)
    axes: dict[str, list[Axes]] = {}
    for index, experiment in enumerate(experiments):
        line, column = divmod(index, columns)
        first = next(iter(axes.values()), [None] * panels)
        axes[experiment] = [
            figure.add_subplot(
                grid[line * panels + panel, column], sharex=first[0],
                sharey=first[panel] if equal_heights else None,
            )
            for panel in range(panels)
        ]  # fmt: skip
        lowest = index + columns >= len(experiments)
        for panel, ax in enumerate(axes[experiment]):
            ax.tick_params(
                labelleft=column == 0 or not equal_heights,
                labelbottom=lowest and panel == panels - 1,
            )
        note = f"\n{notes[experiment]}" if notes else ""
        axes[experiment][0].set_title(
            _title(config, experiment) + note, fontsize=6, fontweight="normal"
        )
    return figure, axes


def _title(config: Config, experiment: str) -> str:
    """Name of the method; with its matrix where there are several."""
    used = {config.experiments[name].matrix for name in config.run.experiments}
    matrix = config.experiments[experiment].matrix
    size = f"{config.matrices[matrix].size}: " if len(used) > 1 else ""
    name = size + experiment_style(config, experiment).label
    return wrapped(name, TITLE_CHARACTERS)
