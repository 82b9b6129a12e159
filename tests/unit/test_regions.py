import numpy as np
import pytest

from deeprac.cohort.build import dataset_json
from deeprac.evaluation.metrics.regions import regions_of, regions_titled

LABEL_MAP = np.array([[[0, 1, 2, 3]]])


def test_regions_of_the_canonical_cohort():
    regions = regions_of(dataset_json(1)["labels"].values())
    shown = {r.title: r.mask(LABEL_MAP).ravel().tolist() for r in regions}
    assert shown == {
        "kidney": [False, True, False, False],
        "tumour": [False, False, True, False],
        "kidney_and_tumour": [False, True, True, False],
    }


def test_kits_hierarchical_classes_with_cysts():
    """KiTS23: kidney and masses {1, 2, 3}, masses {2, 3}, tumour {2}, and the tolerance
    of each in mm."""
    classes = {
        tuple(sorted(region.labels)): region.kits_tolerance_mm
        for region in regions_of([0, 1, 2, 3])
        if region.kits_tolerance_mm is not None
    }
    assert {labels: round(mm, 3) for labels, mm in classes.items()} == {
        (1, 2, 3): 1.033,
        (2, 3): 1.133,
        (2,): 1.150,
    }


def test_without_cysts_kidney_and_tumour_is_kits_first_class():
    tolerances = {r.title: r.kits_tolerance_mm for r in regions_of([0, 1, 2])}
    assert tolerances["kidney"] is None
    assert tolerances["tumour"] == pytest.approx(1.150, abs=5e-4)
    assert tolerances["kidney_and_tumour"] == pytest.approx(1.033, abs=5e-4)


def test_lesions_are_counted_of_tumour_and_masses_only():
    assert [r.title for r in regions_of([0, 1, 2, 3]) if r.lesions] == [
        "tumour",
        "masses",
    ]


def test_foreign_labels():
    with pytest.raises(ValueError, match=r"with cysts also 3; got \[0, 1, 2, 4\]"):
        regions_of([0, 1, 2, 4])


def test_regions_of_a_table():
    for numbers in ([0, 1, 2], [0, 1, 2, 3]):
        regions = regions_of(numbers)
        assert regions_titled({region.title for region in regions}) == regions
