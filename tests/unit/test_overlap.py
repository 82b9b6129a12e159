import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from deeprac.evaluation.metrics.overlap import overlap

PAIRS = array_shapes(min_dims=3, max_dims=3, max_side=4).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)
SCORES = ("dice", "precision", "recall")


def test_hand_counted():
    reference = np.zeros((2, 3, 5), bool)
    prediction = np.zeros_like(reference)
    reference[0, 0, :4] = True  # 4 voxels
    prediction[0, 0, 2:5] = True  # 3 voxels, 2 of them shared
    counts = overlap(prediction, reference)
    assert counts.dice == pytest.approx(2 * 2 / (4 + 3))
    assert counts.precision == pytest.approx(2 / 3)
    assert counts.recall == pytest.approx(2 / 4)


@pytest.mark.parametrize("score", SCORES)
def test_convention_both_empty_is_nan_and_one_empty_is_zero(score):
    empty, full = np.zeros((1, 2, 3), bool), np.ones((1, 2, 3), bool)
    assert math.isnan(getattr(overlap(empty, empty), score))
    assert getattr(overlap(full, empty), score) == 0
    assert getattr(overlap(empty, full), score) == 0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"shapes differ: \(1, 2\) and \(2, 1\)"):
        overlap(np.zeros((1, 2), bool), np.zeros((2, 1), bool))


@given(PAIRS, st.permutations((0, 1, 2)))
def test_properties(pair, axes):
    prediction, reference = pair
    counts = overlap(prediction, reference)
    for same in (
        overlap(prediction.transpose(axes), reference.transpose(axes)),
        overlap(prediction[:, ::-1], reference[:, ::-1]),
    ):
        assert same == counts
    swapped = overlap(reference, prediction)
    np.testing.assert_array_equal(
        (swapped.dice, swapped.precision), (counts.dice, counts.recall)
    )
    for score in SCORES:
        value = getattr(counts, score)
        assert math.isnan(value) or 0 <= value <= 1
    if counts.predicted and counts.expected:
        # Dice is the harmonic mean of precision and recall: it lies between them.
        low, high = sorted((counts.precision, counts.recall))
        assert low - 1e-12 <= counts.dice <= high + 1e-12
