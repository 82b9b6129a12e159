"""Dice of test images that are turned, zoomed or shifted, one change at a time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray

from deeprac.config import Config
from deeprac.labels import FOREGROUND
from deeprac.records.stress import NEUTRAL, Perturbation, read_stress
from deeprac.reporting.figures.sources import Drawing, Sources
from deeprac.reporting.style import (
    FAINT,
    WIDTH,
    MethodStyle,
    add_caption,
    experiment_style,
    legend_above,
)

NAME = "stress_curves"
REMEDY = "Run `deeprac summarise --what stress`."
RESAMPLES = 2000
SEED = 0
DASHES = ("-", "--", ":", "-.")
"""Lines of the matrices, from the first on."""


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


def make(sources: Sources) -> list[Drawing]:
    """Columns: rotation, zoom, shift; rows: labels; one curve per experiment."""
    config = sources.config
    table = read_stress(sources.layout.summary_stress, remedy=REMEDY)
    table = table[table.experiment.isin(config.stress.experiments)]
    data = curves(table)
    figure = Figure(figsize=(WIDTH, 4.9))
    axes = figure.subplots(len(FOREGROUND), len(PANELS), sharex="col", sharey="row")
    for row, label in zip(axes, FOREGROUND, strict=True):
        for ax, panel in zip(row, PANELS, strict=True):
            mine = data[(data.label == label.title) & (data.kind == panel.kind.value)]
            for experiment in config.stress.experiments:
                look = experiment_style(config, experiment), _dash(config, experiment)
                draw(mine[mine.experiment == experiment], panel, look=look, ax=ax)
            _finish(ax, panel, sorted(mine.value.unique()))
        row[0].set_ylabel(f"{label.title.capitalize()} Dice, %")
    for ax, panel in zip(axes[0], PANELS, strict=True):
        ax.set_title(panel.title)
    for ax, panel in zip(axes[-1], PANELS, strict=True):
        ax.set_xlabel(panel.axis)
    legend_above(figure, _handles(config))
    add_caption(figure, _caption(table, data))
    return [Drawing(NAME, figure, data)]


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """Points of all curves.

    Cases of a patient are averaged first, then seeds, then patients.

    Args:
        table: Columns of summary/stress.csv.

    Returns:
        One row per experiment, label, kind and value: dice_percent (mean over
        patients), low_percent and high_percent (bootstrap 95 % interval of the mean),
        n_patients (with a Dice), visible (mean share of the label that stays in the
        picture). Upright images stand at the neutral value of every kind.
    """
    keys = ["experiment", "label", "kind", "value"]
    table = pd.concat([table[table.kind != Perturbation.NONE.value], *_upright(table)])
    by_seed = table.groupby([*keys, "patient", "seed"])[["dice", "visible"]].mean()
    by_patient = by_seed.groupby(level=[*keys, "patient"]).mean()
    rows = []
    for key, group in by_patient.groupby(level=keys):
        values = group.dice.dropna().to_numpy()
        low, high = bootstrap_interval(values)
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "dice_percent": 100 * values.mean() if len(values) else np.nan,
                "low_percent": 100 * low,
                "high_percent": 100 * high,
                "n_patients": len(values),
                "visible": group.visible.mean(),
            }
        )
    return pd.DataFrame(rows)


def bootstrap_interval(values: NDArray) -> tuple[float, float]:
    """Percentile 95 % interval of the mean; NaN without values.

    Args:
        values: (n,) one per patient; patients are drawn with replacement.
    """
    if not len(values):
        return float("nan"), float("nan")
    picks = np.random.default_rng(SEED).integers(
        len(values), size=(RESAMPLES, len(values))
    )
    low, high = np.percentile(values[picks].mean(1), [2.5, 97.5])
    return float(low), float(high)


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


def _upright(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The unchanged images as a point of every panel."""
    upright = table[table.kind == Perturbation.NONE.value]
    return [
        upright.assign(kind=panel.kind.value, value=NEUTRAL[panel.kind])
        for panel in PANELS
    ]


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


def _dash(config: Config, experiment: str) -> str:
    return DASHES[_matrices(config).index(config.experiments[experiment].matrix) % 4]


def _matrices(config: Config) -> list[str]:
    """Matrices of the experiments under stress, in the configuration's order."""
    used = {config.experiments[name].matrix for name in config.stress.experiments}
    return [matrix for matrix in config.matrices if matrix in used]


def _handles(config: Config) -> list[Line2D | Patch]:
    several = len(_matrices(config)) > 1
    handles: list[Line2D | Patch] = []
    for experiment in config.stress.experiments:
        style = experiment_style(config, experiment)
        name = style.label
        if several:
            name += f", {config.experiments[experiment].matrix}"
        line = Line2D([], [], color=style.colour, marker=style.marker, label=name)
        line.set(linestyle=_dash(config, experiment), markersize=3.5)
        handles.append(line)
    title = "should hold: 30° either way, zoom 0.6 to 1.6"
    handles.append(Patch(color=FAINT, alpha=0.25, label=title))
    return handles


def _caption(table: pd.DataFrame, data: pd.DataFrame) -> str:
    visible = 100 * data.groupby("label").visible.min()
    shares = ", ".join(
        f"{label.title} {visible[label.title]:.0f} %"
        for label in FOREGROUND
        if label.title in visible
    )
    seeds = table.seed.nunique()
    return (
        f"n = {table.patient.nunique()} patients, {table.case.nunique()} cases, "
        f"{seeds} seed{'s' * (seeds > 1)}, out of fold. One change at a time, about "
        "the centre of the slice; 0 degrees, factor 1 and 0 %: unchanged. Points: mean "
        "over patients; band: bootstrap 95 % interval of that mean. Dice is of what "
        f"stays in the picture (under the worst change, on average: {shares}). Cases "
        "with reference and prediction both empty have no Dice."
    )
