import numpy as np
import pytest

from deeprac.surgery.extents import surface_points
from deeprac.surgery.shapes import Shapes

SPACING_MM = (3.0, 0.7, 1.1)


@pytest.fixture(params=[np.uint8, np.uint32])
def numbers(request):
    array = np.zeros((6, 9, 12), request.param)
    array[1:3, 2:5, 3:7] = 1
    array[4, 6:8, 8:11] = 3
    return array


def test_parts_lie_where_they_are_in_the_array(numbers):
    shapes = Shapes(numbers, SPACING_MM)
    for number in (1, 3):
        mask = numbers == number
        assert shapes.mask(number).sum() == mask.sum()
        np.testing.assert_allclose(
            shapes.centres_mm(number), np.argwhere(mask) * SPACING_MM
        )
        np.testing.assert_allclose(
            shapes.surface_mm(number), surface_points(mask, SPACING_MM)
        )


def test_a_hull_holds_its_part(numbers):
    shapes = Shapes(numbers, SPACING_MM)
    assert (shapes.hull(1).find_simplex(shapes.centres_mm(1)) >= 0).all()
    assert (shapes.hull(1).find_simplex(shapes.centres_mm(3)) < 0).all()


def test_the_nearest_point(numbers):
    shapes = Shapes(numbers, SPACING_MM)
    distance, _ = shapes.tree(3).query([4 * 3.0, 6 * 0.7, 4 * 1.1])
    # The part begins at column 8, half a voxel before its centre.
    assert distance == pytest.approx(3.5 * 1.1)
