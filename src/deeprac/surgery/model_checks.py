"""Doubts that come from the CT and the model: its training, folds, front end, meshes.

All take plain numbers, so that they are the same for one patient and for a table of
many.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deeprac.cohort.findings import Finding, Severity
from deeprac.surgery.flags import Flag
from deeprac.surgery.limits import LIMITS, SMALL_MESH_ML

Flags = tuple[Flag, ...]

Range = Sequence[float]
"""The lowest and the highest value."""

_OF_RANGE = {
    "spacing_z_mm": "the distance of the slices is {:.3g} mm",
    "spacing_x_mm": "the pixels have {:.3g} mm",
    "field_of_view_mm": "the field of view has {:.0f} mm",
    "age_years": "the patient is {:.3g} years old",
    "kidney_ml": "the kidneys have {:.0f} ml",
    "tumour_ml": "the tumours have {:.0f} ml",
    "kidney_hu": "the kidneys have {:.0f} HU",
}
"""How each training range is told."""


def range_flags(values: Mapping[str, float], ranges: Mapping[str, Range]) -> Flags:
    """What lies outside of what the model was trained on.

    Args:
        values: as ``checks.range_values`` names them.
        ranges: ``training_ranges`` of ``bundle.json``; names that are missing in either
            say nothing.

    Example:
        >>> (flag,) = range_flags({"age_years": 40}, {"age_years": [0, 16]})
        >>> flag.message, flag.limit
        ('the patient is 40 years old, outside of the training (0 to 16)', 16)
    """
    limit = LIMITS["outside_training"]
    flags: list[Flag] = []
    for name in _OF_RANGE.keys() & values.keys() & ranges.keys():
        low, high = ranges[name]
        told = _OF_RANGE[name].format(values[name])
        message = f"{told}, outside of the training ({low:.4g} to {high:.4g})"
        above = replace(limit, look=high)
        below = replace(limit, worse="below", look=low)
        flags += above.flags(values[name], message) + below.flags(values[name], message)
    return tuple(sorted(flags, key=lambda flag: flag.message))


def finding_flags(findings: Iterable[Finding]) -> Flags:
    """What was found in the files: doubts, and values that are not in HU.

    Args:
        findings: of the readers and their checks; the only errors that do not stop a
            run are those of ``deeprac.cohort.intensity.plausible``.
    """
    found = tuple(findings)
    errors = [one.message for one in found if one.severity is Severity.ERROR]
    doubts = [one.message for one in found if one.severity is Severity.WARNING]
    return LIMITS["not_hu"].flags(len(errors), "; ".join(errors)) + tuple(
        flag for text in doubts for flag in LIMITS["input_doubtful"].flags(1, text)
    )


@dataclass(frozen=True)
class FrontEnd:
    """What a front end did in one case, in percent.

    Attributes:
        outside_window: of the coarse foreground's voxels outside of the window.
        fallback: of the slices, where it fell back to the mean pose or window.
        at_bound: of the slices, where a correction stands at its bound.
    """

    outside_window: float
    fallback: float
    at_bound: float


def front_end_flags(front_end: FrontEnd) -> Flags:
    """Doubts about what the front end gave the network to see."""
    outside, fallback, bound = (
        LIMITS[code].flags(value, message.format(value))
        for code, value, message in (
            ("outside_window", front_end.outside_window,
             "{:.1f} % of what the coarse network found lie outside of the window"),
            ("fallback_slices", front_end.fallback,
             "in {:.0f} % of the slices the front end fell back to the mean"),
            ("at_bound", front_end.at_bound,
             "in {:.0f} % of the slices the front end's correction is at its bound"),
        )
    )  # fmt: skip
    return outside + fallback + bound


def fold_flags(
    dice: Mapping[str, float], volumes_ml: Mapping[str, Sequence[float]]
) -> Flags:
    """Doubts where the folds of an ensemble do not agree.

    Args:
        dice: lowest Dice between any two folds, by label; NaN where none shows it.
        volumes_ml: volume of each fold, by label.
    """
    flags: list[Flag] = []
    for name, value in dice.items():
        message = f"two folds agree with a Dice of {value:.2f} only"
        flags += LIMITS["fold_dice"].flags(value, message, name)
    for name, volumes in volumes_ml.items():
        mean = float(np.mean(volumes))
        if len(volumes) > 1 and mean > 0:
            spread = float(np.std(volumes, ddof=1))
            message = (
                f"it has {mean:.0f} ml in the mean of {len(volumes)} folds, with an SD "
                f"of {spread:.1f} ml"
            )
            flags += LIMITS["fold_spread"].flags(spread / mean, message, name)
    return tuple(flags)


def mesh_flags(meshes_ml: Mapping[str, float], voxels_ml: Mapping[str, float]) -> Flags:
    """Meshes that stray from the volume of their voxels.

    Args:
        meshes_ml: volume of each mesh by the structure's name.
        voxels_ml: volume of each structure, above 0.
    """
    flags: list[Flag] = []
    for name, mesh_ml in meshes_ml.items():
        volume = voxels_ml[name]
        percent = 100 * abs(mesh_ml / volume - 1)
        code = "small_mesh_volume" if volume < SMALL_MESH_ML else "mesh_volume"
        message = f"its 3D model has {mesh_ml:.3g} ml, its voxels {volume:.3g} ml"
        flags += LIMITS[code].flags(percent, message, name)
    return tuple(flags)
