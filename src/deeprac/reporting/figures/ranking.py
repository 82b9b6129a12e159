"""How reliable the ranking of the experiments is: ranks over resampled patients."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.evaluation.statistics.estimates import RESAMPLES
from deeprac.evaluation.statistics.ranking import bootstrap_ranks, kendall_tau
from deeprac.labels import FOREGROUND
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.figures.rows import by_matrix, draw_rows, shown_experiments
from deeprac.reporting.roles import trained_as_usual
from deeprac.reporting.style import INK, WIDTH, MethodStyle, matrix_title, say_why_not
from deeprac.reporting.summary import Summary

ROW_INCHES = 0.15


@dataclass(frozen=True)
class Ranking:
    """One label at one matrix.

    Attributes:
        matrix: Name of the matrix.
        label: Title of the label.
        title: Both, for a panel.
        styles: Style of each experiment, the best first.
        scores: Columns experiment, patient, dice of these experiments.
        ranks: Rows of ``bootstrap_ranks`` in the order of ``styles``.
        n: Patients with a Dice in every experiment.
    """

    matrix: str
    label: str
    title: str
    styles: dict[str, MethodStyle]
    scores: pd.DataFrame
    ranks: pd.DataFrame
    n: int

    @property
    def names(self) -> list[str]:
        """Names of the rows with their place in the order."""
        rows = zip(self.styles.values(), self.ranks["rank"], strict=True)
        # Equals share the better place; without a common patient there is none.
        return [
            f"{style.label}  {place:g}" if place > 0 else style.label
            for style, place in rows
        ]

    @property
    def extent(self) -> str:
        """How many patients, for a title."""
        left_out = int(self.ranks.n_left_out.iloc[0])
        rest = f" ({left_out} without Dice in some method)" if left_out else ""
        return f"n = {self.n} patients{rest}"


def rankings(summary: Summary) -> list[Ranking]:
    """All matrices with at least two experiments, for each label.

    Of a method that was trained on several numbers of patients, only the most count;
    of different numbers of steps the usual.
    """
    config = summary.config
    usual, shown = trained_as_usual(config), shown_experiments(config)
    alike = {name: style for name, style in shown.items() if name in usual}
    groups = by_matrix(config, alike)
    found = []
    for matrix, styles in groups.items():
        for label in FOREGROUND if len(styles) > 1 else ():
            title = f"{label.title.capitalize()}, {matrix_title(config, matrix)}"
            scores = summary.common_scores.of(*styles)
            scores = scores[scores.label == label.title].drop(columns="label")
            ranks = bootstrap_ranks(scores)
            ranks = ranks.sort_values("rank", kind="stable", ignore_index=True)
            ordered = {name: styles[name] for name in ranks.experiment}
            n = int(ranks.n.iloc[0])
            found.append(Ranking(matrix, label.title, title, ordered, scores, ranks, n))
    return found


def labelled(found: list[Ranking], tables: list[pd.DataFrame]) -> pd.DataFrame:
    """One table of all, behind the columns matrix and label."""
    parts = []
    for ranking, table in zip(found, tables, strict=True):
        parts.append(table.copy())
        parts[-1].insert(0, "matrix", ranking.matrix)
        parts[-1].insert(1, "label", ranking.label)
    return pd.concat(parts, ignore_index=True)


def panels(rows: list[Ranking]) -> tuple[Figure, list[Axes]]:
    """A figure with one panel below the other, as high as its experiments need."""
    heights = [ROW_INCHES * len(row.styles) + 0.65 for row in rows]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5))
    axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])


BLOB_AREA = 70.0
"""Area of a blob of all resamples in square points."""
BLOB = "0.72"


def make(summary: Summary) -> list[Drawing]:
    """One panel per matrix and label, one row per experiment, the best on top."""
    found = rankings(summary)
    figure, axes = panels(found)
    tables = []
    for ax, ranking in zip(axes, found, strict=True):
        tau = kendall_tau(ranking.scores)
        agreement = f"; Kendall's tau {tau.value:.2f} [{tau.low:.2f}, {tau.high:.2f}]"
        agreement *= not np.isnan(tau.value)
        ax.set_title(f"{ranking.title}\n{ranking.extent}{agreement}", loc="left")
        taus = {"tau": tau.value, "tau_low": tau.low, "tau_high": tau.high}
        own = pd.DataFrame(taus, ranking.ranks.index)
        tables.append(pd.concat([own, ranking.ranks], axis=1))
        if ranking.n == 0:
            say_why_not("No patient has Dice in every method: no ranking.", ax=ax)
        else:
            draw(ranking.ranks, ax=ax)
            draw_rows(ranking.names, ax=ax)
    axes[-1].set_xlabel("Rank by mean Dice over patients (1: best)")
    words = {"extent": summary.extent, "resamples": RESAMPLES}
    return [captioned("ranking", figure, labelled(found, tables), **words)]


def draw(ranks: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw one panel.

    Args:
        ranks: Rows of ``bootstrap_ranks``, the best first.
        ax: Where to draw.
    """
    shares = ranks.filter(regex=r"^p_rank_\d+$").to_numpy(float)
    y, x = np.nonzero(np.nan_to_num(shares))
    ax.scatter(
        x + 1, y, s=BLOB_AREA * shares[y, x], color=BLOB, edgecolor="0.5",
        linewidth=0.3, zorder=1,
    )  # fmt: skip
    rows = np.arange(len(ranks))
    ax.hlines(rows, ranks.rank_low, ranks.rank_high, color=INK, linewidth=0.9, zorder=2)
    ax.plot(
        ranks["rank"], rows, "D", color=INK, markersize=2.8, zorder=3, linestyle="none"
    )
    count = len(ranks)
    ax.set_xlim(0.4, count + 0.6)
    ax.set_xticks(range(1, count + 1))
    return ax
