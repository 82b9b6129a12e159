"""Dice of each patient against the patient's size, with a line per method."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, MaxNLocator, NullFormatter

from deeprac.labels import FOREGROUND
from deeprac.records.tidy import foreground_rows
from deeprac.reporting.aggregate import patient_dice
from deeprac.reporting.figures.front_end import draw_legend, panel_rows
from deeprac.reporting.figures.rows import by_matrix, shown_experiments
from deeprac.reporting.figures.sources import Drawing, Sources
from deeprac.reporting.style import WIDTH, MethodStyle, add_caption, matrix_title

NAME = "dice_by_size"
AXES = {
    "size_scale": "Size of the patient, true scale (log)",
    "body_scale": "Size of the body in the slice, reference scale (log)",
}
"""Measures of size, the physical one first, and their axes."""


def make(sources: Sources) -> list[Drawing]:
    """One row of panels per matrix, one panel per label."""
    config = sources.config
    styles = shown_experiments(config, lambda _: True)
    sizes = patient_sizes(sources.diagnostics())
    scores = patient_dice(foreground_rows(sources.summary.cases))
    data = with_fits(scores[scores.experiment.isin(styles)], sizes)
    groups = by_matrix(config, styles)
    figure = Figure(figsize=(WIDTH, 1))
    rows = panel_rows(figure, groups, columns=len(FOREGROUND), note_lines=2)
    for (row, below), (matrix, group) in zip(rows, groups.items(), strict=True):
        for ax, label in zip(row, FOREGROUND, strict=True):
            draw(data[data.label == label.title], group, ax=ax)
            ax.set_title(matrix_title(config, matrix))
            ax.set_xlabel(AXES[data.size_kind.iloc[0]])
            ax.set_ylabel(f"{label.title.capitalize()} Dice, %")
        draw_legend(group, _notes(data, group), ax=below)
    add_caption(
        figure,
        f"{sources.extent}. Points: patients, out of fold, mean over seeds. Lines: "
        "least squares over the logarithm of size; below: the slope in points of Dice "
        "per doubling of size, its standard error and (n). A method that does not "
        "depend on size has the slope 0.",
    )
    return [Drawing(NAME, figure, data)]


def patient_sizes(diagnostics: pd.DataFrame) -> pd.DataFrame:
    """Size of each patient: physical where all patients' is known, else in the image.

    Args:
        diagnostics: Columns of summary/diagnostics.csv.

    Returns:
        Columns patient, size (mean over the patient's cases) and size_kind (the column
        it is from).
    """
    cases = diagnostics.drop_duplicates("case")
    kind = "size_scale" if cases.size_scale.notna().all() else "body_scale"
    sizes = cases.groupby("patient", sort=False)[kind].mean()
    return sizes.rename("size").reset_index().assign(size_kind=kind)


def with_fits(scores: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Dice beside size, with the line of each experiment and label.

    Args:
        scores: Columns experiment, label, patient, dice.
        sizes: Columns patient, size, size_kind.

    Returns:
        One row per experiment, label and patient with a Dice: dice_percent, size,
        size_kind, n, intercept_percent (Dice at size 1), slope_per_doubling in points
        and slope_se.
    """
    table = scores.dropna(subset="dice").merge(sizes, on="patient", validate="m:1")
    table = table.assign(dice_percent=100 * table.dice).drop(columns="dice")
    fits = [
        {"experiment": experiment, "label": label, **fit(rows)}
        for (experiment, label), rows in table.groupby(
            ["experiment", "label"], sort=False
        )
    ]
    return table.merge(pd.DataFrame(fits), on=["experiment", "label"])


def fit(rows: pd.DataFrame) -> dict[str, float]:
    """Least-squares line of Dice over the logarithm (base 2) of size.

    Args:
        rows: Columns size and dice_percent of n patients.

    Returns:
        n, intercept_percent, slope_per_doubling and its standard error slope_se; NaN
        where the sizes do not differ, the error also of fewer than 3 patients.
    """
    x, y = np.log2(rows["size"].to_numpy(float)), rows.dice_percent.to_numpy(float)
    away = x - x.mean()
    spread = (away**2).sum()
    slope = intercept = error = float("nan")
    if spread > 0:
        slope = (away * y).sum() / spread
        intercept = y.mean() - slope * x.mean()
        if len(x) > 2:
            rest = ((y - intercept - slope * x) ** 2).sum() / (len(x) - 2)
            error = np.sqrt(rest / spread)
    return {
        "n": len(x),
        "intercept_percent": float(intercept),
        "slope_per_doubling": float(slope),
        "slope_se": float(error),
    }


def draw(data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Result of :func:`with_fits` of one label.
        styles: Style of each experiment; others are left out.
        ax: Where to draw.
    """
    alpha = max(0.2, 0.8 / len(styles) ** 0.5)
    for experiment, style in styles.items():
        mine = data[data.experiment == experiment]
        sns.scatterplot(
            x=mine["size"], y=mine.dice_percent, color=style.colour, s=9, alpha=alpha,
            marker=style.marker, linewidth=0.2, ax=ax, zorder=1,
        )  # fmt: skip
        if mine.slope_per_doubling.notna().any():
            ends = np.array([mine["size"].min(), mine["size"].max()])
            line = mine.iloc[0]
            heights = line.intercept_percent + line.slope_per_doubling * np.log2(ends)
            ax.plot(
                ends, heights, color=style.colour, marker=style.marker, markersize=3.5,
                linewidth=1.1, zorder=2,
            )  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(top=103)
    return ax


def _notes(data: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> dict[str, str]:
    lines = data.drop_duplicates(["experiment", "label"])
    lines = lines.set_index(["experiment", "label"])
    notes = {}
    for name in styles:
        parts = []
        for label in FOREGROUND:
            if (name, label.title) in lines.index:
                line = lines.loc[(name, label.title)]
                parts.append(
                    f"{label.title} {line.slope_per_doubling:+.1f} "
                    f"± {line.slope_se:.1f} ({line.n})"
                )
        notes[name] = "\n".join(parts)
    return notes
