import math

import numpy as np
import pytest

from deeprac.evaluation.metrics.measure import cropped, measure
from deeprac.evaluation.metrics.regions import regions_of
from deeprac.labels import KIDNEY_AND_TUMOUR, CohortLabels
from deeprac.records.catalogue import METRICS

WITHOUT_CYSTS = regions_of(KIDNEY_AND_TUMOUR)
WITH_CYSTS = regions_of(CohortLabels(cysts=True))
SPACING_MM = (5.0, 1.0, 2.0)
KIDNEY, TUMOUR, BOTH = WITHOUT_CYSTS


def label_map(shape=(4, 12, 9)):
    """Kidney of 2 x 4 x 3 voxels, tumour of 2 x 4 x 2 beside it along x."""
    array = np.zeros(shape, np.uint8)
    array[1:3, 2:6, 1:4] = 1
    array[1:3, 2:6, 4:6] = 2
    return array


def test_every_column_but_coverage_in_the_order_of_the_catalogue():
    names = list(measure(label_map(), label_map(), TUMOUR, SPACING_MM))
    assert [*names, "coverage"] == list(METRICS)


def test_perfect():
    for region in WITHOUT_CYSTS:
        row = measure(label_map(), label_map(), region, SPACING_MM)
        for name, metric in METRICS.items():
            if name in row and metric.better == "high" and metric.kind == "share":
                assert row[name] == 1 or (name == "nsd_kits" and region is KIDNEY)
            if name in row and metric.better == "low" and region is TUMOUR:
                assert row[name] == 0


def test_volumes_by_hand():
    """A voxel has 5 x 1 x 2 = 10 mm^3; the tumour 16 voxels, the prediction 24."""
    prediction = label_map()
    prediction[1:3, 2:6, 6] = 2
    row = measure(prediction, label_map(), TUMOUR, SPACING_MM)
    assert row["reference_volume_ml"] == pytest.approx(0.16)
    assert row["volume_ml"] == pytest.approx(0.24)
    assert row["volume_error_ml"] == pytest.approx(0.08)
    assert row["volume_error_percent"] == pytest.approx(50)
    smaller = measure(label_map(), prediction, TUMOUR, SPACING_MM)
    assert smaller["volume_error_ml"] == pytest.approx(-0.08)
    assert smaller["volume_error_percent"] == pytest.approx(-100 / 3)
    assert smaller["absolute_volume_error_ml"] == pytest.approx(0.08)
    assert smaller["absolute_volume_error_percent"] == pytest.approx(100 / 3)


def test_a_label_taken_for_the_other_is_right_for_their_union():
    prediction = np.where(label_map() == 2, 1, label_map()).astype(np.uint8)
    assert measure(prediction, label_map(), BOTH, SPACING_MM)["dice"] == 1
    assert measure(prediction, label_map(), TUMOUR, SPACING_MM)["dice"] == 0
    kidney = measure(prediction, label_map(), KIDNEY, SPACING_MM)
    assert kidney["precision"] == pytest.approx(24 / 40)
    assert kidney["recall"] == 1


@pytest.mark.parametrize(
    ("axis", "agrees"),
    [
        (0, {"nsd_1mm": False, "nsd_2mm": False, "nsd_slice": True}),  # 5 mm
        (1, {"nsd_1mm": True, "nsd_2mm": True, "nsd_slice": True}),  # 1 mm
        (2, {"nsd_1mm": False, "nsd_2mm": True, "nsd_slice": True}),  # 2 mm
    ],
)
def test_convention_spacing_is_in_the_order_of_the_axes(axis, agrees):
    """One voxel off along z, y or x is 5, 1 or 2 mm off; slices are 5 mm apart."""
    reference = np.zeros((16, 20, 18), np.uint8)
    reference[2:12, 2:16, 2:14] = 2
    prediction = np.roll(reference, 1, axis=axis)
    row = measure(prediction, reference, TUMOUR, SPACING_MM)
    assert {name: row[name] == 1 for name in agrees} == agrees


def test_cysts_belong_to_masses_and_not_to_the_tumour():
    reference = label_map()
    reference[1, 8:11, 1:8] = 3  # 21 voxels of 10 mm^3
    prediction = np.where(reference == 3, 2, reference).astype(np.uint8)
    rows = {r.title: measure(prediction, reference, r, SPACING_MM) for r in WITH_CYSTS}
    assert rows["masses"]["dice"] == 1
    assert rows["kidney_and_masses"]["nsd_kits"] == 1
    assert rows["tumour"]["precision"] == pytest.approx(16 / 37)
    assert rows["tumour"]["false_lesions"] == 1
    assert rows["masses"]["reference_lesions"] == 2
    assert math.isnan(rows["kidney_and_tumour"]["nsd_kits"])
    # KiTS's 21 voxels of cyst are not part of kidney + tumour, but were predicted so.
    assert rows["kidney_and_tumour"]["volume_error_ml"] == pytest.approx(0.21)


def test_crop_keeps_every_voxel_and_no_more():
    prediction, reference = np.zeros((2, 6, 7, 8), np.uint8)
    prediction[1, 2, 3], reference[4, 2, 6] = 1, 2
    first, second = cropped(prediction, reference)
    assert first.shape == second.shape == (4, 1, 4)
    assert (first[0, 0, 0], second[3, 0, 3]) == (1, 2)
    assert cropped(prediction * 0, reference * 0)[0].shape == (1, 1, 1)


def test_inputs_are_not_changed():
    prediction, reference = label_map(), label_map()
    measure(prediction, reference, BOTH, SPACING_MM)
    np.testing.assert_array_equal(prediction, label_map())
    np.testing.assert_array_equal(reference, label_map())


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shapes differ"):
        measure(label_map(), label_map((4, 12, 10)), TUMOUR, SPACING_MM)
