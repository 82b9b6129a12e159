"""How far folds agree, counted by hand; what a front end left out of its window."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deeprac.geometry.similarity import identity, window
from deeprac.inference.agreement import FrontEndNumbers, Votes, outside_share
from deeprac.networks.front_end import Located

NUMBERS = {"kidney": 1, "tumour": 2}


def logits(labels):
    """Logits (slices, classes, height, width) whose largest is the label's."""
    one_hot = torch.nn.functional.one_hot(torch.as_tensor(labels).long(), 3)
    return one_hot.movedim(-1, 1).float()


def counted(*parts):
    """Votes of folds; each part is one label map per fold."""
    votes = Votes(len(parts[0]), NUMBERS)
    for part in parts:
        for index, labels in enumerate(part):
            votes.add(index, logits(labels))
    return votes


def test_volumes_and_dice_of_two_folds_over_two_parts():
    first = [[[1, 1, 1, 0]], [[1, 1, 0, 2]]]  # one slice of 1 x 4 pixels each
    second = [[[0, 2, 2, 2]], [[1, 2, 2, 0]]]
    votes = counted(*[[[labels] for labels in part] for part in (first, second)])
    # Kidney: 3 and 3 voxels, 2 in common; tumour: 3 and 3, 2 in common.
    assert votes.volumes_ml(0.5) == {"kidney": [1.5, 1.5], "tumour": [1.5, 1.5]}
    assert votes.dice() == {"kidney": pytest.approx(4 / 6), "tumour": 4 / 6}


def test_the_smallest_dice_of_three_folds_counts():
    maps = [[[[1, 1, 0, 0]]], [[[1, 1, 0, 0]]], [[[0, 0, 1, 0]]]]
    assert counted(maps).dice() == {"kidney": 0.0, "tumour": None}


def test_one_fold_agrees_with_nobody():
    votes = counted([[[[1, 2, 2, 0]]]])
    assert votes.volumes_ml(2.0) == {"kidney": [2.0], "tumour": [4.0]}
    assert votes.dice() == {"kidney": None, "tumour": None}


def test_folds_that_find_nothing_agree_and_one_that_does_disagrees():
    nothing, tumour = [[[0, 0]]], [[[2, 0]]]
    assert counted([nothing, nothing, tumour]).dice()["tumour"] == 0.0
    assert counted([tumour, tumour]).dice()["tumour"] == 1.0


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 3))
def test_dice_is_that_of_the_maps_however_they_are_cut(seed, folds, cut):
    maps = np.random.default_rng(seed).integers(0, 3, (folds, 4, 3, 5))
    votes = counted(maps[:, :cut], maps[:, cut:])
    for title, number in NUMBERS.items():
        masks = maps == number
        pairs = [
            2 * (masks[i] & masks[j]).sum() / (masks[i].sum() + masks[j].sum())
            for i in range(folds)
            for j in range(i)
            if masks[i].any() or masks[j].any()
        ]
        assert votes.dice()[title] == pytest.approx(min(pairs))


def located(coarse=None, crop=None, **changes):
    same, never = identity(1), torch.zeros(1, dtype=torch.bool)
    entries = {"fallback": never, "at_bound": never} | changes
    return Located(same, crop, same, coarse_logits=coarse, **entries)


def test_the_share_outside_the_window_is_of_the_coarse_foreground():
    """A window of half the width, about (0.5, 0.5): the lower right quarter."""
    crop = window(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 0.5]]))
    labels = torch.zeros(1, 8, 8)
    labels[0, 4:, 4:] = 1  # 16 pixels inside
    labels[0, 0, :4] = 2  # 4 outside
    assert outside_share(located(logits(labels), crop)) == pytest.approx(4 / 20)


def test_there_is_no_share_without_coarse_segmentation_window_or_foreground():
    crop = window(torch.tensor([[0.5, 0.5]]), torch.zeros(1, 2))
    assert outside_share(located()) is None
    assert outside_share(located(logits(torch.ones(1, 8, 8)))) is None
    assert outside_share(located(logits(torch.zeros(1, 8, 8)), crop)) is None


def test_numbers_of_a_front_end():
    found = FrontEndNumbers.of(located(fallback=torch.tensor([True, False, True])))
    assert found == FrontEndNumbers(2, 0, None)
    assert FrontEndNumbers.of(located(at_bound=None)).at_bound_slices == 0
