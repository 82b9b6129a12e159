import numpy as np
import pytest

from deeprac.evaluation.metrics.regions import regions_of, regions_titled, united
from deeprac.labels import KIDNEY_AND_TUMOUR, CohortLabels

CYSTS, SIDES = CohortLabels(cysts=True), CohortLabels(sides=True)
BOTH = CohortLabels(cysts=True, sides=True)
LABEL_MAP = np.array([[[0, 1, 2, 3]]])


def test_regions_of_the_canonical_cohort():
    regions = regions_of(KIDNEY_AND_TUMOUR)
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
        for region in regions_of(CYSTS)
        if region.kits_tolerance_mm is not None
    }
    assert {labels: round(mm, 3) for labels, mm in classes.items()} == {
        (1, 2, 3): 1.033,
        (2, 3): 1.133,
        (2,): 1.150,
    }


def test_without_cysts_kidney_and_tumour_is_kits_first_class():
    tolerances = {r.title: r.kits_tolerance_mm for r in regions_of(KIDNEY_AND_TUMOUR)}
    assert tolerances["kidney"] is None
    assert tolerances["tumour"] == pytest.approx(1.150, abs=5e-4)
    assert tolerances["kidney_and_tumour"] == pytest.approx(1.033, abs=5e-4)


def test_lesions_are_counted_of_tumour_and_masses_only():
    assert [r.title for r in regions_of(CYSTS) if r.lesions] == [
        "tumour",
        "masses",
    ]


def test_with_sides_kidney_is_both_and_each_side_is_scored():
    regions = {region.title: sorted(region.labels) for region in regions_of(SIDES)}
    assert regions == {
        "kidney": [1, 3],
        "tumour": [2],
        "kidney_and_tumour": [1, 2, 3],
        "kidney_left": [1],
        "kidney_right": [3],
    }


def test_with_cysts_and_sides():
    regions = {region.title: sorted(region.labels) for region in regions_of(BOTH)}
    assert regions == {
        "kidney": [1, 4],
        "tumour": [2],
        "kidney_and_tumour": [1, 2, 4],
        "masses": [2, 3],
        "kidney_and_masses": [1, 2, 3, 4],
        "kidney_left": [1],
        "kidney_right": [4],
    }


def test_a_side_is_no_class_of_kits_and_has_no_lesions():
    sides = [
        r
        for r in regions_of(BOTH)
        if r.title.startswith("kidney_") and r.title.endswith(("left", "right"))
    ]
    assert len(sides) == 2
    assert all(r.kits_tolerance_mm is None and not r.lesions for r in sides)


@pytest.mark.parametrize("labels", [KIDNEY_AND_TUMOUR, CYSTS, SIDES, BOTH])
def test_regions_of_a_table(labels):
    regions = regions_of(labels)
    assert regions_titled({region.title for region in regions}) == regions


def test_united_kidneys():
    label_map = np.array([[[0, 1, 2, 3, 4]]], np.uint8)
    assert united(label_map, BOTH).tolist() == [[[0, 1, 2, 3, 1]]]
    assert united(label_map, BOTH).dtype == np.uint8
    assert united(label_map[..., :4], SIDES).tolist() == [[[0, 1, 2, 1]]]
    assert united(label_map[..., :4], CYSTS).tolist() == [[[0, 1, 2, 3]]]
