"""Best, median and worst case of every method: reference against prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deeprac.config import Config
from deeprac.labels import FOREGROUND, Label
from deeprac.reporting import canvas, formats
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.figures.rows import all_experiments, by_matrix
from deeprac.reporting.slices import AxialSlice, read_label_map, read_slice
from deeprac.reporting.style import (
    CONTOURS,
    WIDTH,
    MethodStyle,
    experiment_style,
    matrix_title,
    say_why_not,
)
from deeprac.reporting.summary import Summary

ROLES = ("best", "median", "worst")
COLUMN_INCHES = 2.1
MARGIN_MM = 8.0
SCALE_BAR_MM = 50.0


@dataclass(frozen=True)
class Overlay:
    """One slice with the prediction of one run.

    Attributes:
        axial: The native slice with its reference.
        prediction: ``(h, w)`` label numbers.
        window: Values drawn black and white.
        title: What the picture shows.
    """

    axial: AxialSlice
    prediction: NDArray
    window: tuple[float, float]
    title: str

    @property
    def view_mm(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the body: all that is above the window."""
        visible = self.axial.image > self.window[0]
        if not visible.any():
            visible = np.ones_like(visible)
        left, right = _range_mm(visible.any(axis=0), self.axial.spacing_mm[0])
        top, bottom = _range_mm(visible.any(axis=1), self.axial.spacing_mm[1])
        return left, right, bottom, top


def make(summary: Summary) -> list[Drawing]:
    """One figure per matrix; rows: methods, columns: best, median, worst case."""
    groups = by_matrix(summary.config, all_experiments(summary.config))
    return [_matrix(summary, matrix, styles) for matrix, styles in groups.items()]


def rank_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """Best, median and worst case by the mean of kidney and tumour Dice.

    Args:
        cases: Rows of one experiment and seed, columns of summary/cases.csv.

    Returns:
        One row per role in the order of ``ROLES``: role, case, fold, kidney, tumour,
        score (Dice in 0..1). With two cases there is no median, with one only a best.
        Equal scores are ordered by name; of an even number the lower median is taken.
    """
    wide = cases.pivot_table(
        index=["case", "fold"], columns="label", values="dice", dropna=False
    ).reindex(columns=[label.title for label in FOREGROUND])
    wide["score"] = wide.mean(axis=1)
    wide = wide.dropna(subset="score").reset_index()
    ranked = wide.sort_values(["score", "case"], ascending=[False, True])
    n = len(ranked)
    picks = {"best": 0, "median": n // 2, "worst": n - 1}
    roles = {1: ("best",), 2: ("best", "worst")}.get(n, ROLES if n else ())
    chosen = ranked.iloc[[picks[role] for role in roles]]
    return chosen.assign(role=list(roles)).reset_index(drop=True)


def draw(overlay: Overlay, *, ax: Axes) -> Axes:
    """Draw one slice in mm with the contours of both label maps."""
    axial = overlay.axial
    height, width = axial.image.shape
    extent = (0.0, width * axial.spacing_mm[0], height * axial.spacing_mm[1], 0.0)
    canvas.show(axial.image, overlay.window, extent=extent, ax=ax)
    for label, colours in CONTOURS.items():
        reference, prediction = axial.label == label, overlay.prediction == label
        canvas.contour(reference, colours.reference, extent=extent, ax=ax)
        canvas.contour(
            prediction, colours.prediction, extent=extent, ax=ax, dashed=True
        )
    left, right, bottom, top = overlay.view_mm
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.set_title(overlay.title, fontsize=6.5, fontweight="normal")
    canvas.mark_sides(ax)
    canvas.scale_bar(SCALE_BAR_MM, ax=ax)
    return ax


def _matrix(
    summary: Summary, matrix: str, styles: Mapping[str, MethodStyle]
) -> Drawing:
    config = summary.config
    seed = config.run.seeds[0]
    cases = summary.cases[summary.cases.seed == seed]
    rows, data = {}, []
    for experiment in styles:
        ranked = rank_cases(cases[cases.experiment == experiment])
        rows[experiment] = {
            case.role: _read(summary, experiment, case) for _, case in ranked.iterrows()
        }
        slices = [overlay.axial.number for overlay in rows[experiment].values()]
        data.append(ranked.assign(experiment=experiment, seed=seed, slice=slices))
    words = {
        "matrix": matrix_title(config, matrix).capitalize(),
        "extent": summary.extent,
        "seed": seed,
        "window": canvas.window_text(config),
    }
    table = pd.concat(data, ignore_index=True)
    drawing = captioned("overlays", _draw_all(config, rows), table, **words)
    return replace(drawing, name=f"overlays_{matrix}")


def _read(summary: Summary, experiment: str, chosen: pd.Series) -> Overlay:
    config, layout = summary.config, summary.layout
    row = summary.cohort().loc[chosen.case]
    axial = read_slice(layout.cohort, row, by=(Label.TUMOUR, Label.KIDNEY))
    run = layout.run(experiment, config.run.seeds[0], chosen.fold)
    predicted = run / "predictions" / f"{chosen.case}.nii.gz"
    prediction = read_label_map(predicted, cohort=layout.cohort)[axial.z]
    dice = ", ".join(
        f"{label.title} {_percent(chosen[label.title])}" for label in FOREGROUND
    )
    place = f"slice {axial.number} of {axial.count}"
    title = f"{chosen.role.capitalize()}: {chosen.case}, {place}\nDice: {dice}"
    return Overlay(axial, prediction, config.figures.window_hu, title)


def _percent(dice: float) -> str:
    return "undefined" if np.isnan(dice) else f"{formats.percent(dice, digits=1)} %"


def _draw_all(config: Config, rows: dict[str, dict[str, Overlay]]) -> Figure:
    """A grid of overlays whose rows are as high as the tallest body in them.

    Fewer than three cases leave a column empty, an experiment without a run of the
    seed its row.
    """
    aspects = [max(map(_aspect, row.values()), default=0.5) for row in rows.values()]
    heights = [COLUMN_INCHES * aspect for aspect in aspects]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.4 * len(rows) + 0.8))
    axes = figure.subplots(len(rows), len(ROLES), squeeze=False, height_ratios=heights)
    for line, (experiment, row) in zip(axes, rows.items(), strict=True):
        for role, ax in zip(ROLES, line, strict=True):
            if role in row:
                draw(row[role], ax=ax)
            else:
                ax.spines[:].set_visible(False)
                say_why_not(f"n = {len(row)} case{'s' * (len(row) != 1)}", ax=ax)
        line[0].set_ylabel(experiment_style(config, experiment).wrapped, fontsize=6.5)
    canvas.legend(figure, config, prediction=True)
    return figure


def _aspect(overlay: Overlay) -> float:
    left, right, bottom, top = overlay.view_mm
    return (bottom - top) / (right - left)


def _range_mm(visible: NDArray, spacing_mm: float) -> tuple[float, float]:
    """First and last visible pixel's outer edges with a margin, inside the slice."""
    inside = np.flatnonzero(visible)
    low = max(0.0, inside[0] * spacing_mm - MARGIN_MM)
    high = min(len(visible) * spacing_mm, (inside[-1] + 1) * spacing_mm + MARGIN_MM)
    return low, high
