"""Random fields in training: images, labels and what is known of them move together."""

import math
import random

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.similarity import identity, transform_points
from deeprac.geometry.velocity import exponential, pixel_points
from deeprac.training.augmentation import Tracked, split_target
from deeprac.training.batched import BatchedAugmentation
from deeprac.training.fields import FieldTransform, RandomFields, deformed, with_fields
from deeprac.training.nnunet import adapted
from support.toy_cohort import small_networks

AIR = -1.5
SIDE = 48
LEVELS = [[1.0, 1.0], [0.5, 0.5]]
CPU = torch.device("cpu")
PIXELS = pixel_centres((SIDE, SIDE))[0]
CENTRES = torch.tensor([[0.3, -0.1], [-0.25, 0.3]])
ALL = RandomFields(share=1.0, displacement=0.05, smoothness=0.2)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def seeded(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def transforms(fields=ALL, *, spatial_share=0.5):
    """nnU-Net's, whose intensities stay as they are, with fields."""
    made = nnUNetTrainer.get_training_transforms(
        (SIDE, SIDE), (-math.pi, math.pi), LEVELS, (0, 1), False
    )
    for each in made.transforms:
        if hasattr(each, "apply_probability"):
            each.apply_probability = 0
        if isinstance(each, SpatialTransform):
            each.p_rotation = each.p_scaling = spatial_share
    return with_fields(adapted(made, air=AIR, scale=(0.7, 1.4)), fields)


def blobs(count):
    """Two discs off the centre as labels, and an image (count, 1, h, w) of them."""
    labels = torch.zeros(SIDE * SIDE, dtype=torch.int16)
    for label, centre, radius in ((1, CENTRES[0], 0.3), (2, CENTRES[1], 0.2)):
        labels[(PIXELS - centre).norm(dim=-1) < radius] = label
    labels = labels.view(1, 1, SIDE, SIDE).repeat(count, 1, 1, 1)
    return AIR + labels.float(), labels


def test_image_and_labels_of_a_batch_go_where_the_field_says():
    image, labels = blobs(12)
    seeded(0)
    found, (full, half), moved = BatchedAugmentation(transforms(), 3, CPU)(
        image, labels
    )
    assert half.shape == (12, 1, SIDE // 2, SIDE // 2)
    assert full.dtype == labels.dtype
    away = []
    for each, maps, matrix in zip(found, full, moved, strict=True):
        assert (maps != labels[0]).float().mean() > 0.02
        # The edge of a disc is half way between its value and that of air.
        assert (each > AIR + 0.5 * maps - 1e-5)[maps > 0].all()
        seen = [PIXELS[(maps == label).flatten()].mean(0) for label in (1, 2)]
        # Where the centres went is what the matrix says, but for the field's own shape.
        back = transform_points(matrix[None], torch.stack(seen)[None])[0]
        away.append((back - CENTRES).norm(dim=1))
    assert torch.cat(away).median() < 0.1


def test_slices_one_by_one_move_as_batches_do():
    """The same velocity and turn, by nnU-Net's sampling and by ours."""
    image, labels = blobs(1)
    pipeline = transforms(spatial_share=1.0)
    seeded(3)
    data = Tracked(pipeline)(image=image[0].clone(), segmentation=labels[0].clone())
    maps, moved = split_target(data["segmentation"])
    (spatial,) = (t for t in pipeline.transforms if isinstance(t, FieldTransform))
    seeded(3)
    drawn = spatial.get_parameters(image=image[0])
    batched = BatchedAugmentation(pipeline, 3, CPU)
    points = drawn["grid"].movedim(-1, 0)[None]
    own, own_labels = image.clone(), labels.clone()
    batched._sample(own, own_labels, torch.tensor([0]), points)
    mirrored = moved[:, :2] / drawn["before_from_after"][0, :, :2]
    axes = [
        axis for axis, sign in ((2, mirrored[0, 0]), (1, mirrored[0, 1])) if sign < 0
    ]
    torch.testing.assert_close(data["image"], own[0].flip(axes), atol=1e-4, rtol=0)
    assert (maps[0] != own_labels[0].flip(axes)).float().mean() < 2e-3
    assert (moved != identity(1)[0]).any()


def test_turning_follows_deforming():
    """An axis first: the flow, then a quarter turn and a zoom, as one map."""
    seeded(1)
    velocity = ALL.draw(2)
    affine = torch.tensor([[[0.0, -1.2, 0.1], [1.2, 0.0, -0.05]]]).expand(2, 2, 3)
    points, moved = deformed(affine, velocity, (20, 20))
    x, y = exponential(velocity, (20, 20)).unbind(1)
    expected = torch.stack([-1.2 * y + 0.1, 1.2 * x - 0.05], 1)
    torch.testing.assert_close(points, expected)
    # Its similarity is the turn to within the field's own.
    assert (moved - affine).abs().max() < 0.35
    still, same = deformed(affine, torch.zeros_like(velocity), (20, 20))
    torch.testing.assert_close(same, affine)
    x, y = pixel_points((20, 20))
    torch.testing.assert_close(still[0], torch.stack([-1.2 * y + 0.1, 1.2 * x - 0.05]))


def test_as_many_slices_as_stated_are_deformed():
    seeded(2)
    fields = RandomFields(share=0.3, displacement=0.05, smoothness=0.2)
    velocity = fields.draw(2000)
    share = velocity.flatten(1).any(1).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.03)
    image, labels = blobs(40)
    augment = BatchedAugmentation(transforms(fields, spatial_share=0.0), 3, CPU)
    _, _, moved = augment(image, labels)
    shape = moved[:, :, :2].abs() - torch.eye(2)  # whatever was mirrored
    stayed = (shape == 0).all((1, 2)) & (moved[:, :, 2] == 0).all(1)
    assert 0.5 < stayed.float().mean() < 0.9


def test_the_same_seed_gives_the_same_batch():
    image, labels = blobs(4)
    augment = BatchedAugmentation(transforms(), 3, CPU)
    seeded(4)
    first = augment(image, labels)
    seeded(4)
    again = augment(image, labels)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[2], again[2])
