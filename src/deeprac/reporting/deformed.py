"""The picture of a deformed cohort: cases as they were and are, and towards whom."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deeprac.config import Config
from deeprac.geometry.levels import shares_along, slices_at
from deeprac.labels import Label
from deeprac.layout import Layout
from deeprac.records.cases import read_cases
from deeprac.reporting import canvas
from deeprac.reporting.slices import (
    AxialSlice,
    largest_slice,
    read_label_map,
    read_volume,
    slice_of,
)
from deeprac.reporting.style import CONTOURS, WIDTH, save, theme

CASES = 4
"""That are shown, evenly from the one that the fit changed least to the most."""
TITLES = ("As it was", "Made", "In the shape of")
BAR_MM = 50


def draw_deformed(
    config: Config, towards: Config, folder: Path, fits: pd.DataFrame
) -> None:
    """Draw ``fits.png`` and ``fits.svg`` into a folder that ``cohort deform`` made.

    Args:
        config: Of the cohort that was deformed.
        towards: Of the other one.
        folder: Has the images and labels that were made.
        fits: The content of its ``fits.csv``.
    """
    gain = (fits.kidney_dice_after - fits.kidney_dice_before).fillna(0)
    ordered = fits.iloc[np.argsort(gain.to_numpy(), kind="stable")]
    picks = np.linspace(0, len(ordered) - 1, min(CASES, len(ordered))).round()
    layouts = [Layout.of(one) for one in (config, towards)]
    cohorts = [layout.cohort for layout in layouts]
    own, other = (
        read_cases(layout.cases_csv).set_index("case", drop=False) for layout in layouts
    )
    rows, names = [], []
    for fit in ordered.iloc[picks.astype(int)].itertuples():
        before, shape = _corresponding(
            (cohorts[0], own.loc[fit.case]), (cohorts[1], other.loc[fit.towards])
        )
        rows.append((before, _made(folder, str(fit.case), before.z, shape), shape))
        names.append(f"{fit.case}\n{fit.towards}")
    with theme():
        save(draw(rows, names, config), folder / "fits")


def draw(
    rows: Sequence[tuple[AxialSlice, ...]], names: Sequence[str], config: Config
) -> Figure:
    """Draw slices in one scale, so that sizes compare, with their labels.

    Args:
        rows: Of each case its slice, the one made of it and the other patient's.
        names: Of the rows.
        config: Says what is drawn black and white, and which labels there are.
    """
    above = config.figures.window_hu[0]
    reach = max(_body_mm(one, above) for row in rows for one in row)
    side = WIDTH / len(TITLES)
    figure = Figure(figsize=(WIDTH, side * len(rows) + 0.6))
    grid = figure.subplots(len(rows), len(TITLES), squeeze=False)
    for axes, row, name in zip(grid, rows, names, strict=True):
        for ax, one in zip(axes, row, strict=True):
            width, height = _half_mm(one)
            extent = (-width, width, height, -height)
            canvas.show(one.image, config.figures.window_hu, extent=extent, ax=ax)
            for label, colours in CONTOURS.items():
                canvas.contour(
                    one.label == label, colours.reference, extent=extent, ax=ax
                )
            ax.set(xlim=(-reach, reach), ylim=(reach, -reach), facecolor="black")
            canvas.mark_sides(ax)
        axes[0].set_ylabel(name, fontsize=6.5)
        canvas.scale_bar(BAR_MM, ax=axes[-1])
    for ax, title in zip(grid[0], TITLES, strict=True):
        ax.set_title(title)
    canvas.legend(figure, config, prediction=False)
    return figure


def _half_mm(one: AxialSlice) -> tuple[float, float]:
    """Half of the width and of the height of a slice."""
    (height, width), (x, y) = one.image.shape, one.spacing_mm
    return width * x / 2, height * y / 2


def _body_mm(one: AxialSlice, above: float) -> float:
    """How far from the middle of a slice anything is brighter than a value."""
    places = np.argwhere(one.image > above)[:, ::-1]
    if not len(places):
        return max(_half_mm(one))
    away = np.abs(places + 0.5 - np.array(one.image.shape[::-1]) / 2)
    return float((away * one.spacing_mm).max())


def _corresponding(
    case: tuple[Path, pd.Series], towards: tuple[Path, pd.Series]
) -> tuple[AxialSlice, AxialSlice]:
    """The slice of a case with most tumour, else kidney, and the other's at its level.

    Beyond the kidneys it is the other's first or last slice that shows one.

    Args:
        case: Folder of its cohort, and its row of cases.csv.
        towards: The same of the other patient.
    """
    own, other = (
        read_label_map(cohort / row.label, cohort=cohort)
        for cohort, row in (case, towards)
    )
    z = largest_slice(own, by=(Label.TUMOUR, Label.KIDNEY))
    share = np.clip(shares_along(own)[z], 0, 1 - 1e-6)
    return slice_of(*case, own, z), slice_of(
        *towards, other, int(slices_at(other, share))
    )


def _made(folder: Path, case: str, z: int, shape: AxialSlice) -> AxialSlice:
    """What became of slice ``z`` of a case, on the pixels of the other patient."""
    label = read_label_map(folder / "labelsTr" / f"{case}.nii.gz", cohort=folder)
    image = read_volume(folder / "imagesTr" / f"{case}_0000.nii.gz")
    return AxialSlice(image[z], label[z], z, len(label), shape.spacing_mm)
