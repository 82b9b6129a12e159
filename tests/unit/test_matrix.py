import numpy as np
import pytest
import torch

from deeprac.geometry.square import Square
from deeprac.preprocessing.matrix import (
    image_to_matrix,
    labels_to_matrix,
    logits_to_native,
    resize,
)

AIR = -1000.0


@pytest.mark.parametrize(
    ("shape", "before"), [((3, 8), (2, 0)), ((8, 3), (0, 2)), ((4, 8), (2, 0))]
)
def test_convention_padding_is_centred_and_the_odd_pixel_comes_after(shape, before):
    square = Square(*shape)
    assert square.size == 8
    assert square.before == before
    slices = np.arange(2 * np.prod(shape), dtype=np.float32).reshape(2, *shape)
    padded = square.pad(slices, AIR)
    assert padded.shape == (2, 8, 8)
    top, left = before
    inner = padded[:, top : top + shape[0], left : left + shape[1]]
    assert np.array_equal(inner, slices)
    assert (padded == AIR).sum() == 2 * (64 - np.prod(shape))
    assert np.array_equal(square.crop(torch.from_numpy(padded)).numpy(), slices)


def test_a_slice_of_the_matrix_size_is_untouched_bit_for_bit():
    image = np.random.default_rng(0).normal(0, 300, (2, 9, 9)).astype(np.float32)
    labels = np.random.default_rng(0).integers(0, 3, (2, 9, 9), np.uint8)
    assert np.array_equal(image_to_matrix(image, 9, AIR), image)
    assert np.array_equal(labels_to_matrix(labels, 9), labels)


@pytest.mark.parametrize("size", [5, 8, 16])
def test_a_constant_image_stays_constant(size):
    image = np.full((2, 12, 12), 37, np.int16)
    np.testing.assert_allclose(image_to_matrix(image, size, AIR), 37, rtol=1e-6)


def test_the_argument_is_not_changed():
    image = np.arange(2 * 5 * 7, dtype=np.int16).reshape(2, 5, 7)
    labels = (image % 3).astype(np.uint8)
    before = image.copy(), labels.copy()
    image_to_matrix(image, 4, AIR)
    labels_to_matrix(labels, 4)
    assert np.array_equal(image, before[0])
    assert np.array_equal(labels, before[1])


def test_shrinking_filters_out_what_the_matrix_cannot_show():
    stripes = np.zeros((1, 64, 64), np.float32)
    stripes[..., ::2] = 100
    shrunk = image_to_matrix(stripes, 24, AIR)
    assert abs(shrunk[:, 2:-2, 2:-2] - 50).max() < 8


def test_convention_an_off_centre_landmark_keeps_its_place():
    """Halved: rows 20..23 and columns 52..55 of 64 become 10..11 and 26..27 of 32."""
    image = np.zeros((1, 64, 64), np.float32)
    image[0, 20:24, 52:56] = 1
    shrunk = image_to_matrix(image, 32, 0.0)[0]
    y, x = np.mgrid[:32, :32]
    assert (shrunk * y).sum() / shrunk.sum() == pytest.approx(10.5, abs=1e-4)
    assert (shrunk * x).sum() / shrunk.sum() == pytest.approx(26.5, abs=1e-4)


def test_labels_survive_a_round_trip():
    y, x = np.mgrid[:40, :56]
    labels = np.zeros((2, 40, 56), np.uint8)
    labels[:, ((x - 38) / 9) ** 2 + ((y - 15) / 7) ** 2 < 1] = 1
    labels[1, (x - 40) ** 2 + (y - 14) ** 2 < 16] = 2
    on_matrix = labels_to_matrix(labels, 112)
    assert on_matrix.shape == (2, 112, 112)
    assert on_matrix.dtype == np.int8
    one_hot = torch.from_numpy(np.stack([on_matrix == n for n in range(3)], 1)).float()
    back = logits_to_native(one_hot, 40, 56).argmax(1).numpy()
    assert back.shape == labels.shape
    for value in (1, 2):
        overlap = 2 * ((back == value) & (labels == value)).sum()
        assert overlap / ((back == value).sum() + (labels == value).sum()) > 0.97


def test_labels_take_the_largest_share():
    labels = np.array([[[1, 1, 0, 2], [1, 0, 2, 2], [0, 0, 0, 0], [0, 0, 0, 1]]])
    # Halving with a triangle filter weighs the own 2 x 2 block most.
    assert labels_to_matrix(labels.astype(np.uint8), 2)[0].tolist() == [[1, 2], [0, 0]]


def test_label_numbers_need_not_be_consecutive():
    labels = np.zeros((1, 6, 6), np.uint8)
    labels[0, 1:5, 1:5] = 2
    assert set(np.unique(labels_to_matrix(labels, 3))) == {0, 2}


@pytest.mark.parametrize(("height", "width"), [(20, 32), (32, 20), (11, 32)])
def test_convention_logits_return_to_the_native_place(height, width):
    """A landmark brought to the matrix and back is where it was."""
    image = np.zeros((1, height, width), np.float32)
    image[0, 3:7, 9:13] = 1  # centre of mass: row 4.5, column 10.5
    on_matrix = torch.from_numpy(image_to_matrix(image, 64, 0.0))[None]
    back = logits_to_native(on_matrix, height, width)[0, 0].numpy()
    assert back.shape == (height, width)
    y, x = np.mgrid[:height, :width]
    assert (back * y).sum() / back.sum() == pytest.approx(4.5, abs=0.02)
    assert (back * x).sum() / back.sum() == pytest.approx(10.5, abs=0.02)


def test_logits_of_half_precision_return_as_float32():
    logits = torch.rand(1, 3, 8, 8).half()
    assert logits_to_native(logits, 8, 6).dtype == torch.float32


def test_resize_returns_its_argument_where_nothing_is_to_do():
    slices = torch.rand(1, 1, 8, 8)
    assert resize(slices, 8) is slices
