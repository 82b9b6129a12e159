"""Training time against mean Dice, absolute and relative to the plain nnU-Net."""

import textwrap

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from deeprac.config import Config
from deeprac.labels import FOREGROUND
from deeprac.reporting.aggregate import plain_rows
from deeprac.reporting.figures.drawing import (
    Drawing,
    captioned,
    dice_of,
    nothing_to_show,
)
from deeprac.reporting.roles import used_matrices
from deeprac.reporting.style import (
    INK,
    WIDTH,
    MethodStyle,
    legend_above,
    matrix_title,
    method_handles,
    method_styles,
    say_why_not,
)
from deeprac.reporting.summary import Summary

UNITS = ((3600, "h"), (60, "min"), (1, "s"))
"""Seconds and names; the largest is taken of which the longest training has two."""
AREAS = (18, 45, 80, 120)
"""Marker areas of the matrices, from the first on."""
UNTIMED = "no experiment had its machine to itself in all runs, so no time compares."


def make(summary: Summary) -> list[Drawing]:
    """Rows: labels; left: measured; right: change against the plain nnU-Net."""
    config = summary.config
    data = points(summary.rows, config)
    timed = data.dropna(subset="training_seconds")
    if timed.empty:
        return [nothing_to_show("time_vs_dice", f"{summary.extent}: {UNTIMED}")]
    styles = method_styles(config)
    area = dict(zip(used_matrices(config), AREAS, strict=False))
    longest = summary.rows.training_seconds.max()
    seconds, unit = next((u for u in UNITS if longest >= 2 * u[0]), UNITS[-1])
    figure = Figure(figsize=(WIDTH, 6))
    axes = figure.subplots(len(FOREGROUND), 2)
    for row, label in zip(axes, FOREGROUND, strict=True):
        of_label = data[data.label == label.title]
        ours = of_label[of_label.source == "ours"]
        measured = ours.assign(x=ours.training_seconds / seconds, y=ours.dice_percent)
        change = of_label.assign(x=of_label.time_ratio, y=of_label.dice_gain_points)
        measured, change = (t.dropna(subset=["x", "y"]) for t in (measured, change))
        left, right = row
        if len(measured):
            draw(measured, styles, area=area, ax=left)
            left.set_xscale("log")
            left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            left.xaxis.set_major_formatter(FormatStrFormatter("%g"))
            left.xaxis.set_minor_formatter(NullFormatter())
        else:
            scored = ours.dice_percent.notna().any()
            why = f"No patient has a {label.title} Dice."
            say_why_not(textwrap.fill(UNTIMED, 36) if scored else why, ax=left)
        if len(change):
            draw(change, styles, area=area, ax=right)
            right.axhline(0, color=INK, linewidth=0.8)
            right.axvline(1, color=INK, linewidth=0.8)
        else:
            say_why_not("Nothing compares.", ax=right)
        time = f"Training time per fold, {unit} (log)"
        left.set(xlabel=time, ylabel=f"{dice_of(label)}, %")
        ratio = "Training time / plain nnU-Net of the same matrix"
        right.set(xlabel=ratio, ylabel=f"{dice_of(label)} gain, points")
    axes[0, 0].set_title("Measured")
    axes[0, 1].set_title("Relative to the plain nnU-Net")
    shown = [style for name, style in styles.items() if name in set(timed.method)]
    legend_above(figure, _handles(config, shown, area))
    devices = ", ".join(summary.rows.device_name.unique())
    own = timed[timed.source == "ours"].experiment.nunique()
    numbers = {"timed": own, "experiments": len(summary.rows)}
    words = {"extent": summary.extent, "devices": devices, **numbers}
    return [captioned("time_vs_dice", figure, data, **words)]


def _handles(
    config: Config, shown: list[MethodStyle], area: dict[str, float]
) -> list[Line2D]:
    """Methods, sizes of the matrices, and how the paper's points look."""
    circle = {"marker": "o", "linestyle": "none", "color": "0.5"}
    handles = method_handles(shown)
    for matrix, size in area.items():
        title = matrix_title(config, matrix)
        handles.append(Line2D([], [], label=title, markersize=size**0.5, **circle))
    circle |= {"markerfacecolor": "none", "markersize": AREAS[0] ** 0.5}
    handles.append(Line2D([], [], label="hollow: the paper", **circle))
    return handles


def points(rows: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Tidy points of both sources: ours, and the paper's of the same experiments.

    Returns:
        Columns experiment, method, matrix, source (ours or paper), label,
        training_seconds, time_ratio, dice_percent, dice_gain_points (to the plain
        nnU-Net of the same matrix and source). Times are NaN but where every run was
        trained alone on its machine: a mean of some would compare other patients; and
        where nothing was trained.
    """
    alone = (rows.n_timed == rows.n_runs) & (rows.training_seconds > 0)
    times = ["training_seconds", "time_ratio"]
    rows = rows.assign(**rows[times].where(alone))
    plain = plain_rows(rows, config)
    rows.loc[plain.training_seconds.isna(), "time_ratio"] = float("nan")
    parts = [
        rows[["experiment", "method", "matrix"]].assign(
            patients=rows.experiment.map(
                lambda name: config.experiments[name].training_patients
            ),
            source=source,
            label=label.title,
            training_seconds=rows[f"{prefix}training_seconds"],
            time_ratio=rows[f"{prefix}time_ratio"],
            dice_percent=100 * rows[dice],
            dice_gain_points=100 * (rows[dice] - plain[dice]),
        )
        for source, prefix in (("ours", ""), ("paper", "paper_"))
        for label in FOREGROUND
        for dice in [f"{prefix}{label.title}_dice_mean"]
    ]
    # Row by row, so that the points of an experiment stand together.
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)


def draw(
    data: pd.DataFrame,
    styles: dict[str, MethodStyle],
    *,
    area: dict[str, float],
    ax: Axes,
) -> Axes:
    """Draw points ``(x, y)``; columns method, matrix and source choose their look.

    A number of training patients stands beside its point where not all train.
    """
    for point in data.itertuples():
        style = styles[point.method]
        face = style.colour if point.source == "ours" else "none"
        sns.scatterplot(
            x=[point.x], y=[point.y], s=area[point.matrix], marker=style.marker,
            facecolor=face, edgecolor=style.colour, linewidth=1, alpha=0.85, ax=ax,
            zorder=3,
        )  # fmt: skip
        if pd.notna(point.patients):
            ax.annotate(
                f"{point.patients:g}", (point.x, point.y), xytext=(4, 3), fontsize=6,
                textcoords="offset points", color=style.colour,
            )  # fmt: skip
    ax.margins(0.12)
    return ax
