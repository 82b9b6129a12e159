"""What grows at which age, and how large it is, without a body around it."""

import numpy as np
import pytest

from deeprac.cohort.phantom.anatomy import draw_anatomy, seen_volume_ml
from deeprac.cohort.phantom.disease import (
    RENAL_CELL,
    WILMS,
    draw_disease,
    draw_volume_ml,
)
from deeprac.cohort.phantom.growth import growth
from deeprac.cohort.phantom.kidney import draw_kidney
from deeprac.cohort.phantom.torso import draw_torso
from deeprac.cohort.phantom.tumour import draw_tumour


def volumes(disease, stage, room_ml, count=2000):
    rng = np.random.default_rng(4)
    return np.array(
        [
            draw_volume_ml(rng, disease, room_ml=room_ml, stage=stage)
            for _ in range(count)
        ]
    )


@pytest.mark.parametrize(("age", "share"), [(16.5, 0.25), (17.5, 0.75)])
def test_childrens_tumours_become_adults_evenly_between_16_and_18(age, share):
    rng = np.random.default_rng(2)
    found = [draw_disease(rng, age) is RENAL_CELL for _ in range(2000)]
    assert np.mean(found) == pytest.approx(share, abs=0.04)


def test_up_to_16_years_no_number_is_drawn_and_from_18_on_all_are_adults():
    rng, untouched = np.random.default_rng(2), np.random.default_rng(2)
    assert {draw_disease(rng, age) for age in (0.0, 5.0, 16.0)} == {WILMS}
    assert rng.uniform() == untouched.uniform()
    assert {draw_disease(rng, age) for age in (18.0, 80.0)} == {RENAL_CELL}


@pytest.mark.parametrize(
    ("stage", "median_ml"), [("diagnosis", 540), ("after_chemotherapy", 160)]
)
def test_a_stage_asks_for_the_published_median(stage, median_ml):
    # In a body without bounds; the wall will take the 15 % again.
    drawn = volumes(WILMS, stage, room_ml=1e9)
    assert np.median(drawn) == pytest.approx(median_ml / 0.85, rel=0.06)


def test_adults_tumours_have_the_published_diameters_whatever_the_stage():
    drawn = volumes(RENAL_CELL, "mixed", room_ml=1e9)
    assert np.array_equal(drawn, volumes(RENAL_CELL, "diagnosis", room_ml=1e9))
    diameters_mm = np.cbrt(6000 / np.pi * drawn)
    for percent, expected in ((25, 24.25), (50, 34), (75, 48)):
        assert np.percentile(diameters_mm, percent) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("stage", "share"), [("mixed", 0.24), ("diagnosis", 0.4)])
def test_the_body_bounds_the_volume_and_none_is_drawn_twice(stage, share):
    drawn = volumes(WILMS, stage, room_ml=900.0)
    assert drawn.max() < share * 900
    assert len(np.unique(drawn)) == len(drawn)


def test_adults_tumours_are_rounder_and_lie_farther_out():
    rng = np.random.default_rng(0)
    torso = draw_torso(rng, growth(50))
    kidney = draw_kidney(rng, torso, 110.0, 1)
    stretch, outside = {}, {}
    for disease in (WILMS, RENAL_CELL):
        drawn = [draw_tumour(rng, torso, kidney, disease, 20.0) for _ in range(12)]
        axes = np.array([tumour.shape.axes_mm for tumour in drawn])
        stretch[disease] = np.mean(axes.max(1) / axes.min(1))
        centres = np.array([tumour.core_mm for tumour in drawn])
        local = (centres - kidney.capsule.centre_mm) @ kidney.capsule.rotation
        outside[disease] = np.linalg.norm(local / kidney.capsule.axes_mm, axis=1).mean()
    assert stretch[RENAL_CELL] < 1.12 < stretch[WILMS]
    # The middle of where they may start, in capsules.
    assert outside[WILMS] == pytest.approx(0.90, abs=0.05)
    assert outside[RENAL_CELL] == pytest.approx(1.0, abs=0.05)


def test_a_tumour_in_free_space_is_seen_whole():
    rng = np.random.default_rng(8)
    anatomy = draw_anatomy(rng, age_years=60.0, bilateral=False)
    (tumour,) = anatomy.tumours
    ellipsoid_ml = 4 / 3 * np.pi * np.prod(tumour.shape.axes_mm) / 1000
    assert seen_volume_ml(anatomy.torso, tumour) == pytest.approx(ellipsoid_ml, rel=0.1)
