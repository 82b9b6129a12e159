"""The benchmark of flags changes cases as it says, and no limit for good."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from deeprac.inference.stress import LabelledCase
from deeprac.surgery.limits import LIMITS

PATH = Path(__file__).parents[2] / "benchmarks" / "flags.py"


@pytest.fixture(scope="module")
def flags():
    spec = importlib.util.spec_from_file_location("flags", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def case():
    image = np.full((20, 60, 60), 50, np.float32)
    image[:, :20] = -1000
    labels = np.zeros(image.shape, np.uint8)
    labels[4:10, 30:50, 25:40] = 1
    return LabelledCase(image, labels, (5.0, 0.8, 0.8))


@pytest.mark.parametrize("seed", range(6))
def test_a_cut_keeps_a_share_from_one_end(flags, case, seed):
    image, labels = flags.cut(case, 0.5, np.random.default_rng(seed))
    assert image.shape == labels.shape
    assert image.size == case.image.size / 2
    ends = (image[0, -1, -1] == 50, np.ptp(image) in (0, 1050))
    assert all(ends)


def test_a_wrong_calibration_leaves_air_as_it_is(flags, case):
    image, labels = flags.shifted(case, 70.0, np.random.default_rng(0))
    assert set(np.unique(image)) == {-1000, 120}
    assert labels is case.labels


def test_every_stress_keeps_labels_on_the_grid_of_the_image(flags, case):
    for stress in flags.STRESSES.values():
        rng = np.random.default_rng(1)
        image, labels = stress.changed(case, stress.amount(rng), rng)
        assert image.shape == labels.shape
        assert labels.any()


def test_every_number_makes_a_flag_and_afterwards_as_before(flags):
    usual = dict(LIMITS)
    with flags.every_number_flagged():
        found = LIMITS["fold_dice"].flags(0.97, "") + LIMITS["fold_dice"].flags(0.9, "")
        assert flags.worst(found) == {"fold_dice": 0.9}
        assert LIMITS["tumours_many"].flags(0, "")
        assert LIMITS["fold_spread"].flags(math.nan, "") == ()
    assert usual == LIMITS
    assert LIMITS["fold_dice"].flags(0.97, "") == ()
