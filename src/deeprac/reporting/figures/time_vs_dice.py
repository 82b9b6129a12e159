"""Training time against mean Dice, absolute and relative to the plain nnU-Net."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from deeprac.config import Config
from deeprac.labels import FOREGROUND
from deeprac.reporting.aggregate import plain_rows
from deeprac.reporting.figures.drawing import Drawing, captioned, dice_of
from deeprac.reporting.style import (
    INK,
    WIDTH,
    MethodStyle,
    legend_above,
    matrix_title,
    method_handles,
    method_styles,
    say_why_not,
    used_matrices,
)
from deeprac.reporting.summary import Summary

UNITS = ((3600, "h"), (60, "min"), (1, "s"))
AREAS = (18, 45, 80, 120)
"""Marker areas of the matrices, from the first on."""


def make(summary: Summary) -> list[Drawing]:
    """Rows: labels; left: measured; right: change against the plain nnU-Net."""
    config = summary.config
    data = points(summary.rows, config)
    styles = method_styles(config)
    area = dict(zip(used_matrices(config), AREAS, strict=False))
    seconds, unit = _unit(summary.rows.training_seconds.max())
    figure = Figure(figsize=(WIDTH, 6))
    axes = figure.subplots(len(FOREGROUND), 2)
    for row, label in zip(axes, FOREGROUND, strict=True):
        of_label = data[data.label == label.title]
        ours = of_label[of_label.source == "ours"]
        measured = ours.assign(x=ours.training_seconds / seconds, y=ours.dice_percent)
        change = of_label.assign(x=of_label.time_ratio, y=of_label.dice_gain_points)
        left, right = row
        if measured.y.notna().any():
            draw(measured, styles, area=area, ax=left)
            left.set_xscale("log")
            _plain_log_ticks(left)
        else:
            say_why_not(f"No patient has a {label.title} Dice.", ax=left)
        draw(change.dropna(subset=["x", "y"]), styles, area=area, ax=right)
        right.axhline(0, color=INK, linewidth=0.8)
        right.axvline(1, color=INK, linewidth=0.8)
        time = f"Training time per fold, {unit} (log)"
        left.set(xlabel=time, ylabel=f"{dice_of(label)}, %")
        ratio = "Training time / plain nnU-Net of the same matrix"
        right.set(xlabel=ratio, ylabel=f"{dice_of(label)} gain, points")
    axes[0, 0].set_title("Measured")
    axes[0, 1].set_title("Relative to the plain nnU-Net")
    _legend(figure, config, styles, area)
    devices = ", ".join(summary.rows.device_name.unique())
    words = {"extent": summary.extent, "devices": devices}
    return [captioned("time_vs_dice", figure, data, **words)]


def points(rows: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Tidy points of both sources: ours, and the paper's of the same experiments.

    Returns:
        Columns experiment, method, matrix, source (ours or paper), label,
        training_seconds, time_ratio, dice_percent, dice_gain_points (to the plain
        nnU-Net of the same matrix and source).
    """
    plain = plain_rows(rows, config)
    parts = [
        rows[["experiment", "method", "matrix"]].assign(
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
    """Draw points ``(x, y)``; columns method, matrix and source choose their look."""
    for point in data.itertuples():
        style = styles[point.method]
        sns.scatterplot(
            x=[point.x],
            y=[point.y],
            s=area[point.matrix],
            marker=style.marker,
            facecolor=style.colour if point.source == "ours" else "none",
            edgecolor=style.colour,
            linewidth=1,
            alpha=0.85,
            ax=ax,
            zorder=3,
        )
    ax.margins(0.12)
    return ax


def _plain_log_ticks(ax: Axes) -> None:
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _unit(seconds: float) -> tuple[int, str]:
    """The largest unit of which the longest training has at least two."""
    return next((u for u in UNITS if seconds >= 2 * u[0]), UNITS[-1])


def _legend(
    figure: Figure,
    config: Config,
    styles: dict[str, MethodStyle],
    area: dict[str, float],
) -> None:
    used = {config.experiments[name].method for name in config.run.experiments}
    handles = method_handles([style for name, style in styles.items() if name in used])
    for matrix, size in area.items():
        title = matrix_title(config, matrix)
        handles.append(_circle(title, size**0.5, filled=True))
    handles.append(_circle("hollow: the paper", AREAS[0] ** 0.5, filled=False))
    legend_above(figure, handles)


def _circle(label: str, size: float, *, filled: bool) -> Line2D:
    face = "0.5" if filled else "none"
    return Line2D(
        [], [], marker="o", linestyle="none", color="0.5", markerfacecolor=face,
        markersize=size, label=label,
    )  # fmt: skip
