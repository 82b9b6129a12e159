"""nnU-Net's augmentation of whole batches, against its own of single slices."""

import math
import random

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import OneOfTransform, RandomTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from scipy.stats import ks_2samp

from deeprac.geometry.similarity import identity
from deeprac.training.augmentation import Tracked, split_target
from deeprac.training.batched import INTENSITY, TAPS, BatchedAugmentation
from deeprac.training.nnunet import adapted, blur_taps
from support.toy_cohort import small_networks

AIR = -1.5
SIDE = 36
LEVELS = [[1.0, 1.0], [0.5, 0.5]]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def nnunets():
    """nnU-Net's own training transforms, changed for whole slices."""
    made = nnUNetTrainer.get_training_transforms(
        (SIDE, SIDE), (-math.pi, math.pi), LEVELS, (0, 1), False
    )
    return adapted(made, air=AIR, scale=(0.7, 1.4))


def slices(count, seed=0):
    """Smooth random slices (count, 1, h, w) with values around 1, and labels 0 to 2."""
    noise = torch.randn(count, 1, SIDE, SIDE, generator=torch.manual_seed(seed))
    image = 1 + 3 * torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    labels = (image > 1.3).to(torch.int16) + (image > 2).to(torch.int16)
    return image, labels


def seeded(seed=0):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def one_by_one(transforms, image, labels):
    """What nnU-Net does to slices, and where it moves them."""
    tracked, done = Tracked(transforms), []
    for one, label in zip(image, labels, strict=True):
        found = tracked(image=one.clone(), segmentation=label.clone())
        maps, moved = split_target(found["segmentation"])
        done.append((found["image"], maps[0], maps[1], moved))
    return [torch.stack(parts) for parts in zip(*done, strict=True)]


@pytest.mark.parametrize(
    "kind",
    [kind for kind in INTENSITY if kind is not GaussianNoiseTransform],
    ids=lambda kind: kind.__name__,
)
def test_each_transform_of_intensities_is_nnunets(kind):
    """Noise is drawn while it is applied: see the distributions."""
    seeded()
    for random_ in nnunets().transforms:
        inner = getattr(random_, "transform", None)
        if type(inner) is not kind:
            continue
        inner.p_per_channel = 1
        image, _ = slices(40)
        drawn = [inner.get_parameters(image=one) for one in image]
        rows = torch.tensor([INTENSITY[kind].row(each) for each in drawn])
        found = INTENSITY[kind].apply(image, rows[:, :, None, None])
        for one, each, ours in zip(image, drawn, found, strict=True):
            nnunets_own = inner.apply({"image": one.clone()}, **each)["image"]
            torch.testing.assert_close(ours, nnunets_own, atol=2e-5, rtol=1e-5)
        assert ((found - image).abs().amax((1, 2, 3)) > 1e-3).float().mean() > 0.9


def test_a_slice_for_which_nothing_is_drawn_changes_not_one_bit():
    seeded()
    augment = BatchedAugmentation(nnunets(), 3, CPU)
    neutral = [value for kind in INTENSITY.values() for value in kind.neutral]
    gamma = INTENSITY[GammaTransform].neutral  # which nnU-Net has twice
    nothing = [*identity(1).flatten().tolist(), *neutral, *gamma, 1.0, 1.0]
    drawn = augment.draw()
    assert len(drawn) == len(nothing)
    augment.draw = iter([drawn, nothing]).__next__
    image, labels = slices(2)
    found, (full, _), moved = augment(image, labels)
    assert torch.equal(found[1], image[1])
    assert torch.equal(full[1], labels[1])
    assert torch.equal(moved[1:], identity(1))


def test_a_batch_is_what_nnunet_makes_of_its_slices():
    """By the same random numbers: images, labels of both levels, and where they went.

    Without noise, whose numbers are drawn while it is applied.
    """
    transforms = nnunets()
    for each in transforms.transforms:
        if isinstance(getattr(each, "transform", None), GaussianNoiseTransform):
            each.apply_probability = 0
    image, labels = slices(200)
    seeded(1)
    expected, full, half, moved = one_by_one(transforms, image, labels)
    seeded(1)
    augment = BatchedAugmentation(transforms, 3, CPU)
    found, levels, image_from_sample = augment(image, labels)
    torch.testing.assert_close(image_from_sample, moved, atol=1e-5, rtol=0)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert found.dtype == torch.float32
    assert levels[0].dtype == labels.dtype
    # nnU-Net rounds shares to half precision: pixels between two labels may differ.
    assert (levels[0] != full).float().mean() < 1e-3
    assert (levels[1] != half).float().mean() < 1e-3
    turned = (moved[:, :, :2].abs() - torch.eye(2)).abs().amax((1, 2)) > 1e-3
    assert 0.25 < turned.float().mean() < 0.5  # 1 - 0.8**2


def test_intensities_are_distributed_as_nnunets():
    """Noise included, two samples of 300 by every moment and percentile."""
    image, labels = (part[:1].expand(300, -1, -1, -1) for part in slices(1))
    seeded(2)
    expected = one_by_one(nnunets(), image, labels)[0].flatten(1)
    found = BatchedAugmentation(nnunets(), 3, CPU)(image, labels)[0].flatten(1)
    steps = (part[:, 1:] - part[:, :-1] for part in (expected, found))
    sharp = [part.abs().mean(1) for part in steps]
    assert ks_2samp(*sharp).pvalue > 0.01
    for measure in (torch.mean, torch.std, torch.amin, torch.amax):
        pair = (measure(part, 1).numpy() for part in (expected, found))
        assert ks_2samp(*pair).pvalue > 0.01


def test_noise_has_the_drawn_deviation():
    seeded(3)
    image = torch.zeros(2, 1, 200, 200)
    sigma = torch.tensor([0.05, 0.0]).view(2, 1, 1, 1)
    found = INTENSITY[GaussianNoiseTransform].apply(image, sigma)
    assert found[0].std().item() == pytest.approx(0.05, rel=0.02)
    assert torch.equal(found[1], image[1])


def test_the_same_seed_gives_the_same_batch():
    augment = BatchedAugmentation(nnunets(), 3, CPU)
    image, labels = slices(8)
    seeded(4)
    first = augment(image, labels)
    seeded(4)
    again = augment(image, labels)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[2], again[2])
    assert not torch.equal(first[0], augment(image, labels)[0])


def test_its_arguments_stay_as_they_are():
    image, labels = slices(8)
    before = image.clone(), labels.clone()
    seeded(5)
    BatchedAugmentation(nnunets(), 3, CPU)(image, labels)
    assert torch.equal(image, before[0])
    assert torch.equal(labels, before[1])


def test_drawing_for_few_pixels_is_drawing_for_a_slice():
    """Turning and zooming a square does not depend on its size."""
    transforms = nnunets()
    whole = transforms.transforms[0]
    whole.p_rotation = whole.p_scaling = 1.0
    augment = BatchedAugmentation(transforms, 3, CPU)
    image, labels = slices(1)
    seeded(6)
    *_, moved = one_by_one(ComposeTransforms(transforms.transforms), image, labels)
    seeded(6)
    *_, found = augment(image, labels)
    assert (found != identity(1)).any()
    torch.testing.assert_close(found, moved, atol=1e-5, rtol=0)


def test_a_transform_that_it_does_not_know_is_refused():
    with pytest.raises(NotImplementedError, match="OneOfTransform"):
        BatchedAugmentation(ComposeTransforms([OneOfTransform([])]), 3, CPU)
    elastic = SpatialTransform((8, 8), 0, False, p_elastic_deform=0.1)
    with pytest.raises(NotImplementedError, match="SpatialTransform"):
        BatchedAugmentation(ComposeTransforms([elastic]), 3, CPU)


def test_the_widest_blur_of_nnunet_fits():
    for each in nnunets().transforms:
        if isinstance(each, RandomTransform) and hasattr(each.transform, "blur_sigma"):
            taps = blur_taps(max(each.transform.blur_sigma), TAPS)
    assert len(taps) == TAPS
    assert min(taps) > 0
    with pytest.raises(ValueError, match="more than 7 taps"):
        blur_taps(2.0, TAPS)
