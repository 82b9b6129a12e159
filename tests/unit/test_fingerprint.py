import json

import numpy as np
import pytest

from deeprac.preprocessing import fingerprint as module
from deeprac.preprocessing.fingerprint import fingerprint


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
    return image, labels


def properties(cases):
    content = fingerprint(iter(cases), len(cases))
    return json.loads(json.dumps(content))[
        "foreground_intensity_properties_per_channel"
    ]["0"]


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
    empty = np.zeros((2, 3, 5), np.int16), np.zeros((2, 3, 5), np.uint8)
    assert properties([case(100, 20), empty])["mean"] == pytest.approx(80, rel=0.01)


def test_repeated_measurements_are_equal():
    cases = [case(100, 20), case(200, 40)]
    assert properties(cases) == properties(cases)
