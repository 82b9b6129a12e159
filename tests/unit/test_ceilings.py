"""A perfect network loses what its pixels and windows cannot show, and nothing else."""

import numpy as np
import pandas as pd
import pytest
import torch

from deeprac.labels import FOREGROUND
from deeprac.mask_geometry.ceilings import (
    BELOW,
    MATRICES,
    SEEN,
    SLICES,
    answered,
    ceilings,
    common_shares,
    dice_after,
    some_slices,
    through_windows,
)
from deeprac.preprocessing.matrix import label_shares, labels_to_matrix, resize
from deeprac.windows import PAIR, RECTANGLE, SQUARE

SIDE = 64


def blocks(height=48, width=SIDE):
    """Two slices: kidney and tumour off centre, side by side; 8 rows of padding."""
    numbers = np.zeros((2, height, width), np.uint8)
    numbers[:, 18:28, 22:30] = 1
    numbers[:, 20:30, 30:42] = 2
    return numbers


def dice(kept, true):
    return 2 * kept / (kept + true)


def test_slices_are_spread_evenly_over_those_with_a_label():
    numbers = np.zeros((50, 4, 6), np.uint8)
    numbers[10:41, 1, 2] = np.arange(10, 41)[:, None].ravel()
    found = some_slices(numbers)[:, 1, 2]
    assert len(found) == SLICES
    assert (found[0], found[-1]) == (10, 40)
    assert set(np.diff(found.astype(int))) <= {3, 4}
    assert len(some_slices(numbers[:12])) == 2


def test_the_answer_is_what_a_network_is_taught():
    numbers = blocks()
    taught = labels_to_matrix(numbers, 20)
    answer = answered(resize(label_shares(numbers, FOREGROUND), 20))
    for channel, label in enumerate((1, 2)):
        np.testing.assert_array_equal(answer[:, channel].numpy(), taught == label)


def test_a_matrix_of_the_slices_size_loses_nothing():
    numbers = blocks()
    found = dice_after(answered(label_shares(numbers, FOREGROUND)), numbers)
    assert found == {"kidney": 1, "tumour": 1}


def test_what_is_smaller_than_a_pixel_is_lost():
    numbers = blocks()
    numbers[:, 0, 0] = 1  # one of 16 pixels that a matrix of 16 sees as one
    found = dice_after(answered(resize(label_shares(numbers, FOREGROUND), 16)), numbers)
    assert found["kidney"] < 1
    alone = np.where(numbers == 2, 0, numbers)
    alone[:, 10:40] = 0
    assert (
        dice_after(answered(resize(label_shares(alone, FOREGROUND), 16)), alone)[
            "kidney"
        ]
        == 0
    )


@pytest.mark.parametrize(
    ("kind", "window"),
    [
        # As many pixels as the window has below it: labels return to where they were.
        (SQUARE, [-0.5, -0.5, 0.5, 0.5]),
        (SQUARE, [-0.4375, -0.5625, 0.5625, 0.4375]),
        (RECTANGLE, [-0.6875, -0.34375, 0.6875, 0.34375]),
        (RECTANGLE, [-0.65625, -0.3125, 0.71875, 0.375]),
    ],
)
def test_whole_pixels_return_to_their_place(kind, window):
    numbers = blocks()
    back = through_windows(label_shares(numbers, FOREGROUND), np.array([window]), kind)
    assert dice_after(back, numbers) == {"kidney": 1, "tumour": 1}


def test_what_lies_outside_of_a_window_is_background():
    numbers = blocks()
    # Columns 0 to 32; but two at the rim, whose logits are not used.
    back = through_windows(
        label_shares(numbers, FOREGROUND), np.array([[-1, -0.5, 0, 0.5]]), SQUARE
    )
    found = dice_after(back, numbers)
    assert found["kidney"] == 1
    assert found["tumour"] == 0
    assert not back[..., 30:].any()
    back = through_windows(
        label_shares(numbers, FOREGROUND),
        np.array([[-0.875, -0.5, 0.125, 0.5]]),
        SQUARE,
    )
    assert dice_after(back, numbers)["tumour"] == pytest.approx(dice(4 * 10, 12 * 10))


def test_two_windows_answer_for_both():
    numbers = blocks()
    windows = np.array([[-0.6, -0.6, 0.0, 0.2], [-0.1, -0.4, 0.5, 0.2]])
    shares = label_shares(numbers, FOREGROUND)
    both = through_windows(shares, windows, PAIR)
    alone = [through_windows(shares, one[None], PAIR) for one in windows]
    assert torch.equal(both, torch.maximum(*alone))
    assert not torch.equal(both, alone[0])
    same = through_windows(shares, windows[[0, 0]], PAIR)
    assert torch.equal(same, alone[0])


def test_slices_are_seen_alike_together_and_alone():
    shares = label_shares(blocks(), FOREGROUND)
    shares[1] = shares[1].flip(-1)
    window = np.array([[-0.6, -0.5, 0.5, 0.6]])
    together = through_windows(shares, window, SQUARE)
    for index in range(2):
        alone = through_windows(shares[index : index + 1], window, SQUARE)
        torch.testing.assert_close(together[index : index + 1], alone)


def test_rows_of_a_case():
    numbers = np.zeros((3, 30, 40), np.uint8)
    numbers[:, 8:20, 6:14] = 1
    numbers[:, 10:22, 26:34] = 1
    numbers[:, 12:16, 10:14] = 2
    edges = ("x_low", "y_low", "x_high", "y_high")
    boxes = {
        "labels": [6, 13, 34, 27], "left": [26, 15, 34, 27], "right": [6, 13, 14, 25]
    }  # fmt: skip
    case = {
        f"{which}_{edge}": 2 * pixel / 40 - 1
        for which, box in boxes.items()
        for edge, pixel in zip(edges, box, strict=True)
    }
    table = pd.DataFrame([case | {"components": 2}])
    rows = list(ceilings(numbers, table, common_shares(table)))
    assert len(rows) == len(MATRICES) + len(SEEN) * len(BELOW)
    assert {row["through"] for row in rows[: len(MATRICES)]} == {"whole slice"}
    assert all(0.8 < row["kidney_dice"] <= 1 for row in rows)
