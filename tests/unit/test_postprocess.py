"""Steps of post-processing on hand-made label maps; a voxel has 6 mm3."""

import numpy as np
import pytest

from deeprac.errors import BundleError
from deeprac.labels import CohortLabels
from deeprac.surgery.postprocess import (
    CANDIDATES,
    COLUMNS,
    Postprocessing,
    change_flags,
    postprocess,
)

LABELS = CohortLabels()
SPACING_MM = (3.0, 1.0, 2.0)
VOXEL_ML = 0.006


def scene():
    array = np.zeros((12, 30, 40), np.uint8)
    array[2:10, 5:20, 5:20] = 1
    array[4:8, 8:16, 16:24] = 2
    return array


def run(array, **steps):
    before = array.copy()
    found, changes = postprocess(array, LABELS, SPACING_MM, Postprocessing(**steps))
    assert np.array_equal(array, before)
    assert tuple(changes.columns) == COLUMNS
    return found, changes


def rows(changes):
    return [
        (row.step, row.label, round(row.change_ml / VOXEL_ML), row.parts)
        for row in changes.itertuples()
    ]


def test_nothing_is_on_by_default():
    array = scene()
    array[0, 0, 0] = 2
    found, changes = run(array)
    assert np.array_equal(found, array)
    assert changes.empty


def test_a_clean_label_map_stays_as_it_is():
    found, changes = run(scene(), **CANDIDATES.steps)
    assert np.array_equal(found, scene())
    assert changes.empty


def test_small_parts_go_but_the_largest_never():
    array = scene()
    array[0, 0, 0:3] = 2
    array[11, 29, 30:34] = 1
    found, changes = run(array, small_parts_ml=4 * VOXEL_ML)
    assert not found[0].any()
    assert found[11].any()
    assert rows(changes) == [("small_parts_ml", "tumour", -3, 1)]
    found, _ = run(array, small_parts_ml=100.0)
    assert np.array_equal(found, scene())


def test_tumours_away_from_the_kidney():
    array = scene()
    array[2:4, 5:9, 30:34] = 2  # 10 columns of 2 mm from the kidney: 20 mm
    array[2:4, 24:26, 5:9] = 2  # 4 rows of 1 mm
    found, changes = run(array, far_tumours_mm=19.0)
    assert not found[2:4, 5:9, 30:34].any()
    assert (found[2:4, 24:26, 5:9] == 2).all()
    assert rows(changes) == [("far_tumours_mm", "tumour", -32, 1)]
    assert run(array, far_tumours_mm=20.0)[1].empty


def test_without_a_kidney_no_tumour_is_far():
    array = 2 * (scene() == 2).astype(np.uint8)
    assert run(array, far_tumours_mm=1.0)[1].empty


def test_closed_holes_become_what_surrounds_them():
    array = scene()
    array[5, 10, 8:10] = 0
    array[5, 12, 20] = 0
    found, changes = run(array, closed_holes_ml=2 * VOXEL_ML)
    assert np.array_equal(found, scene())
    assert sorted(rows(changes)) == [
        ("closed_holes_ml", "kidney", 2, 1),
        ("closed_holes_ml", "tumour", 1, 1),
    ]
    assert run(array, closed_holes_ml=VOXEL_ML)[0][5, 10, 8] == 0


def test_a_hole_that_is_open_stays():
    array = scene()
    array[2:6, 10, 10] = 0
    assert run(array, closed_holes_ml=1.0)[1].empty


def test_slivers_become_what_they_touch():
    array = scene()
    array[6, 8, 24] = 1  # kidney beside the tumour
    array[9, 10, 20:22] = 2  # tumour beside the kidney
    found, changes = run(array, slivers_ml=2 * VOXEL_ML)
    assert found[6, 8, 24] == 2
    assert (found[9, 10, 20:22] == 1).all()
    assert {row[:3] for row in rows(changes)} == {
        ("slivers_ml", "kidney", 1),
        ("slivers_ml", "tumour", -1),
    }


def test_two_slivers_do_not_swap():
    array = np.zeros((3, 4, 6), np.uint8)
    array[1, 1, 1:3] = 1
    array[1, 1, 3:5] = 2
    found, _ = run(array, slivers_ml=1.0)
    assert set(np.unique(found[found > 0])) == {2}


def test_a_slice_that_lacks():
    array = scene()
    array[6] = 0
    found, changes = run(array, slice_gaps_ml=10.0)
    assert np.array_equal(found, scene())
    assert sorted(rows(changes)) == [
        ("slice_gaps_ml", "kidney", 15 * 15 - 8 * 4, 1),
        ("slice_gaps_ml", "tumour", 64, 1),
    ]


def test_two_slices_that_lack_and_a_slice_that_shows_something_stay():
    array = scene()
    array[5:7] = 0
    assert run(array, slice_gaps_ml=10.0)[1].empty
    array = scene()
    array[6, 5:20, 5:12] = 0
    assert run(array, slice_gaps_ml=10.0)[1].empty


def test_sides_are_kept_apart():
    labels = CohortLabels(sides=True)
    array = np.zeros((8, 12, 30), np.uint8)
    array[1:7, 2:8, 2:8], array[1:7, 2:8, 20:26] = 3, 1
    array[3, 4, 4] = 0
    found, changes = postprocess(
        array, labels, SPACING_MM, Postprocessing(closed_holes_ml=1)
    )
    assert found[3, 4, 4] == 3
    assert changes.label.tolist() == ["kidney_right"]


def test_a_large_removed_part_is_a_flag():
    array = scene()
    array[1:11, 24:29, 26:30] = 2  # 200 voxels: 1.2 ml, 10 mm away
    _, changes = run(array, far_tumours_mm=5.0)
    (flag,) = change_flags(changes)
    assert (flag.code, flag.value) == ("removed_part", pytest.approx(1.2))
    assert "a part of 1.2 ml of tumour" in flag.message


def test_json():
    plan = Postprocessing(slivers_ml=0.5, far_tumours_mm=20)
    assert Postprocessing.from_json(plan.as_json()) == plan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dilate_mm": 3}, "lists the steps"),
        ({"slivers_ml": -1}, "slivers_ml is -1"),
        ({"slivers_ml": True}, "slivers_ml is True"),
        ({"slivers_ml": "0.5"}, "slivers_ml is '0.5'"),
    ],
)
def test_a_file_that_does_not_fit(change, message):
    stored = {"steps": Postprocessing().as_json()["steps"] | change}
    with pytest.raises(BundleError, match=message):
        Postprocessing.from_json(stored)
    with pytest.raises(BundleError, match="lists the steps"):
        Postprocessing.from_json(["steps"])
