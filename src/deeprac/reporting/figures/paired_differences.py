"""Paired differences of Dice with their intervals, for the planned comparisons."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deeprac.config import Config
from deeprac.evaluation.statistics.comparisons import (
    INFERIOR,
    NOT_INFERIOR,
    SUPERIOR,
    planned,
)
from deeprac.evaluation.statistics.patients import paired, patient_dice
from deeprac.labels import FOREGROUND
from deeprac.reporting.figures.rows import draw_rows, wrapped
from deeprac.reporting.figures.sources import Drawing, Sources, nothing_to_show
from deeprac.reporting.roles import patients_suffix
from deeprac.reporting.style import (
    FAINT,
    INK,
    WIDTH,
    add_caption,
    legend_above,
    matrix_title,
    method_styles,
)
from deeprac.settings.reports import SUPERIORITY, Comparison

NAME = "paired_differences"
ROW_INCHES = 0.38
SHOWN = (SUPERIOR, INFERIOR, NOT_INFERIOR)
"""Verdicts that are drawn filled."""
PATIENT = {
    "marker": "o",
    "linestyle": "none",
    "markersize": 2.6,
    "markerfacecolor": FAINT,
    "markeredgecolor": "0.45",
    "markeredgewidth": 0.3,
    "alpha": 0.7,
}
PATIENTS_BELOW = 0.22
"""Distance of the patients from their mean as a share of a row."""
COLUMNS = (
    *("matrix", "experiment", "reference", "label", "test", "kind", "patient"),
    *("difference_points", "low_points", "high_points", "margin_points"),
    *("n", "p_holm", "verdict"),
)


def make(sources: Sources) -> list[Drawing]:
    """One panel per matrix and label, one row per comparison."""
    config, cases = sources.config, sources.summary.cases
    table, why = compared(config, cases)
    if table.empty:
        text = f"{why} Nothing is compared: n = {cases.patient.nunique()} patients."
        return [nothing_to_show(NAME, text)]
    data = with_patients(table, cases)
    matrices = [name for name in config.matrices if name in set(table.matrix)]
    pairs = {name: _pairs(table[table.matrix == name]) for name in matrices}
    heights = [len(rows) + 0.7 for rows in pairs.values()]
    figure = Figure(figsize=(WIDTH, 1.1 + ROW_INCHES * sum(heights)))
    axes = figure.subplots(
        len(matrices), len(FOREGROUND), sharex="col", squeeze=False,
        height_ratios=heights,
    )  # fmt: skip
    for line, (matrix, rows) in zip(axes, pairs.items(), strict=True):
        for column, (ax, label) in enumerate(zip(line, FOREGROUND, strict=True)):
            mine = data[(data.matrix == matrix) & (data.label == label.title)]
            draw(mine, rows, ax=ax)
            names = [_name(config, *pair) if column == 0 else "" for pair in rows]
            draw_rows(names, ax=ax)
        line[0].set_title(matrix_title(config, matrix), loc="left")
    for ax, label in zip(axes[-1], FOREGROUND, strict=True):
        ax.set_xlabel(f"{label.title.capitalize()} Dice, difference in points")
    margin = data.margin_points.max()
    legend_above(figure, _handles(margin=not np.isnan(margin)))
    add_caption(figure, _caption(margin, why, sources.extent))
    return [Drawing(NAME, figure, data)]


def compared(config: Config, cases: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Comparisons whose methods are selected, and what they are.

    Where none of the planned ones is, every method is compared with the plain nnU-Net
    of its matrix.

    Args:
        config: The configuration of the cohort.
        cases: Columns of summary/cases.csv.

    Returns:
        Rows of ``deeprac.evaluation.statistics.comparisons.planned`` with experiments,
        and a sentence on where they come from.
    """
    table = planned(config, cases)
    met = table.experiment.notna()
    if met.any():
        rest = table[~met]
        names = ", ".join(
            f"{r.method} against {r.reference_method}" for r in rest.itertuples()
        )
        missing = f" Not run: {names}." if names else ""
        return table[met], f"Planned comparisons (statistics.comparisons).{missing}"
    used = dict.fromkeys(config.experiments[n].method for n in config.run.experiments)
    plain = [name for name in used if config.methods[name].is_plain]
    unplanned = tuple(
        Comparison(method=name, reference=reference, test=SUPERIORITY)
        for reference in plain
        for name in used
        if name != reference
    )
    section = replace(config.statistics, comparisons=unplanned)
    table = planned(replace(config, statistics=section), cases)
    return (
        table[table.experiment.notna()],
        "No planned comparison is run: every method against the plain nnU-Net of its "
        "matrix and training patients.",
    )


def with_patients(table: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """The comparisons in points of Dice, followed by the patients' differences.

    Args:
        table: Result of :func:`compared`.
        cases: Columns of summary/cases.csv.

    Returns:
        Columns ``COLUMNS``; kind is mean or patient. A patient has no interval.
    """
    keys = ["matrix", "experiment", "reference", "label", "test"]
    means = table[[*keys, "n", "p_holm", "verdict"]].assign(
        kind="mean",
        patient="",
        difference_points=100 * table.difference,
        low_points=100 * table.low,
        high_points=100 * table.high,
        margin_points=100 * table.margin,
    )
    scores = patient_dice(cases)
    parts = [means]
    for row in table.itertuples():
        mine = scores[scores.label == row.label]
        both = paired(mine, row.experiment, row.reference)
        points = 100 * (both.experiment - both.reference)
        parts.append(
            pd.DataFrame(
                {key: getattr(row, key) for key in keys}
                | {"kind": "patient", "patient": both.index},
                index=range(len(both)),
            ).assign(difference_points=points.to_numpy())
        )
    return pd.concat(
        [part.reindex(columns=list(COLUMNS)) for part in parts if len(part)],
        ignore_index=True,
    )


def draw(data: pd.DataFrame, pairs: list[tuple[str, str]], *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        data: Result of :func:`with_patients` of one matrix and label.
        pairs: Experiment and reference of each row, from the top.
        ax: Where to draw.
    """
    ax.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for y, (experiment, reference) in enumerate(pairs):
        mine = data[(data.experiment == experiment) & (data.reference == reference)]
        points = mine[mine.kind == "patient"].difference_points
        ax.plot(points, np.full(len(points), y + PATIENTS_BELOW), **PATIENT, zorder=2)
        for mean in mine[mine.kind == "mean"].itertuples():
            _draw_mean(mean, y, ax=ax)
    ax.grid(visible=False, axis="y")
    return ax


def _draw_mean(mean: tuple, y: int, *, ax: Axes) -> None:
    supported = mean.verdict in SHOWN
    if not np.isnan(mean.margin_points):
        ax.vlines(-mean.margin_points, y - 0.4, y + 0.4, color=INK, ls=":", lw=1.2)
    if mean.n:
        ends = np.nan_to_num(
            [[mean.difference_points - mean.low_points],
             [mean.high_points - mean.difference_points]]
        )  # fmt: skip
        ax.errorbar(
            mean.difference_points, y, xerr=ends, color=INK, marker="D", markersize=4,
            markerfacecolor=INK if supported else "white", capsize=2.5, elinewidth=1.2,
            zorder=3,
        )  # fmt: skip
        text = f"{mean.difference_points:+.1f}"
        if not np.isnan(mean.low_points):
            text += f" [{mean.low_points:+.1f}, {mean.high_points:+.1f}]"
        text += f"\nn = {int(mean.n)}, {mean.verdict}"
    else:
        text = "n = 0: no patient has\nDice in both"
    ax.annotate(
        text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=6
    )


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    rows = table[["experiment", "reference"]].itertuples(index=False, name=None)
    return list(dict.fromkeys(rows))


def _name(config: Config, experiment: str, reference: str) -> str:
    styles = method_styles(config)
    row = config.experiments[experiment]
    against = styles[config.experiments[reference].method].label
    label = styles[row.method].label + patients_suffix(row)
    return f"{wrapped(label)}\nvs {wrapped(against)}"


def _handles(*, margin: bool) -> list[Line2D]:
    looks = {"color": INK, "marker": "D", "linestyle": "-", "markersize": 4}
    handles = [
        Line2D([], [], label="mean, 95 % interval; shown by the test", **looks),
        Line2D([], [], label="inconclusive", markerfacecolor="white", **looks),
        Line2D([], [], label="patient", **PATIENT),
    ]
    if margin:
        name = "non-inferiority margin"
        handles.append(Line2D([], [], color=INK, linestyle=":", lw=1.2, label=name))
    return handles


def _caption(margin_points: float, why: str, extent: str) -> str:
    loss = (
        f" Non-inferior: a loss below {margin_points:g} points; inferior to it: "
        "the whole whisker is below it, without a test."
    )
    return (
        f"{extent}, out of fold. {why} Paired by patient (cases averaged first, then "
        "seeds); n in each row. Whiskers: bootstrap 95 % interval of the mean (BCa), "
        "not corrected. Filled: the paired Wilcoxon test supports the verdict after "
        "Holm's correction over all comparisons shown."
        + loss
        * (not np.isnan(margin_points))
    )
