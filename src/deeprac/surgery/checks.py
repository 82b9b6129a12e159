"""What makes a result doubtful: pure functions from structures and numbers to flags.

Each function knows one group of limits; ``check_anatomy`` calls those that need the
structures alone. The flags of how structures were found come with ``anatomy_of``.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deeprac.kidney_size import kidney_length_mm, kidney_volume_ml
from deeprac.surgery.anatomy import Anatomy, Kind
from deeprac.surgery.extents import gap_mm
from deeprac.surgery.flags import Flag
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.rows import value_of
from deeprac.surgery.shapes import Shapes

Flags = tuple[Flag, ...]

FEWEST_SLICES = 8
"""In fewer slices a structure's area changes much from one to the next by itself."""


def check_anatomy(
    anatomy: Anatomy,
    measures: pd.DataFrame,
    age_years: float | None = None,
    *,
    with_ct: bool = True,
) -> Flags:
    """All flags that structures and measures alone can raise.

    Args:
        anatomy: the structures on the whole grid.
        measures: the table of ``deeprac.surgery.measures``.
        age_years: of the patient; None: sizes are not compared with those of the age.
        with_ct: whether the grid is that of the CT; it may be cut to the structures.
    """
    return (
        *count_flags(anatomy),
        *away_flags(anatomy),
        *border_flags(anatomy, with_ct=with_ct),
        *jump_flags(anatomy),
        *spacing_flags(anatomy),
        *(age_flags(anatomy, measures, age_years) if age_years is not None else ()),
    )


def count_flags(anatomy: Anatomy) -> Flags:
    """Kidneys other than two, no tumour or many."""
    kidneys, tumours = (len(anatomy.of_kind(k)) for k in (Kind.KIDNEY, Kind.TUMOUR))
    words = {0: "no kidney was found", 1: "two kidneys were not told apart"}
    return (
        *LIMITS["kidney_count"].flags(kidneys, words.get(kidneys, "")),
        *LIMITS["no_tumour"].flags(tumours, "no tumour was found"),
        *LIMITS["tumours_many"].flags(tumours, f"{tumours} tumours were found"),
    )


def away_flags(anatomy: Anatomy) -> Flags:
    """Tumours that lie away from every kidney."""
    part = anatomy.cropped()
    shapes = Shapes(part.numbers, part.spacing_mm)
    flags: list[Flag] = []
    if kidneys := part.of_kind(Kind.KIDNEY):
        for tumour in part.of_kind(Kind.TUMOUR):
            own = shapes.surface_mm(tumour.number)
            gap = min(gap_mm(own, shapes.tree(one.number)) for one in kidneys)
            flags += LIMITS["tumour_away"].flags(
                gap,
                f"it lies {gap:.0f} mm away from the nearest kidney",
                tumour.name,
            )
    return tuple(flags)


def border_flags(anatomy: Anatomy, *, with_ct: bool = True) -> Flags:
    """Structures that the volume cuts off.

    3D Slicer may store no more of the grid than its segments fill: without the CT it is
    not known where the volume ends.
    """
    numbers = anatomy.numbers
    if not with_ct and numbers.any() and anatomy.cropped().numbers.size == numbers.size:
        message = "whether the CT cuts a structure off is not known"
        return LIMITS["border_unknown"].flags(1, message)
    ends = [np.take(numbers, [0, -1], axis).ravel() for axis in range(numbers.ndim)]
    voxels = np.bincount(np.concatenate(ends), minlength=256)
    return tuple(
        flag
        for one in anatomy.structures
        for flag in LIMITS["touches_border"].flags(
            voxels[one.number],
            "it reaches the border of the volume and has at least "
            f"{anatomy.volume_ml(one):.0f} ml",
            one.name,
        )
    )


def jump_flags(anatomy: Anatomy) -> Flags:
    """Structures whose area jumps from one slice to the next, or lacks in one."""
    part = anatomy.cropped()
    areas = np.stack([np.bincount(z.ravel(), minlength=256) for z in part.numbers])
    flags: list[Flag] = []
    for one in part.structures:
        own = np.trim_zeros(areas[:, one.number])
        if len(own) >= FEWEST_SLICES:
            jump = float(np.abs(np.diff(own)).max() / own.max())
            flags += LIMITS["volume_jump"].flags(
                jump,
                f"its area changes by {100 * jump:.0f} % of the largest from one slice "
                "to the next",
                one.name,
            )
    return tuple(flags)


def spacing_flags(anatomy: Anatomy) -> Flags:
    """Slices that lie far apart."""
    spacing = anatomy.spacing_mm[0]
    message = f"the slices lie {spacing:.3g} mm apart"
    return LIMITS["slice_spacing"].flags(round(spacing, 4), message)


def age_flags(anatomy: Anatomy, measures: pd.DataFrame, age_years: float) -> Flags:
    """Kidneys that no child of that age has.

    A tumour takes from its kidney and bends it: there only a large volume is doubtful.
    """
    operated = {one.side for one in anatomy.of_kind(Kind.TUMOUR)}
    flags: list[Flag] = []
    for one in anatomy.of_kind(Kind.KIDNEY):
        volume = value_of(measures, one.name, "volume_ml")
        length = value_of(measures, one.name, "diameter_mm")
        size = (
            volume / kidney_volume_ml(age_years),
            length / kidney_length_mm(age_years),
        )
        words = (
            f"it has {volume:.0f} ml and is {length:.0f} mm long: {size[0]:.1f} and "
            f"{size[1]:.1f} times what is usual at {age_years:g} years"
        )
        flags += LIMITS["kidney_volume_large"].flags(size[0], words, one.name)
        if one.side not in operated:
            flags += LIMITS["kidney_volume_small"].flags(size[0], words, one.name)
            flags += LIMITS["kidney_length_short"].flags(size[1], words, one.name)
            flags += LIMITS["kidney_length_long"].flags(size[1], words, one.name)
    return tuple(flags)


def kidney_hu(anatomy: Anatomy, image: NDArray[np.float32]) -> float:
    """Median HU inside the kidneys; NaN without any."""
    kidneys = anatomy.mask(*anatomy.of_kind(Kind.KIDNEY))
    return float(np.median(image[kidneys])) if kidneys.any() else float("nan")


def range_values(
    anatomy: Anatomy,
    image: NDArray[np.float32] | None = None,
    age_years: float | None = None,
) -> dict[str, float]:
    """What is compared with a bundle's training ranges, by their names.

    Args:
        anatomy: the structures.
        image: [z, y, x] CT in HU on their grid; None: nothing is said of it.
        age_years: of the patient; None: nothing is said of it.

    Returns:
        Kidneys and tumours each summed up, the field of view along x; nothing of
        tumours where there is none.
    """
    z, _, x = anatomy.spacing_mm
    values = {
        "spacing_z_mm": z,
        "spacing_x_mm": x,
        "field_of_view_mm": x * anatomy.numbers.shape[2],
        "kidney_ml": anatomy.volume_ml(*anatomy.of_kind(Kind.KIDNEY)),
    }
    if tumours := anatomy.of_kind(Kind.TUMOUR):
        values["tumour_ml"] = anatomy.volume_ml(*tumours)
    if age_years is not None:
        values["age_years"] = age_years
    if image is not None and anatomy.of_kind(Kind.KIDNEY):
        values["kidney_hu"] = kidney_hu(anatomy, image)
    return values
