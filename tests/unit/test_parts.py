import numpy as np
import pytest

from deeprac.surgery.parts import Parts, touching

SPACING_MM = (3.0, 1.1, 0.9)


def test_parts_by_size_and_over_corners():
    mask = np.zeros((4, 6, 7), bool)
    mask[0, 0, 0] = True
    mask[2, 2:4, 2:5] = True
    mask[3, 4, 5] = True  # shares a corner with the one before
    parts = Parts.of(mask)
    assert [parts.voxels[part] for part in parts.by_size] == [7, 1]
    assert Parts.of(np.zeros((2, 3, 4), bool)).by_size == []


@pytest.mark.parametrize(
    ("axis", "face_mm2"),
    # Of the other two axes: 1.1 * 0.9, 3 * 0.9, 3 * 1.1.
    [(0, 0.99), (1, 2.7), (2, 3.3)],
)
def test_faces_have_their_area_along_every_axis(axis, face_mm2):
    one, other = np.zeros((2, 6, 6, 6), bool)
    one[1:3, 1:3, 1:3] = True
    place = [slice(1, 3)] * 3
    place[axis] = slice(3, 5)
    other[tuple(place)] = True
    ((first, second, area),) = touching(Parts.of(one), Parts.of(other), SPACING_MM)
    assert (first, second) == (1, 1)
    assert area == pytest.approx(4 * face_mm2)


def test_parts_of_one_mask_do_not_touch_each_other():
    one, other = np.zeros((2, 3, 3, 9), bool)
    one[1, 1, [1, 5]] = True
    other[1, 1, 2] = True
    other[1, 1, 8] = True
    assert [t[:2] for t in touching(Parts.of(one), Parts.of(other), SPACING_MM)] == [
        (1, 1)
    ]
