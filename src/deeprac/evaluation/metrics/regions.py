"""The regions that are scored: sets of labels, after the KiTS hierarchical classes.

KiTS scores kidney + masses, masses (tumour or cyst) and tumour. Where a cohort has no
cysts, masses are the tumour and kidney + masses are kidney + tumour.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeprac.labels import CYST, Label


@dataclass(frozen=True)
class Region:
    """A set of labels that is scored as one.

    Attributes:
        title: Name in the column ``label`` of the tables.
        labels: The numbers in a label map that belong to it.
        kits_tolerance_mm: Tolerance of KiTS23's surface Dice; None: no KiTS class.
        lesions: Whether its connected components are lesions.
    """

    title: str
    labels: frozenset[int]
    kits_tolerance_mm: float | None = None
    lesions: bool = False

    def mask(self, label_map: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Where a label map ``(z, y, x)`` shows the region."""
        first, *others = sorted(self.labels)
        mask = label_map == first
        for number in others:
            mask |= label_map == number
        return mask


KITS_TOLERANCE_MM = {
    "kidney_and_masses": 1.0330772532390826,
    "masses": 1.1328796488598762,
    "tumour": 1.1498198361434828,
}
"""KiTS23's tolerance of each of its classes, from how far its annotators differ."""

_KIDNEY = Region("kidney", frozenset({Label.KIDNEY}))
_TUMOUR = Region(
    "tumour", frozenset({Label.TUMOUR}), KITS_TOLERANCE_MM["tumour"], lesions=True
)
_BOTH = frozenset({Label.KIDNEY, Label.TUMOUR})

WITHOUT_CYSTS: tuple[Region, ...] = (
    _KIDNEY,
    _TUMOUR,
    Region("kidney_and_tumour", _BOTH, KITS_TOLERANCE_MM["kidney_and_masses"]),
)
"""Regions of a cohort without cysts, where kidney + tumour is KiTS's first class."""

WITH_CYSTS: tuple[Region, ...] = (
    _KIDNEY,
    _TUMOUR,
    Region("kidney_and_tumour", _BOTH),
    Region(
        "masses",
        frozenset({Label.TUMOUR, CYST}),
        KITS_TOLERANCE_MM["masses"],
        lesions=True,
    ),
    Region("kidney_and_masses", _BOTH | {CYST}, KITS_TOLERANCE_MM["kidney_and_masses"]),
)
"""Regions of a cohort with cysts."""


def regions_of(labels: Collection[int]) -> tuple[Region, ...]:
    """The regions of a cohort.

    Args:
        labels: Numbers that the cohort's ``dataset.json`` lists.

    Raises:
        ValueError: The cohort lacks kidney or tumour, or has labels beyond cysts.

    Example:
        >>> [region.title for region in regions_of([0, 1, 2])]
        ['kidney', 'tumour', 'kidney_and_tumour']
    """
    numbers = set(labels)
    if numbers == set(Label):
        return WITHOUT_CYSTS
    if numbers == {*Label, CYST}:
        return WITH_CYSTS
    raise ValueError(
        f"labels are {[int(label) for label in Label]}, with cysts also {CYST}; "
        f"got {sorted(numbers)}"
    )


def regions_titled(titles: Collection[str]) -> tuple[Region, ...]:
    """The regions of a cohort, by the labels that its tables hold.

    Args:
        titles: Values of the column ``label``.
    """
    known = {region.title for region in WITHOUT_CYSTS}
    return WITHOUT_CYSTS if set(titles) <= known else WITH_CYSTS
