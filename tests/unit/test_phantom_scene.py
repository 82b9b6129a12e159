"""Arms beside the body and a cushion under it, which move no other voxel."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from deeprac.cohort.case import Similarity
from deeprac.cohort.phantom import PhantomSource
from deeprac.cohort.phantom.acquisition import draw_acquisition
from deeprac.cohort.phantom.anatomy import draw_anatomy
from deeprac.cohort.phantom.fields import Blob, Canvas
from deeprac.cohort.phantom.scene import Arm, Cushion, draw_arms, draw_cushion
from deeprac.geometry.moments import moments, silhouette
from support.cohort_builders import phantom_config

AIR_HU = -1000.0


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(3)
    anatomy = draw_anatomy(rng, age_years=5.0, bilateral=False)
    acquisition = draw_acquisition(rng, anatomy, matrix=96, slice_spacing_mm=(5.0, 6.0))
    # Right shoulder down by 17 degrees, off the centre.
    pose = Similarity(1.0, -0.3, 12.0, -7.0)
    return anatomy, replace(acquisition, similarity=pose, pixel_mm=4.0)


@pytest.fixture
def canvas(scene):
    _, acquisition = scene
    return Canvas(np.full((96, 96), AIR_HU, np.float32), acquisition.edge_mm)


def test_an_arm_turns_and_moves_with_the_patient(scene, canvas):
    _, acquisition = scene
    shape = Blob(np.array([100.0, 20.0, 0]), np.array([30.0, 30.0, 1e4]), np.eye(3))
    arm = Arm(shape, fat_mm=5.0, marrow_hu=200.0)
    arm.paint(canvas, acquisition.patient_points(40.0))
    x, y = acquisition.image_points()
    cos, sin = np.cos(0.3), np.sin(0.3)
    # p_image = R(-0.3) p + shift
    centre = 12 + cos * 100 + sin * 20, -7 - sin * 100 + cos * 20
    distance = np.hypot(x - centre[0], y - centre[1])
    assert (canvas.hu[distance > 34] == AIR_HU).all()
    # From the skin inwards: fat, then muscle, and bone in the middle.
    for depth, low, high in ((5, -101, -20), (15, 55, 60), (30, 150, 481)):
        ring = np.abs(30 - distance - depth) < 1.5
        assert ring.any()
        assert low <= np.median(canvas.hu[ring]) <= high


def test_arms_lie_on_both_sides_outside_of_the_body(scene):
    torso = scene[0].torso
    right, left = draw_arms(np.random.default_rng(0), torso)
    for arm, side in ((right, -1), (left, 1)):
        x, y, z = arm.shape.centre_mm
        inner = side * x - arm.shape.axes_mm[0]
        assert 0.99 * torso.half_width_mm < inner < 1.15 * torso.half_width_mm
        assert abs(y) < 0.25 * torso.half_depth_mm
        assert z == 0


def test_a_cushion_is_a_slab_of_the_picture(scene, canvas):
    _, acquisition = scene
    Cushion((10.0, 60.0), (80.0, 30.0), hu=15.0).paint(
        canvas, *acquisition.image_points()
    )
    x, y = np.broadcast_arrays(*acquisition.image_points())
    across, along = np.abs(x - 10) / 80, np.abs(y - 60) / 30
    # Its edges are soft, and its corners round.
    assert (canvas.hu[(across < 0.5) & (along < 0.6)] == 15).all()
    assert (canvas.hu[(across > 1.1) | (along > 1.2)] == AIR_HU).all()
    assert (canvas.hu[(across > 0.97) & (along > 0.9)] == AIR_HU).all()


def test_a_body_sinks_into_a_cushion_and_the_table_lies_under_it(scene):
    anatomy, acquisition = scene
    depth_mm = anatomy.torso.half_depth_mm
    for seed in range(20):
        cushion = draw_cushion(
            np.random.default_rng(seed),
            anatomy.torso,
            body_mm=(12.0, -7.0),
            table_y_mm=acquisition.table_y_mm,
        )
        top = cushion.centre_mm[1] - cushion.half_mm[1]
        assert 0.5 * depth_mm <= top + 7 <= 0.7 * depth_mm
        assert cushion.hu > -20
        on = acquisition.on(cushion)
        assert on.table_y_mm == cushion.bottom_mm > acquisition.table_y_mm
        assert replace(on, cushion=None, table_y_mm=acquisition.table_y_mm) == (
            acquisition
        )


@pytest.mark.slow
def test_scenes_change_the_silhouette_and_neither_labels_nor_truth():
    """Of what moments measure, the radius; and scenes do not hang on each other."""
    images, radii = {}, {}
    for arms in ("up", "down"):
        for cushion in (False, True):
            phantom = phantom_config(matrix=64, arms=arms, cushion=cushion)
            case = PhantomSource(phantom).load("phantom_001")
            label = sitk.GetArrayFromImage(case.label)
            if not images:
                first, labels = case, label
            assert case.similarity == first.similarity
            assert np.array_equal(label, labels)
            image = sitk.GetArrayFromImage(case.image)
            images[arms, cushion] = image
            ct = torch.from_numpy((np.clip(image, -100, 300) - 100) / 100)
            measured = moments(silhouette(ct[:, None].float(), -2.0))
            radii[arms, cushion] = measured.radius.median().item()
    plain = radii["up", False]
    assert radii["down", False] > 1.1 * plain
    assert radii["up", True] > 1.1 * plain
    kidneys = labels > 0
    for image in images.values():
        assert np.array_equal(image[kidneys], images["up", False][kidneys])
