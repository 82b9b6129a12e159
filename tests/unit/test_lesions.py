import numpy as np

from deeprac.evaluation.metrics.lesions import SMALLEST_ML, Lesions, lesions
from support.shapes import box

SHAPE = (6, 20, 24)
VOXEL_ML = 0.01
"""So that 7 voxels count as a lesion and 6 do not."""


def count(prediction, reference):
    return lesions(prediction, reference, voxel_ml=VOXEL_ML)


def test_hand_counted():
    reference = box(SHAPE, (0, 0, 0), (3, 3, 3)) | box(SHAPE, (0, 10, 0), (3, 3, 3))
    prediction = (
        box(SHAPE, (2, 2, 2), (3, 3, 3))  # shares one voxel with the first
        | box(SHAPE, (0, 0, 10), (2, 2, 2))  # touches nothing
        | box(SHAPE, (0, 10, 20), (2, 2, 2))  # nor does this
    )
    assert count(prediction, reference) == Lesions(
        reference=2, predicted=3, detected=1, false=2
    )


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
    # A small component still detects what it touches.
    assert count(large & box(SHAPE, (0, 0, 0), (1, 20, 11)), large) == Lesions(
        1, 0, 1, 0
    )


def test_without_lesions():
    empty, one = np.zeros(SHAPE, bool), box(SHAPE, (0, 0, 0), (3, 3, 3))
    assert count(empty, empty) == Lesions(0, 0, 0, 0)
    assert count(one, empty) == Lesions(0, 1, 0, 1)
    assert count(empty, one) == Lesions(1, 0, 0, 0)
