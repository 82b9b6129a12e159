import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from deeprac.evaluation.dice import dice, volume_ml
from deeprac.labels import FOREGROUND, Label

PAIRS = array_shapes(min_dims=3, max_dims=3, max_side=4).flatmap(
    lambda shape: st.tuples(
        arrays(np.uint8, shape, elements=st.integers(0, 2)),
        arrays(np.uint8, shape, elements=st.integers(0, 2)),
    )
)


def test_hand_counted_overlap():
    reference = np.zeros((2, 3, 5), np.uint8)
    prediction = np.zeros_like(reference)
    reference[0, 0, :4] = Label.KIDNEY  # 4 voxels
    prediction[0, 0, 2:5] = Label.KIDNEY  # 3 voxels, 2 of them shared
    reference[1, 2, :] = Label.TUMOUR
    prediction[1, 2, :] = Label.KIDNEY  # wrong label: kidney 8, tumour none
    assert dice(prediction, reference, Label.KIDNEY) == pytest.approx(2 * 2 / (8 + 4))
    assert dice(prediction, reference, Label.TUMOUR) == 0


def test_convention_both_empty_is_nan_and_one_empty_is_zero():
    empty = np.zeros((1, 2, 3), np.uint8)
    kidney = np.full((1, 2, 3), Label.KIDNEY, np.uint8)
    assert math.isnan(dice(empty, empty, Label.KIDNEY))
    assert dice(kidney, empty, Label.KIDNEY) == 0
    assert dice(empty, kidney, Label.KIDNEY) == 0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"shapes differ: \(1, 2\) and \(2, 1\)"):
        dice(np.zeros((1, 2)), np.zeros((2, 1)), Label.KIDNEY)


@given(PAIRS, st.sampled_from(FOREGROUND), st.permutations((0, 1, 2)))
def test_properties(pair, label, axes):
    prediction, reference = pair
    value = dice(prediction, reference, label)
    same = [
        dice(reference, prediction, label),
        dice(prediction.transpose(axes), reference.transpose(axes), label),
        dice(prediction[:, ::-1], reference[:, ::-1], label),
    ]
    np.testing.assert_array_equal(same, value)
    assert math.isnan(value) or 0 <= value <= 1
    perfect = dice(reference, reference, label)
    assert math.isnan(perfect) or perfect == 1


def test_volume_is_voxels_times_spacing():
    label_map = np.zeros((3, 4, 5), np.uint8)
    label_map[1, :, 2] = Label.TUMOUR  # 4 voxels of 0.5 x 2 x 5 = 5 mm^3
    assert volume_ml(
        label_map, Label.TUMOUR, spacing_mm=(0.5, 2.0, 5.0)
    ) == pytest.approx(0.02)
    assert volume_ml(label_map, Label.KIDNEY, spacing_mm=(0.5, 2.0, 5.0)) == 0
