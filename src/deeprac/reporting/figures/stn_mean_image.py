"""Mean of one kidney slice per patient, before and after the normaliser."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from deeprac.labels import Label
from deeprac.reporting import canvas
from deeprac.reporting.figures.drawing import Drawing, captioned
from deeprac.reporting.figures.stn_slices import (
    NATIVE,
    SIDE,
    SQUARE,
    caption_fields,
    held_out,
    normalised_slice,
    normalising_experiment,
)
from deeprac.reporting.slices import warp
from deeprac.reporting.style import WIDTH
from deeprac.reporting.summary import Summary


@dataclass(frozen=True)
class Moments:
    """Mean over patients and the spread between them.

    Attributes:
        mean: ``(side, side)`` mean of the windowed slices.
        spread: Mean over the body's pixels of the SD between patients; the body is
            where at least half of the patients are above the window's lower limit.
    """

    mean: NDArray
    spread: float


def make(summary: Summary) -> list[Drawing]:
    """Two panels with the same window: native squares and canonical squares."""
    config = summary.config
    experiment = normalising_experiment(config)
    transforms, patients = held_out(summary, experiment)
    images: dict[str, list[NDArray]] = {"Before": [], "After": []}
    data = []
    for _, row in tqdm(
        patients.iterrows(), desc="stn_mean_image", unit="case", total=len(patients)
    ):
        item = normalised_slice(summary, row, transforms, by=(Label.KIDNEY,))
        for key, matrix in (("Before", NATIVE), ("After", item.image_from_canonical)):
            image = warp(item.axial.image, matrix, side=SIDE, fill=config.cohort.air)
            images[key].append(image)
        data.append(
            {"patient": item.patient, "case": item.case, "slice": item.axial.number}
        )
    window = config.figures.window_hu
    moments = {
        key: moments_of(np.stack(of_key), window=window)
        for key, of_key in images.items()
    }
    figure = draw(moments, window=window, unit=canvas.unit(config))
    spreads = {f"sd_{key.lower()}": value.spread for key, value in moments.items()}
    table = pd.DataFrame(data).assign(**spreads)
    fields = caption_fields(config, experiment, patients)
    return [captioned("stn_mean_image", figure, table, **fields)]


def moments_of(images: NDArray, *, window: tuple[float, float]) -> Moments:
    """Mean and spread of ``(n, side, side)`` images, clipped to the window."""
    clipped = images.clip(*window)
    body = np.mean(images > window[0], axis=0) >= 0.5
    spread = clipped.std(axis=0)[body]
    return Moments(clipped.mean(axis=0), float(spread.mean()) if body.any() else 0.0)


def draw(
    moments: dict[str, Moments], *, window: tuple[float, float], unit: str
) -> Figure:
    """Draw the mean images side by side with the spread in the titles."""
    figure = Figure(figsize=(WIDTH, 4.2))
    for ax, (title, item) in zip(figure.subplots(1, 2), moments.items(), strict=True):
        canvas.show(item.mean, window, extent=SQUARE, ax=ax)
        canvas.mark_sides(ax)
        ax.set_title(f"{title} (SD {item.spread:.1f} {unit})")
    return figure
