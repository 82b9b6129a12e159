"""Dice of test images that are turned, zoomed or shifted, one change at a time."""

from dataclasses import dataclass
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from deeprac.config import Config
from deeprac.evaluation.statistics.curves import stress_curves
from deeprac.evaluation.stress import read_stress
from deeprac.labels import FOREGROUND
from deeprac.records.stress import Perturbation
from deeprac.reporting.figures.drawing import Drawing, captioned, dice_of
from deeprac.reporting.style import (
    DASHES,
    FAINT,
    WIDTH,
    MethodStyle,
    experiment_style,
    legend_above,
)
from deeprac.reporting.summary import Summary

REMEDY = "Run `deeprac summarise --what stress`."


@dataclass(frozen=True)
class Panel:
    """One column of the figure.

    Attributes:
        kind: what is changed.
        title: name of the change.
        axis: label of the horizontal axis.
        factor: from the value in stress.csv to the axis.
        held: range in which normalised size and pose should hold Dice, on the axis.
    """

    kind: Perturbation
    title: str
    axis: str
    factor: float = 1.0
    held: tuple[float, float] | None = None


PANELS = (
    Panel(
        Perturbation.ROTATION,
        "Rotation",
        "Degrees, clockwise on the screen",
        held=(-30, 30),
    ),
    Panel(Perturbation.SCALE, "Zoom", "Factor (log)", held=(0.6, 1.6)),
    Panel(
        Perturbation.SHIFT, "Shift", "% of the width, to the patient's left", factor=100
    ),
)


def make(summary: Summary) -> list[Drawing]:
    """Columns: rotation, zoom, shift; rows: labels; one curve per experiment."""
    config = summary.config
    table = read_stress(summary.layout.summary_stress, remedy=REMEDY)
    table = table[table.experiment.isin(config.stress.experiments)]
    data, dashes = stress_curves(table), _dashes(config)
    figure = Figure(figsize=(WIDTH, 4.9))
    axes = figure.subplots(len(FOREGROUND), len(PANELS), sharex="col", sharey="row")
    for row, label in zip(axes, FOREGROUND, strict=True):
        for ax, panel in zip(row, PANELS, strict=True):
            shown = data[(data.label == label.title) & (data.kind == panel.kind.value)]
            for experiment in config.stress.experiments:
                style, matrix = _look(config, experiment)
                curve = shown[shown.experiment == experiment]
                draw(curve, panel, look=(style, dashes[matrix]), ax=ax)
            _finish(ax, panel, sorted(shown.value.unique()))
        row[0].set_ylabel(f"{dice_of(label)}, %")
    for ax, panel in zip(axes[0], PANELS, strict=True):
        ax.set_title(panel.title)
    for ax, panel in zip(axes[-1], PANELS, strict=True):
        ax.set_xlabel(panel.axis)
    legend_above(figure, _handles(config))
    seeds = table.seed.nunique()
    words = {
        "patients": table.patient.nunique(),
        "cases": table.case.nunique(),
        "seeds": f"{seeds} seed{'s' * (seeds > 1)}",
        "visible": _visible(data),
    }
    return [captioned("stress_curves", figure, data, **words)]


def _visible(data: pd.DataFrame) -> str:
    """Share of each label that stays in the picture under the worst change."""
    visible = 100 * data.groupby("label").visible.min()
    return ", ".join(
        f"{label.title} {visible[label.title]:.0f} %"
        for label in FOREGROUND
        if label.title in visible
    )


def draw(
    data: pd.DataFrame, panel: Panel, *, look: tuple[MethodStyle, str], ax: Axes
) -> Axes:
    """Draw one curve with its band; ``data`` holds one experiment's rows."""
    style, dash = look
    data = data.sort_values("value")
    x = data.value * panel.factor
    ax.fill_between(
        x, data.low_percent, data.high_percent, color=style.colour, alpha=0.12,
        linewidth=0,
    )  # fmt: skip
    ax.plot(
        x, data.dice_percent, color=style.colour, marker=style.marker, linestyle=dash,
        markersize=3.5, linewidth=1.1,
    )  # fmt: skip
    return ax


def _finish(ax: Axes, panel: Panel, values: list[float]) -> None:
    """Ticks at the values that were tried, and the range that should hold."""
    if panel.kind == Perturbation.SCALE:
        ax.set_xscale("log")
    ticks = [value * panel.factor for value in values]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    if panel.held:
        ax.axvspan(*panel.held, color=FAINT, alpha=0.25, linewidth=0, zorder=0)


def _dashes(config: Config) -> dict[str, str]:
    """Lines of the matrices of the experiments under stress."""
    used = {config.experiments[name].matrix for name in config.stress.experiments}
    matrices = [matrix for matrix in config.matrices if matrix in used]
    return dict(zip(matrices, cycle(DASHES), strict=False))


def _handles(config: Config) -> list[Line2D | Patch]:
    dashes = _dashes(config)
    handles: list[Line2D | Patch] = []
    for experiment in config.stress.experiments:
        style, matrix = _look(config, experiment)
        name = style.label + f", {matrix}" * (len(dashes) > 1)
        line = Line2D([], [], color=style.colour, marker=style.marker, label=name)
        line.set(linestyle=dashes[matrix], markersize=3.5)
        handles.append(line)
    title = "should hold: 30° either way, zoom 0.6 to 1.6"
    handles.append(Patch(color=FAINT, alpha=0.25, label=title))
    return handles


def _look(config: Config, experiment: str) -> tuple[MethodStyle, str]:
    return experiment_style(config, experiment), config.experiments[experiment].matrix
