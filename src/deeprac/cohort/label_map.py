"""The source's label names and numbers, mapped to the cohort's by name."""

from collections.abc import Mapping, Sequence

import numpy as np

from deeprac.cohort import checks
from deeprac.cohort.findings import Finding, Severity
from deeprac.errors import CohortError
from deeprac.labels import Label, cohort_numbers


def merge(
    segmentations: Sequence[tuple[np.ndarray, Mapping[int, str]]],
    wanted: Mapping[str, tuple[str, ...]],
) -> tuple[np.ndarray, list[Finding]]:
    """Map segmentations of one grid to one label map of the cohort's numbers.

    Where segments overlap, tumour takes precedence over cyst, cyst over kidney.

    Args:
        segmentations: array [z, y, x] and the name of each value, 0 background.
        wanted: ``cohort.labels``, names in the source by the cohort's title.

    Returns:
        The cohort's label map, uint8 [z, y, x], and what was found.
    """
    (numbers, names), *_ = segmentations
    mapping = map_labels(dict(names), wanted)
    problems = checks.label_problems(numbers, dict(names), mapping)
    ours = np.zeros(numbers.shape, np.uint8)
    for value, number in mapping.items():
        ours[numbers == value] = number
    return ours, [Finding(Severity.ERROR, "label values", text) for text in problems]


def map_labels(
    names: Mapping[int, str], wanted: Mapping[str, tuple[str, ...]]
) -> dict[int, int]:
    """Map the source's label values to the cohort's by name.

    Args:
        names: name of every value in the source.
        wanted: ``cohort.labels``: names in the source by the cohort's title.

    Returns:
        The cohort's number by the source's value; background 0 always, unmapped values
        left out.

    Raises:
        CohortError: no kidney among the names.
    """
    numbers = cohort_numbers(wanted)
    ours_by_name = {
        name: numbers[title] for title, sources in wanted.items() for name in sources
    }
    mapping = {0: int(Label.BACKGROUND)}
    for value, name in names.items():
        if name in ours_by_name:
            mapping[value] = ours_by_name[name]
    if Label.KIDNEY not in mapping.values():
        found = ", ".join(f"{name} ({value})" for value, name in names.items())
        raise CohortError(
            f"cohort.labels.kidney is {list(wanted['kidney'])}, but dataset.json has "
            f"{found}. Name the labels that mean kidney."
        )
    return mapping
