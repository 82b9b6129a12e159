"""Dice of test images that are changed or scanned otherwise, one change at a time."""

from dataclasses import dataclass, replace
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import (
    FixedLocator,
    FormatStrFormatter,
    NullFormatter,
    NullLocator,
)

from deeprac.config import Config
from deeprac.evaluation.statistics.curves import (
    CONDITION,
    stress_curves,
    with_upright,
)
from deeprac.evaluation.statistics.method_means import interval_name, seed_means
from deeprac.labels import FOREGROUND
from deeprac.records.case_split import judged
from deeprac.records.stress import read_stress
from deeprac.reporting.figures.drawing import Drawing, captioned, dice_of
from deeprac.reporting.style import (
    DASHES,
    FAINT,
    WIDTH,
    MethodStyle,
    experiment_style,
    legend_above,
    within_percent,
)
from deeprac.reporting.summary import Summary

REMEDY = "Run `deeprac summarise --what stress`."


@dataclass(frozen=True)
class Panel:
    """One column of the figure.

    Attributes:
        kind: what is changed, a ``records.stress.Perturbation``.
        title: name of the change.
        axis: label of the horizontal axis.
        factor: from the value in stress.csv to the axis.
        ticks: names of the values 0 and 1, for a scene.
    """

    kind: str
    title: str
    axis: str
    factor: float = 1.0
    ticks: tuple[str, str] | None = None

    @property
    def width(self) -> float:
        """Of the column: a scene has only two values."""
        return 1 if self.ticks is None else 0.4


PANELS = (
    Panel("rotation", "Rotation", "Degrees, clockwise on the screen"),
    Panel("scale", "Zoom", "Factor (log)"),
    Panel("shift", "Shift", "% of the width, to the patient's left", factor=100),
    Panel("truncation", "Truncation", "% of slices, upper end positive", factor=100),
    Panel("arms_down", "Arms", "", ticks=("up", "down")),
    Panel("cushion", "Cushion", "", ticks=("none", "thick")),
)
"""Shown where they were tried."""


def make(summary: Summary) -> list[Drawing]:
    """Columns: changes that were tried; rows: labels; a curve per experiment."""
    config = summary.config
    table = judged(read_stress(summary.layout.summary_stress, remedy=REMEDY))
    table = table[table.experiment.isin(config.stress.experiments)]
    curves = with_upright(table)
    data, trainings = stress_curves(curves), seed_means(curves, CONDITION)
    looks = _looks(config)
    figure = Figure(figsize=(WIDTH, 4.9))
    panels = [panel for panel in PANELS if panel.kind in set(table.kind)]
    claimed = _claimed(config)
    axes = figure.subplots(
        len(FOREGROUND), len(panels), sharex="col", sharey="row", squeeze=False,
        width_ratios=[panel.width for panel in panels],
    )  # fmt: skip
    for row, label in zip(axes, FOREGROUND, strict=True):
        for ax, panel in zip(row, panels, strict=True):
            shown, own = (
                rows[(rows.label == label.title) & (rows.kind == panel.kind)]
                for rows in (data, trainings)
            )
            for experiment, look in looks.items():
                draw(
                    shown[shown.experiment == experiment],
                    own[own.experiment == experiment],
                    panel,
                    look=look,
                    ax=ax,
                )
            _finish(ax, panel, sorted(shown.value.unique()))
            if panel.kind in claimed:
                low, high = (end * panel.factor for end in claimed[panel.kind])
                ax.axvspan(low, high, color=FAINT, alpha=0.25, linewidth=0, zorder=0)
        within_percent(row[0])
        row[0].set_ylabel(f"{dice_of(label)}, %")
    for column, panel in zip(axes.T, panels, strict=True):
        column[0].set_title(panel.title)
        column[-1].set_xlabel(panel.axis)
    handles: list[Line2D | Patch] = [
        Line2D(
            [], [], color=style.colour, marker=style.marker, linestyle=dash,
            markersize=3.5, label=style.label,
        )
        for style, dash in looks.values()
    ]  # fmt: skip
    if claimed.keys() & {panel.kind for panel in panels}:
        title = "claimed to hold (report.claims)"
        handles.append(Patch(color=FAINT, alpha=0.25, label=title))
    legend_above(figure, handles)
    seeds = table.seed.nunique()
    visible = 100 * data.groupby("label").visible.min()
    words = {
        "interval": interval_name(table),
        "patients": table.patient.nunique(),
        "cases": table.case.nunique(),
        "seeds": f"{seeds} seed{'s' * (seeds > 1)}",
        "visible": ", ".join(
            f"{label} {share:.0f} %" for label, share in visible.items()
        ),
    }
    return [captioned("stress_curves", figure, data, **words)]


def draw(
    data: pd.DataFrame,
    trainings: pd.DataFrame,
    panel: Panel,
    *,
    look: tuple[MethodStyle, str],
    ax: Axes,
) -> Axes:
    """Draw one experiment's curve with its band, and a dash for each training."""
    style, dash = look
    ax.scatter(
        trainings.value * panel.factor, trainings.dice_percent, s=14, marker="_",
        color=style.colour, linewidth=0.8,
    )  # fmt: skip
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
    """Ticks at the values that were tried."""
    if panel.kind == "scale":
        ax.set_xscale("log")
    ticks = [value * panel.factor for value in values]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    if panel.ticks:
        ax.set_xticks((0, 1), panel.ticks)
        ax.set_xlim(-0.4, 1.4)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())


def _claimed(config: Config) -> dict[str, tuple[float, float]]:
    """Ranges of changes that a claim speaks of; of several claims that of the first."""
    claims = [claim.conditions or {} for claim in config.report.claims]
    return {kind: ends for one in reversed(claims) for kind, ends in one.items()}


def _looks(config: Config) -> dict[str, tuple[MethodStyle, str]]:
    """Style and dash of each experiment under stress; the dash says size and epochs."""
    rows = [config.experiments[name] for name in config.stress.experiments]
    several = len({row.matrix for row in rows}) > 1
    order = list(config.matrices)
    kinds = sorted(
        {(row.matrix, row.epochs) for row in rows},
        key=lambda kind: (order.index(kind[0]), kind[1] or 0),
    )
    dashes = dict(zip(kinds, cycle(DASHES), strict=False))
    looks = {}
    for row in rows:
        style = experiment_style(config, row.name)
        title = style.name + f", {row.matrix}" * several
        looks[row.name] = replace(style, name=title), dashes[row.matrix, row.epochs]
    return looks
