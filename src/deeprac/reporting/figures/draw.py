"""Drawing the figures of a configuration, with their data beside them."""

from collections.abc import Callable, Sequence
from importlib import import_module

from deeprac.config import Config
from deeprac.errors import ConfigError
from deeprac.files import write_csv
from deeprac.layout import Layout
from deeprac.reporting.figures.catalogue import CATALOGUE, selected
from deeprac.reporting.figures.drawing import Drawing, noted
from deeprac.reporting.style import save, theme
from deeprac.reporting.summary import Summary, read_summary

FIGURES: dict[str, Callable[[Summary], list[Drawing]]] = {
    name: import_module(f"deeprac.reporting.figures.{name}").make for name in CATALOGUE
}
"""``overlays`` draws one figure per matrix, ``overlays_{matrix}``; the others one."""


def draw_figures(
    config: Config, layout: Layout, only: Sequence[str] | None = None
) -> None:
    """Draw figures as PNG and SVG and write what they show as CSV.

    Args:
        config: The configuration of the cohort.
        layout: Where its files are.
        only: Names of figures; None for all that have something to show.

    Raises:
        ConfigError: A name is no figure of this configuration.
        MetricsError: A table that a figure needs is missing or foreign.
    """
    summary = read_summary(config, layout)
    shown = selected(summary.config).values()
    known = list(dict.fromkeys(entry.name for entry in shown))
    unknown = [name for name in only or () if name not in known]
    if unknown:
        raise ConfigError(
            f"--only names no figure of this configuration: {', '.join(unknown)}. It "
            f"has {', '.join(known)}."
        )
    with theme():
        for name in only or known:
            for drawing in FIGURES[name](summary):
                noted(drawing, summary.partial)
                save(drawing.figure, layout.figures / drawing.name)
                write_csv(layout.figures / f"{drawing.name}.csv", drawing.data)
