"""What the figures of rankings share: the experiments of a matrix, ordered by Dice."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.evaluation.statistics.patients import patient_dice
from deeprac.evaluation.statistics.ranking import bootstrap_ranks
from deeprac.labels import FOREGROUND
from deeprac.reporting.figures.rows import by_matrix, shown_experiments
from deeprac.reporting.figures.sources import Sources
from deeprac.reporting.style import WIDTH, MethodStyle, matrix_title

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
    """

    matrix: str
    label: str
    title: str
    styles: dict[str, MethodStyle]
    scores: pd.DataFrame
    ranks: pd.DataFrame

    @property
    def n(self) -> int:
        """Patients with a Dice in every experiment."""
        return int(self.ranks.n.iloc[0])

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


def rankings(sources: Sources) -> list[Ranking]:
    """All matrices with at least two experiments, for each label.

    Of a method that was trained on several numbers of patients, only the most count.
    """
    config = sources.config
    groups = by_matrix(config, shown_experiments(config, lambda _: True))
    scores = patient_dice(sources.summary.cases)
    return [
        _ranking(matrix, label.title, f"{label.title.capitalize()}, "
                 f"{matrix_title(config, matrix)}", styles, scores)
        for matrix, styles in groups.items()
        if len(styles) > 1
        for label in FOREGROUND
    ]  # fmt: skip


def _ranking(
    matrix: str,
    label: str,
    title: str,
    styles: dict[str, MethodStyle],
    scores: pd.DataFrame,
) -> Ranking:
    wanted = (scores.label == label) & scores.experiment.isin(styles)
    mine = scores.loc[wanted, ["experiment", "patient", "dice"]]
    ranks = bootstrap_ranks(mine).sort_values("rank", kind="stable", ignore_index=True)
    ordered = {name: styles[name] for name in ranks.experiment}
    return Ranking(matrix, label, title, ordered, mine, ranks)


def panels(rows: list[Ranking]) -> tuple[Figure, list[Axes]]:
    """A figure with one panel below the other, as high as its experiments need."""
    heights = [ROW_INCHES * len(row.styles) + 0.65 for row in rows]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5))
    axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])
