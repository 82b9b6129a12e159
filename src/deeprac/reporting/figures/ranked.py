"""What the figures of rankings share: the experiments of a matrix, ordered by Dice."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.evaluation.statistics.ranking import bootstrap_ranks
from deeprac.labels import FOREGROUND
from deeprac.reporting.figures.rows import by_matrix, shown_experiments
from deeprac.reporting.style import WIDTH, MethodStyle, matrix_title
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
        labels = (style.label for style in self.styles.values())
        return [f"{label}  {place}" for place, label in enumerate(labels, start=1)]

    @property
    def extent(self) -> str:
        """How many patients, for a title."""
        left_out = int(self.ranks.n_left_out.iloc[0])
        rest = f" ({left_out} without Dice in some method)" if left_out else ""
        return f"n = {self.n} patients{rest}"


def rankings(summary: Summary) -> list[Ranking]:
    """All matrices with at least two experiments, for each label.

    Of a method that was trained on several numbers of patients, only the most count.
    """
    config = summary.config
    groups = by_matrix(config, shown_experiments(config, lambda _: True))
    found = []
    for matrix, styles in groups.items():
        for label in FOREGROUND if len(styles) > 1 else ():
            title = f"{label.title.capitalize()}, {matrix_title(config, matrix)}"
            scores = summary.scores[summary.scores.label == label.title]
            scores = scores[scores.experiment.isin(styles)].drop(columns="label")
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
