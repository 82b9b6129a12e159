"""The table of measures against bodies whose numbers are derived in sight."""

import math
import time

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.grid import Grid
from deeprac.labels import CohortLabels
from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.catalogue import COLUMNS, MEASURES
from deeprac.surgery.contact import contact_areas_cm2
from deeprac.surgery.measures import NO_KIDNEY, NO_SIDE, measure
from deeprac.surgery.rows import value_of
from deeprac.surgery.structures import anatomy_of
from support.bodies import ball

SPACING_MM = (3.0, 1.1, 0.9)
VOXEL_ML = 3.0 * 1.1 * 0.9 / 1000
LEFT = Structure(1, Kind.KIDNEY, BodySide.LEFT)
RIGHT = Structure(2, Kind.KIDNEY, BodySide.RIGHT)
TUMOUR = Structure(3, Kind.TUMOUR, BodySide.RIGHT, 1)


def anatomy(numbers, structures, spacing_mm=SPACING_MM):
    grid = Grid.along(np.eye(3), numbers.shape[::-1], spacing_mm[::-1], (5, 6, 7))
    return Anatomy(numbers.astype(np.uint8), grid, structures)


def blocks():
    """Right kidney with a tumour in its lateral face, left kidney 20 columns away."""
    numbers = np.zeros((14, 30, 70))
    numbers[2:12, 5:15, 10:20] = 2
    numbers[4:8, 5:13, 6:13] = 3
    numbers[2:12, 5:15, 40:52] = 1
    return numbers


@pytest.fixture(scope="module")
def table():
    return measure(anatomy(blocks(), (LEFT, RIGHT, TUMOUR)), margin_mm=2.0)


LEFT_VOXELS = 10 * 10 * 12
RIGHT_VOXELS = 10 * 10 * 10 - 4 * 8 * 3
TUMOUR_VOXELS = 4 * 8 * 7


@pytest.mark.parametrize(
    ("structure", "name", "expected"),
    [
        ("patient", "kidneys_count", 2),
        ("patient", "tumours_count", 1),
        ("tumours", "volume_ml", TUMOUR_VOXELS * VOXEL_ML),
        ("tumours_right", "volume_ml", TUMOUR_VOXELS * VOXEL_ML),
        ("tumour_1", "volume_ml", TUMOUR_VOXELS * VOXEL_ML),
        ("kidney_left", "volume_ml", LEFT_VOXELS * VOXEL_ML),
        ("kidney_right", "volume_ml", RIGHT_VOXELS * VOXEL_ML),
        (
            *("kidney_right", "share_percent"),
            100 * RIGHT_VOXELS / (LEFT_VOXELS + RIGHT_VOXELS),
        ),
        ("kidney_right", "of_other_percent", 100 * RIGHT_VOXELS / LEFT_VOXELS),
        ("tumour_1", "craniocaudal_mm", 4 * 3.0),
        # Columns 13 to 39 lie between.
        ("tumour_1", "other_kidney_mm", 27 * 0.9),
        # Columns 6 to 9 of 6 to 12.
        ("tumour_1", "outside_hull_percent", 100 * 4 / 7),
    ],
)
def test_values_by_hand(table, structure, name, expected):
    assert value_of(table, structure, name) == pytest.approx(expected)


def test_the_rim_takes_a_part_of_the_operated_kidney_alone(table):
    taken = value_of(table, "kidney_right", "volume_ml") - value_of(
        table, "kidney_right", "rim_remaining_ml"
    )
    # Within 2 mm: two columns beside, two rows below (the tumour is 8 rows of 1.1 mm),
    # one slice above and below, without the corners.
    beside, below, above = 4 * 8 * 2, 4 * 2 * 3, 2 * 8 * 3
    assert taken == pytest.approx((beside + below + above) * VOXEL_ML, rel=0.35)
    assert value_of(table, "kidney_left", "rim_remaining_ml") == pytest.approx(
        LEFT_VOXELS * VOXEL_ML
    )
    rim = table[table.measure.str.startswith("rim_")]
    assert set(rim.note) == {"rim of 2 mm"}
    assert rim.definition.str.contains("upper bound").all()


def test_contact_is_that_with_the_kidney(table):
    areas = contact_areas_cm2(blocks().astype(np.uint8), SPACING_MM)
    found = value_of(table, "tumour_1", "contact_cm2")
    assert found == pytest.approx(areas[frozenset({2, 3})])
    (note,) = table[table.measure == "contact_cm2"].note
    assert "underestimated" in note  # it has below 1 ml


def test_the_table_is_tidy(table):
    assert tuple(table.columns) == COLUMNS
    assert not table.duplicated(["structure", "measure"]).any()
    changes = (table.structure != table.structure.shift()).sum()
    assert changes == table.structure.nunique()
    assert set(table.measure) <= set(MEASURES)
    missing = table[table.value.isna()]
    assert (missing.note != "").all()
    assert set(table[table.measure == "not_measured"].structure) == {
        "hilum", "collecting_system", "vessels",
    }  # fmt: skip


def test_words_are_in_the_notes(table):
    words = table[table.measure.isin(["side", "tumours_side"])]
    assert words.note.tolist() == ["right", "right"]


def test_without_a_rim_there_are_no_rows_of_it():
    found = measure(anatomy(blocks(), (LEFT, RIGHT, TUMOUR)))
    assert not found.measure.str.startswith("rim_").any()


def test_analytic_bodies():
    """Two ellipsoids, one with a ball half sunk into it; slices of 3 mm."""
    shape, spacing = (50, 110, 190), (3.0, 0.8, 0.8)
    right = ball(shape, spacing, (75, 44, 40), (48, 22, 24))
    left = ball(shape, spacing, (75, 44, 115), (48, 22, 24))
    tumour = ball(shape, spacing, (75, 44, 20), 18)
    numbers = np.where(tumour, 3, np.where(right, 2, left))
    found = measure(anatomy(numbers, (LEFT, RIGHT, TUMOUR), spacing))
    voxel_ml = 3 * 0.8 * 0.8 / 1000
    diagonal = math.hypot(*spacing)
    assert value_of(found, "tumour_1", "volume_ml") == pytest.approx(
        np.count_nonzero(tumour) * voxel_ml
    )
    assert value_of(found, "tumour_1", "volume_ml") == pytest.approx(24.4, rel=0.02)
    for name in ("diameter_mm", "axial_mm", "perpendicular_mm", "craniocaudal_mm"):
        assert value_of(found, "tumour_1", name) == pytest.approx(36, abs=diagonal)
    # 13 slices show the ball: 39 mm instead of 36.
    assert value_of(found, "tumour_1", "ellipsoid_ratio") == pytest.approx(1, abs=0.15)
    assert value_of(found, "kidney_left", "diameter_mm") == pytest.approx(
        96, abs=diagonal
    )
    # From the ball's end at x = 38 to the left kidney's at 91.
    assert value_of(found, "tumour_1", "other_kidney_mm") == pytest.approx(
        53, abs=diagonal
    )


def test_bilateral_tumours_have_sums_for_each_side():
    numbers = blocks()
    numbers[4:8, 5:13, 50:56] = 4
    other = Structure(4, Kind.TUMOUR, BodySide.LEFT, 2)
    found = measure(anatomy(numbers, (LEFT, RIGHT, TUMOUR, other)))
    assert value_of(found, "tumours_left", "volume_ml") == pytest.approx(
        4 * 8 * 6 * VOXEL_ML
    )
    assert value_of(found, "tumours", "volume_ml") == pytest.approx(
        (4 * 8 * 6 + TUMOUR_VOXELS) * VOXEL_ML
    )
    assert found[found.measure == "tumours_side"].note.item() == "bilateral"
    assert (found.measure == "of_other_percent").sum() == 2


def test_a_kidney_without_a_side_has_no_shares():
    kidney = Structure(1, Kind.KIDNEY, BodySide.UNKNOWN)
    tumour = Structure(2, Kind.TUMOUR, BodySide.UNKNOWN, 1)
    numbers = np.zeros((8, 20, 30))
    numbers[1:7, 3:15, 3:15] = 1
    numbers[2:6, 5:10, 12:20] = 2
    found = measure(anatomy(numbers, (kidney, tumour)), margin_mm=3)
    for name in ("share_percent", "outside_hull_percent", "other_kidney_mm"):
        row = found[found.measure == name]
        assert row.value.isna().all()
        assert set(row.note) == {NO_SIDE}
    assert value_of(found, "tumour_1", "contact_cm2") > 0
    assert value_of(found, "kidney", "rim_remaining_ml") > 0


def test_a_tumour_without_any_kidney():
    tumour = Structure(1, Kind.TUMOUR, BodySide.UNKNOWN, 1)
    numbers = np.zeros((8, 20, 30))
    numbers[2:6, 5:10, 12:20] = 1
    found = measure(anatomy(numbers, (tumour,)), margin_mm=3)
    assert set(found[found.measure == "other_kidney_mm"].note) == {NO_KIDNEY}
    assert not (found.measure == "contact_cm2").any()


def test_nothing_but_a_cyst():
    cyst = Structure(1, Kind.CYST, BodySide.UNKNOWN)
    numbers = np.zeros((4, 9, 9))
    numbers[1:3, 2:5, 2:6] = 1
    found = measure(anatomy(numbers, (cyst,)))
    assert value_of(found, "cyst", "volume_ml") == pytest.approx(24 * VOXEL_ML)
    assert value_of(found, "tumours", "volume_ml") == 0


@pytest.mark.slow
def test_a_large_case_takes_far_less_than_half_a_minute():
    """512 x 512 x 150 voxels, a tumour of 650 ml and two kidneys."""
    shape, spacing = (150, 512, 512), (1.6, 0.78, 0.78)
    tumour = ball(shape, spacing, (120, 200, 120), 54)
    kidneys = ball(shape, spacing, (120, 190, 70), (55, 30, 30))
    kidneys |= ball(shape, spacing, (120, 190, 280), (55, 30, 30))
    label = sitk.GetImageFromArray(np.where(tumour, 2, kidneys).astype(np.uint8))
    label.SetSpacing(spacing[::-1])
    start = time.process_time()
    found, _ = anatomy_of(label, CohortLabels())
    table = measure(found, margin_mm=5)
    assert time.process_time() - start < 15
    assert value_of(table, "tumour_1", "volume_ml") == pytest.approx(660, rel=0.01)


def test_the_real_mass(shared_data):
    path = shared_data / "real_ct_nnunet" / "labelsTr" / "ircad_07.nii.gz"
    found, _ = anatomy_of(sitk.ReadImage(str(path)), CohortLabels())
    table = measure(found)
    assert value_of(table, "tumour_1", "volume_ml") == pytest.approx(668.2, abs=0.1)
    # Another program: 645 ml by axial x perpendicular x craniocaudal.
    assert value_of(table, "tumour_1", "ellipsoid_ml") == pytest.approx(645, rel=0.03)
    # Between the centres of voxels 65.9 mm.
    assert value_of(table, "tumour_1", "other_kidney_mm") == pytest.approx(
        65.9, abs=1.0
    )
