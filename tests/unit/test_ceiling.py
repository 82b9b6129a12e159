"""The Dice of a perfect U-Net behind the sampling of a run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from deeprac.config import load_config
from deeprac.inference.ceiling import ceiling
from deeprac.inference.load import load_predictor
from deeprac.inference.sliding import SlidingPredictor
from deeprac.layout import Layout
from deeprac.networks.front_end import Located
from support.toy_cohort import arrays, copy_toy, small_networks

CPU = torch.device("cpu")
SPACING_MM = (4.0, 0.9, 0.9)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def model(trained_toy, tmp_path_factory):
    path = copy_toy(trained_toy, tmp_path_factory.mktemp("toy"))
    layout = Layout.of(load_config([path]))
    return lambda name: load_predictor(layout.model(name, 0), 0, CPU)


def blocks(side, pixel):
    """Kidney and tumour whose edges lie on those of pixels of the matrix."""
    numbers = np.zeros((2, side, side), np.uint8)
    numbers[:, 2 * pixel : 6 * pixel, 2 * pixel : 5 * pixel] = 1
    numbers[0, 3 * pixel : 5 * pixel, 5 * pixel : 7 * pixel] = 2
    return numbers


def test_what_the_matrix_shows_exactly_loses_nothing(model):
    predictor = model("coarse_nnunet")
    side = predictor.settings["matrix_size"]
    found = ceiling(predictor, blocks(side, 1), SPACING_MM, Located.unmoved(2))
    assert found == {"kidney": 1, "tumour": 1}


def test_half_a_pixel_has_to_be_one_label(model):
    """A kidney that fills 6 of the 8 halves of four pixels in a row is seen as three.

    Of the pixel that it fills by half the background, the first class, is the answer.
    """
    predictor = model("coarse_nnunet")
    side = predictor.settings["matrix_size"]
    numbers = np.zeros((1, side, side), np.uint8)
    numbers[:, :, :4] = 1
    assert ceiling(predictor, numbers, SPACING_MM, Located.unmoved(1))["kidney"] == 1
    fine = numbers.repeat(2, 1).repeat(2, 2)
    fine[:, :, 6:] = 0
    found = ceiling(predictor, fine, SPACING_MM, Located.unmoved(1))
    assert 0.8 < found["kidney"] <= 1
    assert np.isnan(found["tumour"])


@pytest.mark.parametrize(
    ("name", "least"), [("fine_stn", 0.9), ("fine_stn_crop_half", 0.1)]
)
def test_a_front_end_samples_the_labels_as_the_image(model, name, least):
    """The crop's window is a guess of few steps, and cuts."""
    predictor = model(name)
    image, numbers = arrays(1)
    located = predictor.predict(image, SPACING_MM).located
    found = ceiling(predictor, numbers, SPACING_MM, located)
    assert least < found["kidney"] <= 1
    # Looking at a hundredth of the slice beside the body it sees nothing of it.
    aside = torch.tensor([[0.01, 0, 0.98], [0, 0.01, 0.98]]).expand(len(numbers), 2, 3)
    away = replace(
        located,
        image_from_canonical=aside,
        canonical_from_crop=None,
        coarse_logits=None,
    )
    assert ceiling(predictor, numbers, SPACING_MM, away)["kidney"] == 0


def test_planned_patches_are_not_followed():
    predictor = SlidingPredictor.__new__(SlidingPredictor)
    found = ceiling(
        predictor, np.ones((1, 4, 4), np.uint8), SPACING_MM, Located.unmoved(1)
    )
    assert np.isnan([*found.values()]).all()
