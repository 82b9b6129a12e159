"""How large a cohort is: as converted, or as its phantoms will be."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from deeprac.config import Config
from deeprac.layout import Layout
from deeprac.records.case_split import CV, TEST, of_split
from deeprac.records.cases import read_cases
from deeprac.settings.cohort import PhantomConfig
from deeprac.space import LABEL_VOXEL_BYTES, predictions_bytes

DRAWN = 10
"""Phantoms whose number of slices stands for that of all."""


@dataclass(frozen=True)
class Extent:
    """Size of a cohort, or of its test cases.

    Attributes:
        cases: their number.
        slices: of all cases together.
        voxels: of all cases together.
        label_bytes: of their label maps, compressed.
    """

    cases: int
    slices: float
    voxels: float
    label_bytes: float


def cohort_extent(
    config: Config, layout: Layout, split: str | None = None
) -> Extent | None:
    """Size of the cohort; None where it is not converted and no phantom.

    Args:
        config: the whole configuration.
        layout: of its results.
        split: ``cv`` or ``test`` for these cases alone.

    Raises:
        MetricsError: the cohort's table is not as it was written.
    """
    if layout.cases_csv.is_file():
        cases = read_cases(layout.cases_csv, ("case", "label", *_SIZES))
        if split is not None:
            cases = of_split(cases, split)
        return Extent(
            cases=len(cases),
            slices=float(cases.size_z.sum()),
            voxels=float(cases[list(_SIZES)].prod(axis=1).sum()),
            label_bytes=predictions_bytes(layout.cohort / path for path in cases.label),
        )
    cohort = config.cohort
    return _phantoms(cohort.phantom, split) if cohort.path is None else None


_SIZES = ("size_x", "size_y", "size_z")


@cache
def _slices_of_phantoms(phantom: PhantomConfig) -> float:
    """Mean number of slices, by drawing some phantoms without a picture of them."""
    # Takes scipy, which the cohort at hand does not need.
    from deeprac.cohort.phantom.source import PhantomSource  # noqa: PLC0415

    source = PhantomSource(phantom)
    # Test cases are drawn like the others, which stand for them.
    drawn = np.linspace(0, phantom.cases - 1, min(DRAWN, phantom.cases))
    drawn = drawn.round().astype(int)
    return float(np.mean([len(source.draw(index)[1].z_mm) for index in drawn]))


def _phantoms(phantom: PhantomConfig, split: str | None) -> Extent:
    numbers = {CV: phantom.cases, TEST: phantom.test_cases}
    cases = numbers[split] if split is not None else sum(numbers.values())
    each = _slices_of_phantoms(phantom)
    voxels = cases * each * phantom.matrix**2
    return Extent(cases, cases * each, voxels, voxels * LABEL_VOXEL_BYTES)
