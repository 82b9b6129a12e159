"""How far annotators of the same case agree: the ceiling of any reference."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from numpy.typing import NDArray

from deeprac.evaluation.metrics.overlap import overlap
from deeprac.evaluation.metrics.regions import regions_of
from deeprac.labels import KIDNEY_AND_TUMOUR

AGREEMENT_COLUMNS = (
    *("case", "first", "second"),
    *(f"{region.title}_dice" for region in regions_of(KIDNEY_AND_TUMOUR)),
)
"""Columns of agreement.csv, which it has without a row too."""


def agreement_rows(drawn: Mapping[str, NDArray]) -> Iterator[dict[str, Any]]:
    """Dice of every two annotators, on the native grid.

    Args:
        drawn: label map [z, y, x] by annotator, all on one grid.

    Yields:
        Rows of agreement.csv, without the case's name.

    Example:
        >>> import numpy as np
        >>> drawn = {"1": np.array([1, 1, 2]), "2": np.array([1, 2, 2])}
        >>> next(agreement_rows(drawn))["kidney_dice"]  # 2 * 1 / (2 + 1)
        0.6666666666666666
    """
    for first, second in combinations(drawn, 2):
        yield {
            "first": first,
            "second": second,
            **{
                f"{region.title}_dice": overlap(
                    region.mask(drawn[first]), region.mask(drawn[second])
                ).dice
                for region in regions_of(KIDNEY_AND_TUMOUR)
            },
        }
