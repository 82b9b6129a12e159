"""All figures by name."""

from collections.abc import Callable

from deeprac.reporting.figures import (
    dice_by_method,
    memory,
    overlays,
    stn_mean_image,
    stn_slices,
    stress_curves,
    time_vs_dice,
    training_curves,
)
from deeprac.reporting.figures.sources import Drawing, Sources

FIGURES: dict[str, Callable[[Sources], list[Drawing]]] = {
    "dice_by_method": dice_by_method.make,
    "time_vs_dice": time_vs_dice.make,
    "memory": memory.make,
    "training_curves": training_curves.make,
    "stn_slices": stn_slices.make,
    "stn_mean_image": stn_mean_image.make,
    "stress_curves": stress_curves.make,
    "overlays": overlays.make,
}
"""``overlays`` draws one figure per matrix, ``overlays_{matrix}``; the others one, and
``stress_curves`` none where no experiment is put under stress."""
