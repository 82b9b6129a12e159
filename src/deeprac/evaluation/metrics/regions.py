"""The regions that are scored: sets of labels, after the KiTS hierarchical classes.

KiTS scores kidney + masses, masses (tumour or cyst) and tumour. Where a cohort has no
cysts, masses are the tumour and kidney + masses are kidney + tumour. Where it keeps the
kidneys left and right, kidney is both, and each side is scored as well.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from deeprac.labels import CohortLabels, Label


@dataclass(frozen=True)
class Region:
    """A set of labels that is scored as one.

    Attributes:
        title: name in the column ``label`` of the tables.
        labels: the numbers in a label map that belong to it.
        kits_tolerance_mm: tolerance of KiTS23's surface Dice; None: no KiTS class.
        lesions: whether its connected components are lesions.
    """

    title: str
    labels: frozenset[int]
    kits_tolerance_mm: float | None = None
    lesions: bool = False

    def mask(self, label_map: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Where a label map ``(z, y, x)`` shows the region."""
        return reduce(np.logical_or, (label_map == number for number in self.labels))


KITS_TOLERANCE_MM = {
    "kidney_and_masses": 1.0330772532390826,
    "masses": 1.1328796488598762,
    "tumour": 1.1498198361434828,
}
"""KiTS23's tolerance of each of its classes, from how far its annotators differ."""


def regions_of(labels: CohortLabels) -> tuple[Region, ...]:
    """The regions of a cohort with these labels.

    Example:
        >>> [region.title for region in regions_of(CohortLabels())]
        ['kidney', 'tumour', 'kidney_and_tumour']
    """
    numbers = labels.numbers
    kidney, tumour = frozenset(labels.kidney), frozenset({numbers["tumour"]})
    of_kits = KITS_TOLERANCE_MM
    regions = [
        Region("kidney", kidney),
        Region("tumour", tumour, of_kits["tumour"], lesions=True),
        Region(
            "kidney_and_tumour",
            kidney | tumour,
            None if labels.cysts else of_kits["kidney_and_masses"],
        ),
    ]
    if labels.cysts:
        masses = tumour | {numbers["cyst"]}
        regions += [
            Region("masses", masses, of_kits["masses"], lesions=True),
            Region("kidney_and_masses", kidney | masses, of_kits["kidney_and_masses"]),
        ]
    if labels.sides:
        sides = ("kidney_left", "kidney_right")
        regions += [Region(side, frozenset({numbers[side]})) for side in sides]
    return tuple(regions)


def regions_titled(titles: Collection[str]) -> tuple[Region, ...]:
    """The regions of a cohort, by the labels that its tables hold.

    Args:
        titles: values of the column ``label``.
    """
    found = set(titles)
    return regions_of(
        CohortLabels(
            cysts=not found.isdisjoint({"masses", "kidney_and_masses"}),
            sides=not found.isdisjoint({"kidney_left", "kidney_right"}),
        )
    )


def united(label_map: NDArray, labels: CohortLabels) -> NDArray:
    """A label map with the kidneys united: kidney 1, tumour 2, cyst 3 where it is kept.

    Args:
        label_map: any shape, numbers of the cohort.
        labels: of the cohort; without sides the label map stays as it is.
    """
    if not labels.sides:
        return label_map
    right = label_map == labels.numbers["kidney_right"]
    return np.where(right, Label.KIDNEY, label_map).astype(label_map.dtype)
