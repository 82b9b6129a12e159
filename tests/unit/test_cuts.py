"""Training volumes that are cut off, before anything else is done to them."""

import pytest
import torch
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform

from deeprac.training.cuts import CutOff, with_cuts

AIR = -2.0


def sample():
    image = torch.full((1, 20, 8, 8), AIR)
    image[:, 4:16, 2:7, 1:6] = 0.5
    labels = (image > AIR).to(torch.int16)
    return {"image": image, "segmentation": labels}


def test_image_and_labels_end_at_the_same_slices():
    torch.manual_seed(0)
    data = CutOff(1.0, air=AIR)(**sample())
    image, labels = data["image"], data["segmentation"]
    assert labels.dtype == torch.int16
    assert torch.equal(image > AIR, labels > 0)
    shown = labels.flatten(2).any(2)[0]
    assert 6 <= shown.sum() < 12


@pytest.mark.parametrize(
    ("training", "dimensions"),
    [({}, 3), ({"truncation_share": 0.0}, 3), ({"truncation_share": 0.5}, 2)],
)
def test_nothing_is_cut_unless_asked_for_and_no_slice(training, dimensions):
    transforms = ComposeTransforms([])
    settings = {"training": training, "normalised_air": AIR}
    assert with_cuts(transforms, settings, dimensions) is transforms


def test_volumes_are_cut_first():
    rest = RandomTransform(CutOff(1.0, air=AIR), apply_probability=0)
    settings = {"training": {"truncation_share": 0.5}, "normalised_air": AIR}
    first, last = with_cuts(ComposeTransforms([rest]), settings, 3).transforms
    assert (first.share, first.air, last) == (0.5, AIR, rest)
