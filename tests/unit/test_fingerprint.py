import json

import numpy as np
import pytest
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero

from deeprac.preprocessing import fingerprint as module
from deeprac.preprocessing.fingerprint import fingerprint

SPACING_MM = (4.0, 0.9, 0.8)


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr(module, "SAMPLES", 200_000)


def case(kidney, tumour):
    """Six kidney and two tumour voxels of constant grey values."""
    labels = np.zeros((2, 3, 5), np.uint8)
    labels[0, :2, 1:4] = 1
    labels[1, 0, :2] = 2
    image = np.full(labels.shape, -1000, np.int16)
    image[labels == 1] = kidney
    image[labels == 2] = tumour
    return image, labels, SPACING_MM


def measured(cases):
    return json.loads(json.dumps(fingerprint(iter(cases), len(cases))))


def properties(cases):
    return measured(cases)["foreground_intensity_properties_per_channel"]["0"]


def test_only_the_foreground_counts_and_each_case_as_much():
    found = properties([case(100, 20), case(200, 40)])
    # A quarter of the voxels is tumour: (0.75 * 100 + 0.25 * 20) = 80 and 160.
    assert found["mean"] == pytest.approx(120, rel=0.01)
    # Variance: 0.375 * (20^2 + 80^2) + 0.125 * (100^2 + 80^2) = 4600.
    assert found["std"] == pytest.approx(4600**0.5, rel=0.01)
    assert (found["min"], found["max"]) == (20, 200)
    assert (found["percentile_00_5"], found["percentile_99_5"]) == (20, 200)
    assert found["median"] == 100


def test_a_case_without_foreground_adds_nothing():
    zeros = np.zeros((2, 3, 5))
    empty = zeros.astype(np.int16), zeros.astype(np.uint8), SPACING_MM
    assert properties([case(100, 20), empty])["mean"] == pytest.approx(80, rel=0.01)


def test_repeated_measurements_are_equal():
    cases = [case(100, 20), case(200, 40)]
    assert measured(cases) == measured(cases)


def test_spacings_and_shapes_are_those_of_the_cases_in_their_order():
    image, labels, _ = case(100, 20)
    wide = np.tile(image, (1, 1, 2)), np.tile(labels, (1, 1, 2)), (2.5, 0.5, 0.5)
    found = measured([(image, labels, SPACING_MM), wide])
    assert found["spacings"] == [[4.0, 0.9, 0.8], [2.5, 0.5, 0.5]]
    assert found["shapes_after_crop"] == [[2, 3, 5], [2, 3, 10]]
    assert found["median_relative_size_after_cropping"] == 1


def bordered():
    """A ring with a hole, 0 around it: 7 of 12 slices, 6 of 9 rows, 5 of 8 columns."""
    image = np.zeros((12, 9, 8), np.int16)
    image[2:9, 1:7, 3:8] = 50
    image[4:6, 3:5, 5:6] = 0
    return image


@pytest.mark.parametrize("image", [bordered(), np.zeros((2, 3, 5), np.int16)])
def test_shapes_after_crop_are_nnunets(image):
    cropped, _, _ = crop_to_nonzero(image[None].astype(np.float32))
    labels = (image > 0).astype(np.uint8)
    found = measured([case(100, 20), (image, labels, SPACING_MM)])
    assert found["shapes_after_crop"][1] == list(cropped.shape[1:])


def test_the_share_that_is_left_is_the_median_over_cases():
    labels = np.zeros((12, 9, 8), np.uint8)
    labels[3, 2, 4] = 1
    found = measured([(bordered(), labels, SPACING_MM)] * 2 + [case(100, 20)])
    expected = 7 * 6 * 5 / (12 * 9 * 8)
    assert found["median_relative_size_after_cropping"] == pytest.approx(expected)
