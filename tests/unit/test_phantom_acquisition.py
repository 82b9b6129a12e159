from dataclasses import replace

import numpy as np
import pytest

from deeprac.cohort.case import Similarity
from deeprac.cohort.phantom.acquisition import draw_acquisition
from deeprac.cohort.phantom.anatomy import draw_anatomy
from deeprac.cohort.phantom.fields import Points
from deeprac.cohort.phantom.source import render_slice
from deeprac.geometry.planar import similarity


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(11)
    anatomy = draw_anatomy(rng, age_years=5.0, bilateral=False)
    acquisition = draw_acquisition(rng, anatomy, matrix=96, slice_spacing_mm=(5.0, 6.0))
    return anatomy, acquisition


def test_patient_points_are_the_inverse_of_the_similarity(scene):
    _, acquisition = scene
    drawn = Similarity(1.3, 0.3, 12.0, -20.0)
    acquisition = replace(acquisition, similarity=drawn)
    x, y = acquisition.image_points()
    row, column = 20, 71
    patient = acquisition.patient_points(0.0)
    canonical = np.array([patient.x[row, column], patient.y[row, column]]) / 1.3
    image = similarity(np.log(1.3), 0.3, (12.0, -20.0)) @ [*canonical, 1]
    np.testing.assert_allclose(image, [x[0, column], y[row, 0]], atol=1e-3)


def test_convention_image_centre_is_between_the_middle_pixels(scene):
    _, acquisition = scene
    x, y = acquisition.image_points()
    assert x[0, 47] == -x[0, 48] == pytest.approx(-acquisition.pixel_mm / 2)
    assert y[47, 0] == -y[48, 0]


def test_spine_lies_behind_the_centre_and_turns_with_the_angle(scene):
    anatomy, acquisition = scene
    anatomy = replace(anatomy, tumours=())
    angle, shift = 0.3, np.array([9.0, -6.0])
    acquisition = replace(
        acquisition, similarity=Similarity(1.0, angle, *shift), table_y_mm=1e4
    )
    hu, _, _ = render_slice(anatomy, acquisition, 0.0)
    x, y = acquisition.image_points()
    marrow = anatomy.torso.vertebra.centre_mm
    # R(angle) takes (0, y) to (-sin, cos) * y: a positive angle moves it to smaller x.
    expected = shift + marrow[1] * np.array([-np.sin(angle), np.cos(angle)])
    near = np.hypot(x - expected[0], y - expected[1]) < 8
    assert hu[near].mean() > 75
    body = hu > -300
    centre = [np.mean(np.broadcast_to(axis, body.shape)[body]) for axis in (x, y)]
    np.testing.assert_allclose(centre, shift, atol=4)


def test_liver_is_on_the_right_and_left_kidney_at_larger_x(scene):
    anatomy, _ = scene
    right, left = anatomy.kidneys
    assert (right.side, left.side) == (-1, 1)
    assert right.capsule.centre_mm[0] < 0 < left.capsule.centre_mm[0]


def test_edges_have_partial_volume(scene):
    anatomy, acquisition = scene
    _, kidney, tumour = render_slice(anatomy, acquisition, 0.0)
    assert np.any((kidney > 0.1) & (kidney < 0.9))
    assert np.all(kidney + tumour <= 1 + 1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_the_whole_body_is_in_view(seed):
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng, age_years=rng.uniform(0, 16), bilateral=seed % 5 == 0)
    acquisition = draw_acquisition(rng, anatomy, matrix=64, slice_spacing_mm=(4.0, 8.0))
    for z_mm in acquisition.z_mm[::4]:
        points = anatomy.bulged(acquisition.patient_points(z_mm))
        skin = anatomy.torso.level(points)
        border = np.concatenate([skin[0], skin[-1], skin[:, 0], skin[:, -1]])
        assert border.min() > 0


def test_kidneys_and_tumours_lie_between_the_end_slices(scene):
    anatomy, acquisition = scene
    low, high = acquisition.z_mm[0], acquisition.z_mm[-1]
    points = Points(*(np.zeros(1, np.float32) for _ in range(3)))
    for z_mm in (low, high):
        here = points._replace(z=np.float32(z_mm))
        assert all(kidney.level(here)[0] > 0 for kidney in anatomy.kidneys)
    for tumour in anatomy.tumours:
        assert low < tumour.shape.centre_mm[2] < high
