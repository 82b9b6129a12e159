"""Checks of one case before it is used.

Every check returns the problems that it finds as sentences, so that all problems of all
cases can be told at once.
"""

import numpy as np
import pandas as pd

from deeprac.labels import Label


def label_problems(
    label: np.ndarray, names: dict[int, str], mapping: dict[int, Label]
) -> list[str]:
    """Values of a label map must be whole numbers that the map knows, with kidney.

    A case of a single slice may show tumour only.

    Args:
        label: the source's label map [z, y, x].
        names: name of every value in the source.
        mapping: ours by the source's value.
    """
    # By hashing: sorting every voxel of a large volume takes seconds.
    values = np.sort(pd.unique(label.ravel()))
    if not np.all(np.isfinite(values)) or np.any(values != np.round(values)):
        return [
            f"the label holds values that are not whole numbers ({_some(values)}). "
            "Export it as a label map, not as probabilities"
        ]
    found = {int(value) for value in values}
    unknown = sorted(found - set(mapping))
    if unknown:
        listed = ", ".join(f"{v} ({names.get(v, 'no name')})" for v in unknown)
        return [
            f"the label holds values that are not mapped: {listed}; found "
            f"{_some(values)}. Add their names to cohort.labels, or correct the label"
        ]
    ours = {mapping[value] for value in found}
    # A single slice may cut through the tumour beside the kidney; a volume shows both.
    single_slice = label.shape[0] == 1
    if Label.KIDNEY not in ours and not (single_slice and Label.TUMOUR in ours):
        return [
            f"the label has no kidney (values found: {_some(values)}). Correct the "
            "label or leave the case out"
        ]
    return []


def intensity_problems(image: np.ndarray, intensity: str) -> list[str]:
    """Values must be finite; with ``intensity`` "hu" they must look like CT.

    CT shows air, or where the body fills the picture, at least fat. The rules are
    coarse on purpose: they tell CT from MR, from windowed pictures and from unsigned
    values, not good CT from bad.
    """
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return ["the image holds NaN or infinite values. Replace them by air"]
    if low == high:
        return [f"the image holds only the value {low:g}. Export it again"]
    return _hounsfield_problems(image, low, high) if intensity == "hu" else []


def _hounsfield_problems(image: np.ndarray, low: float, high: float) -> list[str]:
    grey = "or set cohort.intensity to grey"
    if low >= 0 and high <= 255:
        return [
            f"values run from {low:g} to {high:g}: a windowed picture, not HU. Give "
            f"CT in HU, {grey}"
        ]
    air = float(np.mean(image < -500))
    fat = float(np.mean((image > -150) & (image < -30)))
    if air < 0.001 and (low >= 0 or fat < 0.01):
        return [
            f"values run from {low:g} to {high:g} without air or fat: MR, or CT "
            f"without its rescale offset. Give CT in HU, {grey}"
        ]
    if high < 50:
        return [
            f"the largest value is {high:g}: no soft tissue or bone in HU. Give CT in "
            f"HU, {grey}"
        ]
    return []


def _some(values: np.ndarray, most: int = 8) -> str:
    listed = ", ".join(f"{value:g}" for value in values[:most])
    return listed + (", ..." if len(values) > most else "")
