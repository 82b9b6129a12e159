"""Dice of every case by method; lines join the same case."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.evaluation.tidy import foreground_rows
from deeprac.labels import FOREGROUND
from deeprac.reporting.figures.sources import Drawing, Sources
from deeprac.reporting.style import (
    FAINT,
    INK,
    MethodStyle,
    add_caption,
    experiment_style,
    matrix_title,
    of_matrix,
    used_matrices,
)


def make(sources: Sources) -> list[Drawing]:
    """One panel per label and matrix."""
    config = sources.config
    matrices = used_matrices(config)
    counts = [len(of_matrix(config, matrix)) for matrix in matrices]
    figure = Figure(figsize=(1.2 + 1.35 * sum(counts), 6.4))
    axes = figure.subplots(
        len(FOREGROUND), len(matrices), sharey="row", sharex="col", squeeze=False,
        width_ratios=counts,
    )  # fmt: skip
    data = case_dice(foreground_rows(sources.summary.cases))
    for row, label in enumerate(FOREGROUND):
        for column, matrix in enumerate(matrices):
            ax = axes[row, column]
            styles = {e: experiment_style(config, e) for e in of_matrix(config, matrix)}
            draw(data[data.label == label.title], styles, ax=ax)
            ax.set_ylim(*_limits(data[data.label == label.title].dice_percent))
            ax.set_ylabel(f"{label.title.capitalize()} Dice, %" if column == 0 else "")
            if row == 0:
                ax.set_title(matrix_title(config, matrix))
    add_caption(
        figure,
        f"{sources.extent}. Points: cases, out of fold, mean over seeds; grey lines "
        "join a case. Bars: mean over patients, as in the tables. "
        "Cases with reference and prediction both empty have no Dice and no point.",
    )
    return [Drawing("dice_by_method", figure, data)]


def case_dice(cases: pd.DataFrame) -> pd.DataFrame:
    """Dice per experiment, case and label in percent, mean over seeds."""
    keys = ["experiment", "label", "patient", "case"]
    table = cases.groupby(keys, sort=False).dice.mean().mul(100)
    return table.rename("dice_percent").reset_index()


def _limits(dice_percent: pd.Series) -> tuple[float, float]:
    """Axis from the ten below the worst case, at least 20 points high, to 100."""
    lowest = dice_percent.min() if dice_percent.notna().any() else 0.0
    low = min(80.0, 10 * (lowest // 10))
    margin = 0.03 * (100 - low)
    return low - margin, 100 + margin


def draw(data: pd.DataFrame, styles: dict[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Columns experiment, patient, case, dice_percent; other experiments are
            left out.
        styles: Style of each experiment, in the order of the axis.
        ax: Where to draw.
    """
    wide = data.pivot_table(index="case", columns="experiment", values="dice_percent")
    wide = wide.reindex(columns=list(styles))
    for _, values in wide.iterrows():
        ax.plot(range(len(styles)), values, color=FAINT, linewidth=0.7, zorder=1)
    for x, (experiment, style) in enumerate(styles.items()):
        values = wide[experiment].dropna()
        sns.scatterplot(
            x=[x] * len(values), y=values, color=style.colour, marker=style.marker,
            s=26, alpha=0.85, linewidth=0.3, ax=ax, zorder=2,
        )  # fmt: skip
        mine = data[data.experiment == experiment]
        mean = mine.groupby("patient").dice_percent.mean().mean()
        ax.hlines(mean, x - 0.28, x + 0.28, color=INK, linewidth=2.2, zorder=3)
    ax.set_xticks(range(len(styles)), [style.wrapped for style in styles.values()])
    ax.set_xlim(-0.5, len(styles) - 0.5)
    ax.set_xlabel("")
    ax.grid(visible=False, axis="x")
    return ax
