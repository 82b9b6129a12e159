"""Held-out slices before and after the normaliser, for several patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deeprac.config import Config
from deeprac.front_ends import LEARNED_CROPS
from deeprac.geometry.planar import invert, parameters, transform_points
from deeprac.labels import Label
from deeprac.records.transforms import (
    CANONICAL_COLUMNS,
    INPUT_COLUMNS,
    matrices,
    read_transforms,
)
from deeprac.reporting import canvas
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.roles import crops, normalises, selected_experiments
from deeprac.reporting.slices import AxialSlice, read_slice, warp
from deeprac.reporting.style import CONTOURS, experiment_style
from deeprac.reporting.summary import Summary
from deeprac.settings.methods import Experiment

SIDE = 256
"""Side in pixels of the squares that are drawn."""

SQUARE = (-1.0, 1.0, 1.0, -1.0)
"""Extent of a padded or canonical square in normalised units."""

NATIVE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class NormalisedSlice:
    """A held-out slice with the transforms that the network applied to it.

    Attributes:
        case: Name of the case.
        patient: Name of its patient.
        axial: The native slice.
        image_from_canonical: ``(2, 3)``, pose and size only.
        image_from_input: ``(2, 3)``, with the crop.
    """

    case: str
    patient: str
    axial: AxialSlice
    image_from_canonical: NDArray
    image_from_input: NDArray

    @property
    def scale(self) -> float:
        """Factor from canonical to image: below 1 the patient is enlarged."""
        return float(np.exp(parameters(self.image_from_canonical)[0]))

    @property
    def angle_deg(self) -> float:
        """Rotation from canonical to image, in the picture clockwise."""
        return float(np.degrees(parameters(self.image_from_canonical)[1]))


def normalising_experiment(config: Config, dimensions: int | None = None) -> str:
    """The selected experiment that shows most: learned, at the largest matrix.

    Args:
        config: The configuration of the cohort.
        dimensions: Of the matrices that count; None for all.
    """

    def key(experiment: Experiment) -> tuple[int, bool, int, float]:
        method = config.methods[experiment.method]
        learned = (method.normaliser == "stn") + (method.crop in LEARNED_CROPS)
        size = max(config.matrices[experiment.matrix].sides)
        return learned, method.crop != "none", size, method.network_input

    rows = selected_experiments(config)
    shown = [
        row
        for row in rows
        if normalises(config.methods[row.method])
        and dimensions in (None, config.matrices[row.matrix].dimensions)
    ]
    return max(shown, key=key).name


def held_out(summary: Summary, experiment: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Transforms of all cases that are judged, first seed, and one case of a patient.

    Returns:
        Rows of transforms.csv, of a test case those of the first fold; and rows of
        cases.csv, of each patient the first.
    """
    config, layout = summary.config, summary.layout
    own = summary.runs[summary.runs.experiment == experiment]
    seed = next(seed for seed in config.run.seeds if seed in set(own.seed))
    folds = [n for n in config.run.folds if n in set(own.fold[own.seed == seed])]
    runs = [layout.run(experiment, seed, n) for n in folds]
    transforms = pd.concat([read_transforms(run / "transforms.csv") for run in runs])
    transforms = transforms[transforms.case.isin(set(summary.cases.case))]
    transforms = transforms.drop_duplicates(["case", "slice"])
    cases = summary.cohort().loc[transforms.case.unique()]
    return transforms, cases.sort_index().drop_duplicates("patient")


def normalised_slice(
    summary: Summary, row: pd.Series, transforms: pd.DataFrame, *, by: Sequence[Label]
) -> NormalisedSlice:
    """Read the largest slice of a case and the transforms of that slice."""
    axial = read_slice(summary.layout.cohort, row, by=by)
    own = transforms[(transforms.case == row.case) & (transforms.slice == axial.z)]
    canonical, crop = (
        matrices(own, columns)[0] for columns in (CANONICAL_COLUMNS, INPUT_COLUMNS)
    )
    return NormalisedSlice(row.case, row.patient, axial, canonical, crop)


CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=float)


def make(summary: Summary) -> list[Drawing]:
    """One row per patient: native, canonical and, with a crop, the network input."""
    config = summary.config
    experiment = normalising_experiment(config)
    transforms, patients = held_out(summary, experiment)
    chosen = spread(patients, transforms, count=config.figures.cases)
    by = (Label.KIDNEY, Label.TUMOUR)
    shown = [
        normalised_slice(summary, row, transforms, by=by)
        for _, row in chosen.iterrows()
    ]
    method = config.methods[config.experiments[experiment].method]
    figure = draw_all(shown, config, cropped=crops(method))
    data = pd.DataFrame(
        {
            "experiment": experiment,
            "patient": item.patient,
            "case": item.case,
            "slice": item.axial.number,
            "scale": item.scale,
            "angle_deg": item.angle_deg,
            "shift_x": item.image_from_canonical[0, 2],
            "shift_y": item.image_from_canonical[1, 2],
        }
        for item in shown
    )
    fields = caption_fields(config, experiment, patients, shown=len(shown))
    return [captioned("stn_slices", figure, data, **fields)]


def caption_fields(
    config: Config, experiment: str, patients: pd.DataFrame, **more: object
) -> dict[str, object]:
    """What the words below a picture of an experiment's patients name."""
    return {
        "label": experiment_style(config, experiment).label,
        "experiment": experiment,
        "patients": len(patients),
        "window": canvas.window_text(config),
        **more,
    }


def draw(
    shown: NormalisedSlice,
    matrix: np.ndarray,
    *,
    window: tuple[float, float],
    air: float,
    ax: Axes,
) -> Axes:
    """Draw a slice through ``matrix`` (image_from_output) with reference contours."""
    image = warp(shown.axial.image, matrix, side=SIDE, fill=air)
    extent = true_extent(matrix)
    canvas.show(image, window, extent=extent, ax=ax)
    for label, colours in CONTOURS.items():
        mask = warp(shown.axial.label == label, matrix, side=SIDE, fill=0.0)
        canvas.contour(mask, colours.reference, extent=extent, ax=ax)
    canvas.mark_sides(ax)
    return ax


def true_extent(image_from_output: np.ndarray) -> tuple[float, float, float, float]:
    """Extent in which an output of -1..1 both ways shows true proportions.

    Example:
        >>> true_extent(np.array([[0.8, 0.0, 0.1], [0.0, 0.4, 0.0]]))
        (-1.0, 1.0, 0.5, -0.5)
    """
    width, height = np.linalg.norm(image_from_output[:, :2], axis=0)
    half = round(float(height / width), 6)
    return -1.0, 1.0, half, -half


def spread(
    patients: pd.DataFrame, transforms: pd.DataFrame, *, count: int
) -> pd.DataFrame:
    """Patients evenly spread over the size that the normaliser saw."""
    middle = transforms.groupby("case")[["c11", "c21"]].median()
    size = np.hypot(middle.c11, middle.c21).reindex(patients.case).to_numpy()
    ordered = patients.iloc[np.argsort(size, kind="stable")]
    picks = np.linspace(0, len(ordered) - 1, min(count, len(ordered)))
    return ordered.iloc[picks.round().astype(int)]


def draw_all(shown: list[NormalisedSlice], config: Config, *, cropped: bool) -> Figure:
    """Draw all slices, each with the outline of the next picture's square."""
    titles = ["Native slice, padded to a square", "Canonical: size and pose"]
    titles += ["Network input: crop"] if cropped else []
    look = {"window": config.figures.window_hu, "air": config.cohort.air}
    figure = Figure(figsize=(2.2 * len(titles) + 0.45, 2.2 * len(shown) + 0.9))
    axes = figure.subplots(len(shown), len(titles), squeeze=False)
    for row, item in zip(axes, shown, strict=True):
        matrices = [NATIVE, item.image_from_canonical, item.image_from_input]
        for ax, matrix in zip(row, matrices[: len(titles)], strict=True):
            draw(item, matrix, ax=ax, **look)
        inner = matrices[1 : len(titles)]
        for ax, outer, matrix in zip(row, matrices, inner, strict=False):
            # The outline of the next picture's square in this one.
            in_image = transform_points(matrix, CORNERS)
            x, y = transform_points(invert(outer), in_image).T
            ax.plot(x, y, color="white", linewidth=1, linestyle="--")
            ax.set(xlim=SQUARE[:2], ylim=SQUARE[2:])
        found = f"scale {item.scale:.2f}, {item.angle_deg:+.0f}°"
        row[0].set_ylabel(f"{item.patient}\n{found}", fontsize=6.5)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title)
    canvas.legend(figure, config, prediction=False)
    return figure
