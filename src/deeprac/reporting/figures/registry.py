"""All figures by name."""

from collections.abc import Callable

from deeprac.reporting.figures import (
    dice_by_method,
    learning_curve,
    memory,
    overlays,
    stn_mean_image,
    stn_slices,
    time_vs_dice,
    training_curves,
)
from deeprac.reporting.figures.sources import Drawing, Sources

FIGURES: dict[str, Callable[[Sources], list[Drawing]]] = {
    "dice_by_method": dice_by_method.make,
    "time_vs_dice": time_vs_dice.make,
    "memory": memory.make,
    "training_curves": training_curves.make,
    "learning_curve": learning_curve.make,
    "stn_slices": stn_slices.make,
    "stn_mean_image": stn_mean_image.make,
    "overlays": overlays.make,
}
"""``overlays`` draws one figure per matrix, ``overlays_{matrix}``; the others one;
``learning_curve`` needs experiments with different numbers of training patients."""
