"""The labels of nnU-Net's ``dataset.json``: numbers, regions of several, and ignore.

Regions overlap (KiTS: kidney is 1, 2 and 3, masses are 2 and 3, tumor is 2), but the
label map holds one number per voxel. nnU-Net paints what it predicts region by region
in the order of ``labels``, each with its number of ``regions_class_order``; so of the
regions that hold a number, the last one is the most specific.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from deeprac.cohort.case_files import LabelFiles, Labels, label_file
from deeprac.cohort.findings import CaseError
from deeprac.errors import CohortError
from deeprac.labels import plain_name
from deeprac.settings.cohort import CohortConfig

IGNORE = "ignore"
"""nnU-Net's reserved name, in this spelling alone."""

_WHY_NOT = (
    "nnU-Net leaves these voxels out of its loss, because nobody says what they show; "
    "here they would be background"
)
_REMEDY = (
    "Correct it, or name the numbers in cohort.label_numbers, such as "
    "{kidney: 1, tumour: 2}"
)


@dataclass(frozen=True)
class NnunetLabels:
    """The name of each number, and the number that means ignore, if there is one."""

    names: Mapping[int, str]
    ignore: int | None = None

    def file(self, path: Path) -> LabelFiles:
        """The label map of a case, read by these names."""
        return label_file(path, self.names, self.refuse_ignored)

    def refuse_ignored(self, labels: Labels) -> None:
        """Make sure that no voxel is left without a label.

        Raises:
            CaseError: voxels hold the number that means ignore.
        """
        if self.ignore is None:
            return
        low, high = self.ignore - 0.5, self.ignore + 0.5  # scaled ones are rounded
        voxels = sum(
            int(np.count_nonzero((part > low) & (part < high)))
            for one in labels
            for part in sitk.GetArrayViewFromImage(one.volume)
        )
        if voxels:
            raise CaseError.of(
                "label values",
                f"{voxels} voxels hold {self.ignore}, nnU-Net's label {IGNORE!r}: "
                f"{_WHY_NOT}. Complete the label, leave the case out, or give their "
                "number a class in cohort.label_numbers",
            )


def read_labels(
    dataset: Mapping[str, Any], config: CohortConfig, path: Path
) -> NnunetLabels:
    """What the numbers mean, by ``cohort.label_numbers``, else ``dataset.json``.

    Raises:
        CohortError: labels that nnU-Net does not allow, regions between which a number
            is ambiguous, or ``ignore`` has a meaning in ``cohort.labels``.
    """
    items = _labels(dataset, path)
    numbers = {name: _numbers(name, value, path) for name, value in items}
    (ignore,) = numbers.pop(IGNORE, (None,))
    if config.label_numbers is not None:
        names = {0: "background"} | config.number_names
        ignore = None if ignore in names else ignore
    else:
        regions = any(len(held) > 1 for held in numbers.values())
        listed = {plain_name(n) for names in config.labels.values() for n in names}
        names = (
            _by_region(numbers, dataset.get("regions_class_order"), listed, path)
            if regions
            else {held[0]: name for name, held in numbers.items()}
        )
        if ignore in names or (not regions and len(names) < len(numbers)):
            raise CohortError(f"{path}: two labels have the same number. Correct it.")
    if ignore is None:
        return NnunetLabels(names)
    _refuse_meaning(config)
    return NnunetLabels({**names, ignore: IGNORE}, ignore)


def numbered_labels(
    dataset: Mapping[str, Any], config: CohortConfig, path: Path
) -> NnunetLabels:
    """What the numbers mean where "labels" are written as "number": name.

    So the Decathlon does, and nnU-Net's version 1; ``cohort.label_numbers`` overrides.

    Raises:
        CohortError: they are not written so, or two labels have one number.
    """
    names: dict[int, str] = {}
    for number, name in _labels(dataset, path):
        if not (str(number).isdecimal() and isinstance(name, str)):
            raise CohortError(
                f'{path}: label {number!r} is {name!r}. It must be "number": name.'
            )
        if names.setdefault(int(number), name) != name:
            raise CohortError(f"{path}: two labels have the same number. Correct it.")
    if config.label_numbers is not None:
        names = {0: "background"} | config.number_names
    return NnunetLabels(names)


def _labels(dataset: Mapping[str, Any], path: Path) -> list[tuple[Any, Any]]:
    if not isinstance(dataset["labels"], dict):
        raise CohortError(f"{path}: 'labels' must be a mapping. Correct it.")
    return list(dataset["labels"].items())


def _numbers(name: str, value: Any, path: Path) -> tuple[int, ...]:
    """The numbers of a label: one, or those of a region."""
    numbers = value if isinstance(value, list) and name != IGNORE else [value]
    if not numbers or not all(_is_number(number) for number in numbers):
        raise CohortError(
            f"{path}: label {name!r} is {value!r}. nnU-Net's version 2 wants "
            '"name": number, or for a region a list of numbers.'
        )
    return tuple(numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _by_region(
    numbers: Mapping[str, tuple[int, ...]],
    order: Any,
    listed: Collection[str],
    path: Path,
) -> dict[int, str]:
    """The name of each number: of the regions that hold it, the last one in ``listed``.

    Of those that hold it the last one where none is listed. ``listed`` has the names
    of ``cohort.labels``: a region inside of another need not be listed.
    """
    regions = {name: held for name, held in numbers.items() if set(held) != {0}}
    if (
        not isinstance(order, list)
        or len(order) != len(regions)
        or not all(map(_is_number, order))
    ):
        name, held = next((n, h) for n, h in regions.items() if len(h) > 1)
        raise CohortError(
            f"{path}: label {name!r} is the region {list(held)}, so nnU-Net wants "
            f"regions_class_order with one number for each of {len(regions)} regions; "
            f"it is {order!r}. {_REMEDY}."
        )
    painted = dict(zip(regions, order, strict=True))
    names = {0: "background"}
    for number in sorted({number for held in regions.values() for number in held}):
        around = [name for name, held in regions.items() if number in held]
        if problem := _ambiguous(number, around, regions, painted):
            raise CohortError(f"{path}: {problem}. {_REMEDY}.")
        meant = [name for name in around if plain_name(name) in listed]
        names[number] = (meant or around)[-1]
    return names


def _ambiguous(
    number: int,
    around: Sequence[str],
    regions: Mapping[str, tuple[int, ...]],
    painted: Mapping[str, int],
) -> str | None:
    """Why it is ambiguous what a number shows; None where it is clear."""
    for outer, inner in pairwise(around):
        if not set(regions[inner]) <= set(regions[outer]):
            return (
                f"number {number} lies in the regions {outer!r} and {inner!r}, and the "
                "second is no part of the first, so it is not clear what it shows"
            )
    if number in painted.values() and painted[around[-1]] != number:
        order = list(painted.values())
        return (
            f"number {number} lies last in the region {around[-1]!r}, but "
            f"regions_class_order {order} paints that as {painted[around[-1]]}, so it "
            "is not clear what it shows"
        )
    return None


def _refuse_meaning(config: CohortConfig) -> None:
    for title, names in config.labels.items():
        if IGNORE in map(plain_name, names):
            raise CohortError(
                f"cohort.labels.{title} names {IGNORE!r}, nnU-Net's label for voxels "
                f"without one: {_WHY_NOT}. Take the name out; complete the labels or "
                "leave the cases out that have such voxels, or give their number a "
                "class in cohort.label_numbers."
            )
