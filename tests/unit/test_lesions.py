import numpy as np
import pytest

from deeprac.evaluation.metrics.lesions import OVERLAP, SMALLEST_ML, Lesions, lesions
from deeprac.reporting.tables.statistics import LESIONS_NOTE
from support.shapes import box

SHAPE = (6, 20, 24)
VOXEL_ML = 0.01
"""So that 7 voxels count as a lesion and 6 do not."""


def count(prediction, reference):
    return lesions(prediction, reference, voxel_ml=VOXEL_ML)


def test_hand_counted():
    reference = box(SHAPE, (0, 0, 0), (3, 3, 3)) | box(SHAPE, (0, 10, 0), (3, 3, 3))
    prediction = (
        # 8 of the union of 27 + 27 - 8 = 46 voxels of it and the first
        box(SHAPE, (1, 1, 1), (3, 3, 3))
        | box(SHAPE, (0, 0, 10), (2, 2, 2))  # touches nothing
        | box(SHAPE, (0, 10, 20), (2, 2, 2))  # nor does this
    )
    assert count(prediction, reference) == Lesions(
        reference=2, predicted=3, detected=1, false=2
    )


def test_a_touch_is_no_detection():
    """One shared voxel of 53, as a prediction of Dice near 0 may have by chance."""
    reference = box(SHAPE, (0, 0, 0), (3, 3, 3))
    prediction = box(SHAPE, (2, 2, 2), (3, 3, 3))
    assert count(prediction, reference) == Lesions(1, 1, 0, 1)


@pytest.mark.parametrize(("long", "detected"), [(10, 1), (11, 0)])
def test_the_overlap_that_is_asked(long, detected):
    """A lesion of 8 voxels in a bar of 8 x long: 1 / long of the union is shared."""
    reference = box(SHAPE, (0, 0, 0), (2, 4, 1))
    prediction = box(SHAPE, (0, 0, 0), (2, 4, long))
    assert OVERLAP == 0.1
    assert count(prediction, reference) == Lesions(1, 1, detected, 1 - detected)


def test_all_that_is_marked_detects_nothing_small():
    reference = box(SHAPE, (0, 0, 0), (3, 3, 3))
    assert count(np.ones(SHAPE, bool), reference) == Lesions(1, 1, 0, 1)


def test_pieces_detect_together():
    """Each piece is 8 of 108 voxels, below a tenth; three are 24, above it."""
    reference = box(SHAPE, (0, 0, 0), (3, 6, 6))
    first, second, third = (
        box(SHAPE, corner, (2, 2, 2)) for corner in ((0, 0, 0), (0, 0, 4), (0, 4, 0))
    )
    assert count(first, reference) == Lesions(1, 1, 0, 0)
    assert count(first | second | third, reference) == Lesions(1, 3, 1, 0)


def test_one_component_may_detect_two_lesions():
    reference = box(SHAPE, (0, 0, 0), (3, 3, 3)) | box(SHAPE, (0, 0, 6), (3, 3, 3))
    prediction = box(SHAPE, (0, 0, 0), (3, 3, 9))
    assert count(prediction, reference) == Lesions(2, 1, 2, 0)


def test_voxels_that_share_a_corner_are_one_lesion():
    reference = box(SHAPE, (0, 0, 0), (2, 2, 2)) | box(SHAPE, (2, 2, 2), (2, 2, 2))
    assert count(reference, reference) == Lesions(1, 1, 1, 0)


def test_small_components_do_not_count():
    small = box(SHAPE, (0, 0, 0), (1, 2, 3))
    large = box(SHAPE, (0, 10, 10), (1, 1, 7))
    assert small.sum() * VOXEL_ML < SMALLEST_ML <= large.sum() * VOXEL_ML
    both = small | large
    assert count(both, both) == Lesions(1, 1, 1, 0)
    # Nor do they detect, however much of the lesion they are.
    assert count(box(SHAPE, (0, 10, 10), (1, 1, 6)), large) == Lesions(1, 0, 0, 0)


def test_a_prediction_on_a_lesion_too_small_to_count_is_not_false():
    small = box(SHAPE, (0, 0, 0), (1, 2, 3))
    assert count(box(SHAPE, (0, 0, 0), (1, 2, 4)), small) == Lesions(0, 1, 0, 0)


def test_without_lesions():
    empty, one = np.zeros(SHAPE, bool), box(SHAPE, (0, 0, 0), (3, 3, 3))
    assert count(empty, empty) == Lesions(0, 0, 0, 0)
    assert count(one, empty) == Lesions(0, 1, 0, 1)
    assert count(empty, one) == Lesions(1, 0, 0, 0)


def test_the_statistics_state_the_rule():
    assert f"at least {SMALLEST_ML:g} ml" in LESIONS_NOTE
    assert OVERLAP == 0.1
    assert "a tenth of their union" in LESIONS_NOTE
