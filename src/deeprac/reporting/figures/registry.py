"""What draws each figure of the catalogue."""

from collections.abc import Callable

from deeprac.reporting.figures import (
    bland_altman,
    crop_coverage,
    dice_by_method,
    dice_by_size,
    learning_curve,
    memory,
    overlays,
    paired_differences,
    ranking,
    significance,
    stn_bounds,
    stn_mean_image,
    stn_recovery,
    stn_slices,
    stn_spread,
    stress_curves,
    time_vs_dice,
    training_curves,
)
from deeprac.reporting.figures.sources import Drawing, Sources

FIGURES: dict[str, Callable[[Sources], list[Drawing]]] = {
    "dice_by_method": dice_by_method.make,
    "paired_differences": paired_differences.make,
    "significance": significance.make,
    "ranking": ranking.make,
    "bland_altman": bland_altman.make,
    "time_vs_dice": time_vs_dice.make,
    "memory": memory.make,
    "training_curves": training_curves.make,
    "learning_curve": learning_curve.make,
    "stn_slices": stn_slices.make,
    "stn_mean_image": stn_mean_image.make,
    "stress_curves": stress_curves.make,
    "stn_recovery": stn_recovery.make,
    "stn_spread": stn_spread.make,
    "stn_bounds": stn_bounds.make,
    "crop_coverage": crop_coverage.make,
    "dice_by_size": dice_by_size.make,
    "overlays": overlays.make,
}
"""``overlays`` draws one figure per matrix, ``overlays_{matrix}``; the others one."""
