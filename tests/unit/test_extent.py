"""How large a cohort is: as converted, or as its phantoms will be."""

import pytest

from deeprac.cohort.phantom.source import PhantomSource
from deeprac.config import load_config
from deeprac.estimate.extent import cohort_extent
from deeprac.layout import Layout
from deeprac.records.case_split import CV, TEST
from support.cohort_sizes import write_sizes
from support.toy_cohort import write_config


def test_a_converted_cohort_by_its_table(tmp_path):
    config = load_config([write_config(tmp_path)])
    layout = Layout.of(config)
    write_sizes(layout)
    found = cohort_extent(config, layout)
    assert (found.cases, found.slices, found.label_bytes) == (2, 12, 42)
    assert found.voxels == 40 * 30 * 7 + 20 * 50 * 5


def test_phantoms_are_drawn_before_there_is_any(tmp_path):
    phantom = {"cases": 8, "matrix": 64, "slice_spacing_mm": [14, 16]}
    path = write_config(tmp_path, {"cohort": {"name": "toy", "phantom": phantom}})
    config = load_config([path])
    found = cohort_extent(config, Layout.of(config))
    source = PhantomSource(config.cohort.phantom)
    slices = sum(len(source.draw(index)[1].z_mm) for index in range(8))
    assert (found.cases, found.slices) == (8, slices)
    assert found.voxels == slices * 64**2


def test_test_cases_are_counted_apart(tmp_path):
    phantom = {"cases": 8, "test_cases": 4, "matrix": 64}
    path = write_config(tmp_path, {"cohort": {"name": "toy", "phantom": phantom}})
    config = load_config([path])
    whole, folds, test = (
        cohort_extent(config, Layout.of(config), split) for split in (None, CV, TEST)
    )
    assert (whole.cases, folds.cases, test.cases) == (12, 8, 4)
    assert whole.voxels == pytest.approx(folds.voxels + test.voxels)


def test_a_source_that_is_not_converted_says_nothing(tmp_path):
    cohort = {"name": "toy", "format": "nnunet_raw", "path": str(tmp_path / "ct")}
    config = load_config([write_config(tmp_path, {"cohort": cohort})])
    assert cohort_extent(config, Layout.of(config)) is None
