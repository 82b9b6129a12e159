"""nnU-Net's augmentation of whole slices, and where it says that it moved them."""

import math

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import (
    DownsampleSegForDSTransform,
)
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.similarity import identity, parameters, transform_points
from deeprac.geometry.warp import warp
from deeprac.training.augmentation import Tracked, split_target
from deeprac.training.nnunet import adapted
from support.toy_cohort import small_networks

AIR = -2.0
SHAPE = (72, 72)
LEVELS = [[1.0, 1.0], [0.5, 0.5]]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def landmarks(shape=SHAPE):
    """Two blobs of different size off the centre, as image and labels (1, h, w)."""
    points = pixel_centres(shape)[0]
    image = torch.full((1, *shape), AIR)
    labels = torch.zeros((1, *shape), dtype=torch.int16)
    for label, x, y, radius in ((1, 0.3, -0.1, 0.15), (2, -0.15, 0.25, 0.1)):
        distance = (points - torch.tensor([x, y])).norm(dim=-1).view(1, *shape)
        image = image + 4 * torch.exp(-((distance / radius) ** 2))
        labels[distance < radius] = label
    return image, labels


def centroids(mass):
    """Centre (1, 1, d) of a mass (h, w), or of a volume."""
    weight = mass.flatten().float()
    points = pixel_centres(tuple(mass.shape))[0]
    return ((weight[:, None] * points).sum(0) / weight.sum()).view(1, 1, -1)


def spatial(shape=SHAPE, *, angle=0.0, scale=None, always=True):
    return SpatialTransform(
        shape,
        patch_center_dist_from_border=0,
        random_crop=False,
        p_rotation=float(always),
        rotation=(angle, angle),
        p_scaling=float(scale is not None),
        scaling=(scale or 1.0, scale or 1.0),
        p_synchronize_scaling_across_axes=1,
        padding_mode_image="constant",
        padding_value_image=AIR,
    )


def mirror(*axes):
    """Mirror along exactly these axes."""
    transform = MirrorTransform(axes)
    transform.get_parameters = lambda **_: {"axes": list(axes)}
    return transform


def tracked(*transforms):
    levels = DownsampleSegForDSTransform(LEVELS)
    return Tracked(ComposeTransforms([*transforms, levels]))


CASES = {
    "rotation": [spatial(angle=0.5)],
    "other way": [spatial(angle=-1.2)],
    "smaller": [spatial(scale=1.3)],
    "larger": [spatial(scale=0.8)],
    "turned and smaller": [spatial(angle=0.7, scale=1.4)],
    "left and right": [mirror(1)],
    "front and back": [mirror(0)],
    "both": [mirror(0, 1)],
    "turned, then mirrored": [spatial(angle=0.6, scale=1.2), mirror(1)],
    "mirrored, then turned": [mirror(0), spatial(angle=0.6)],
    "twice": [spatial(angle=0.3), spatial(angle=0.4, scale=1.3), mirror(0)],
}


@pytest.mark.parametrize("name", CASES)
def test_convention_landmarks_went_where_the_matrix_says(name):
    image, labels = landmarks()
    found = tracked(*CASES[name])(image=image.clone(), segmentation=labels.clone())
    maps, image_from_sample = split_target(found["segmentation"])
    assert image_from_sample.shape == (2, 3)
    matrix = image_from_sample[None]
    assert (matrix != identity(1)).any()
    for label in (1, 2):
        there = centroids(maps[0][0] == label)
        back = transform_points(matrix, there)
        here = centroids(labels[0] == label)
        # Within a quarter of a pixel, of which 36 make 1.
        assert (back - here).norm() < 0.25 / 36
        assert (there - here).norm() > 0.05  # it did move
    # All of the image, not only the centres of its blobs; interpolating twice blurs.
    expected = warp(image[None], matrix, SHAPE, fill=AIR)
    blur = 0.02 if name != "twice" else 0.2
    assert (found["image"] - expected[0]).abs().max() < blur


def test_on_slices_that_are_not_square():
    shape = (60, 84)
    image, labels = landmarks(shape)
    found = tracked(spatial(shape, angle=0.5, scale=1.2), mirror(1))(
        image=image.clone(), segmentation=labels.clone()
    )
    maps, matrix = split_target(found["segmentation"])
    for label in (1, 2):
        back = transform_points(matrix[None], centroids(maps[0][0] == label))
        assert (back - centroids(labels[0] == label)).norm() < 0.25 / 30


def test_scale_and_angle_of_the_matrix_are_those_that_were_drawn():
    image, labels = landmarks()
    found = tracked(spatial(angle=0.5, scale=1.25))(image=image, segmentation=labels)
    log_scale, angle, shift = parameters(found["segmentation"][-1][None])
    # nnU-Net: "larger numbers = smaller objects".
    assert log_scale.exp().item() == pytest.approx(1.25, rel=1e-5)
    assert abs(angle.item()) == pytest.approx(0.5, rel=1e-5)
    torch.testing.assert_close(shift, torch.zeros(1, 2), atol=1e-5, rtol=0)


def test_nothing_drawn_is_exactly_the_identity():
    image, labels = landmarks()
    found = tracked(spatial(always=False), mirror())(
        image=image.clone(), segmentation=labels.clone()
    )
    maps, image_from_sample = split_target(found["segmentation"])
    assert torch.equal(image_from_sample, identity(1)[0])
    assert torch.equal(found["image"], image)
    assert torch.equal(maps[0], labels)


def nnunets(scale=(0.7, 1.4)):
    """nnU-Net's own training transforms, changed for whole slices."""
    return adapted(
        nnUNetTrainer.get_training_transforms(
            SHAPE,
            (-math.pi, math.pi),
            LEVELS,
            (0, 1),
            False,
            is_cascaded=False,
            foreground_labels=(1, 2),
        ),
        air=AIR,
        scale=scale,
    )


def only(transforms, kind):
    (found,) = (t for t in transforms.transforms if isinstance(t, kind))
    return found


def test_nnunets_own_transforms_are_tracked():
    """All of them, as drawn, a hundred times: labels go where the matrix says."""
    np.random.seed(0)
    torch.manual_seed(0)
    image, labels = landmarks()
    transforms = nnunets()
    only(transforms, SpatialTransform).p_rotation = 0.7
    only(transforms, SpatialTransform).p_scaling = 0.7
    follow, moved, mirrored = Tracked(transforms), 0, 0
    for _ in range(100):
        found = follow(image=image.clone(), segmentation=labels.clone())
        maps, matrix = split_target(found["segmentation"])
        assert [tuple(m.shape) for m in maps] == [(1, 72, 72), (1, 36, 36)]
        for label in (1, 2):
            shown = maps[0][0] == label
            touches = shown[[0, -1]].any() or shown[:, [0, -1]].any()
            if not shown.any() or touches:
                continue  # cut by the edge, which moves the centroid
            back = transform_points(matrix[None], centroids(shown))
            assert (back - centroids(labels[0] == label)).norm() < 0.5 / 36
        moved += bool((matrix != identity(1)[0]).any())
        mirrored += bool(torch.linalg.det(matrix[:, :2]) < 0)
    assert moved > 80
    assert 20 < mirrored < 80


def test_outside_the_slice_there_is_air():
    transforms = nnunets(scale=(2.0, 2.0))
    turn = only(transforms, SpatialTransform)
    turn.p_rotation, turn.p_scaling = 0.0, 1.0
    image = torch.full((1, *SHAPE), 1.5)
    labels = torch.ones((1, *SHAPE), dtype=torch.int16)
    found = turn(image=image, segmentation=labels)
    # Half the size: 18 pixels of air on every side.
    assert (found["image"][:, :17] == AIR).all()
    assert (found["image"][:, :, -17:] == AIR).all()
    assert (found["image"][:, 19:53, 19:53] == 1.5).all()
    # nnU-Net marks what is outside with -1, and in the end calls it background.
    found = Tracked(transforms)(image=image, segmentation=labels)
    shown = found["segmentation"][0]
    assert (shown[:, :17] == 0).all()
    assert (shown[:, :, -17:] == 0).all()
    assert (shown[:, 19:53, 19:53] == 1).all()


def test_the_zoom_is_the_methods_and_blur_does_not_depend_on_timing():
    np.random.seed(1)
    wide = only(nnunets(scale=(0.7, 2.5)), SpatialTransform)
    wide.p_rotation, wide.p_scaling = 0.0, 1.0
    image, labels = landmarks()
    factors = []
    for _ in range(200):
        found = tracked(wide)(image=image.clone(), segmentation=labels.clone())
        log_scale, _, _ = parameters(found["segmentation"][-1][None])
        factors.append(log_scale.exp().item())
    assert 0.7 <= min(factors) < 0.8
    assert 2.3 < max(factors) <= 2.5
    blurs = [
        t.transform
        for t in nnunets().transforms
        if type(getattr(t, "transform", t)).__name__ == "GaussianBlurTransform"
    ]
    assert [blur.benchmark for blur in blurs] == [False]


VOLUME = (24, 30, 36)
SPATIAL_CASES = {
    "turned about all axes": [spatial(VOLUME, angle=0.4)],
    "turned and smaller": [spatial(VOLUME, angle=-0.3, scale=1.2)],
    "upside down": [mirror(0)],
    "left and right, then turned": [mirror(2), spatial(VOLUME, angle=0.3)],
}


@pytest.mark.parametrize("name", SPATIAL_CASES)
def test_convention_landmarks_of_a_volume_went_where_the_matrix_says(name):
    """Also where voxels are no cubes, which makes nnU-Net's rotation a shear."""
    image, labels = torch.zeros(1, *VOLUME), torch.zeros(1, *VOLUME, dtype=torch.int16)
    labels[0, 6:10, 14:20, 20:27] = 1
    labels[0, 11:16, 8:13, 10:17] = 2
    transforms = ComposeTransforms(
        [*SPATIAL_CASES[name], DownsampleSegForDSTransform([[1.0] * 3])]
    )
    found = Tracked(transforms)(image=image, segmentation=labels.clone())
    maps, image_from_sample = split_target(found["segmentation"])
    assert image_from_sample.shape == (3, 4)
    for label in (1, 2):
        there = centroids(maps[0][0] == label)
        here = centroids(labels[0] == label)
        back = transform_points(image_from_sample[None], there)
        # Within a third of a voxel, of which 12 make 1.
        assert (back - here).abs().max() < 0.33 / 12
        assert (there - here).norm() > 0.05
