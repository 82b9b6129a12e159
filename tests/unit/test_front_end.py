from dataclasses import replace

import torch

from deeprac.geometry.similarity import compose, similarity, window
from deeprac.networks.front_end import Located, Supervision


def made(coarse):
    numbers = torch.arange(5.0)
    pose = similarity(numbers / 10, numbers / 5, torch.stack([numbers, -numbers], 1))
    crop = window((0.3 + numbers / 10)[:, None].expand(-1, 2), torch.zeros(5, 2))
    flags = (numbers > number for number in (2, 3, 1, 0))
    fallback, at_bound, grown, lost = flags
    known = Located(pose, crop, 2 * pose, fallback, at_bound, coarse)
    return replace(known, crop_grown=grown, crop_fallback=lost)


def test_part_of_what_was_located_is_that_part_of_everything():
    located = made(torch.rand(5, 3, 4, 4))
    part = located[1:4]
    assert len(vars(part)) == 8
    for name, entry in vars(located).items():
        assert torch.equal(getattr(part, name), entry[1:4]), name
    assert torch.equal(part.image_from_input, located.image_from_input[1:4])


def test_without_coarse_segmentation_its_part_is_none_either():
    assert made(None)[:2].coarse_logits is None


def test_convention_image_from_input_is_pose_then_crop():
    located = made(None)
    expected = compose(located.image_from_canonical, located.canonical_from_crop)
    assert torch.equal(located.image_from_input, expected)


def test_part_of_a_supervision():
    whole = Supervision(torch.rand(5, 2, 3), torch.rand(5, 16, 2))
    part = whole[2:4]
    assert torch.equal(part.image_from_canonical, whole.image_from_canonical[2:4])
    assert torch.equal(part.outline, whole.outline[2:4])
