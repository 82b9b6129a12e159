"""Small multiples: a block of one or two panels for every experiment."""

from collections.abc import Iterable, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.config import Config
from deeprac.reporting.figures.rows import matrix_size, wrapped
from deeprac.reporting.style import WIDTH, experiment_style, used_matrices

COLUMNS = 5
PANEL_INCHES = 0.66
TITLE_INCHES = 0.34
TITLE_LINE_INCHES = 0.1
TITLE_CHARACTERS = 23


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
        axes[experiment][0].set_title(
            _title(config, experiment) + note, fontsize=6, fontweight="normal"
        )
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


def _title(config: Config, experiment: str) -> str:
    """Name of the method; with its matrix where there are several."""
    size = f"{matrix_size(config, experiment)}: " * (len(used_matrices(config)) > 1)
    name = size + experiment_style(config, experiment).label
    return wrapped(name, TITLE_CHARACTERS)
