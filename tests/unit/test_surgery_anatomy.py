import numpy as np
import pytest

from deeprac.cohort.grid import Grid
from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure, bounding_box

KIDNEY = Structure(3, Kind.KIDNEY, BodySide.RIGHT)


def made():
    numbers = np.zeros((5, 8, 9), np.uint8)
    numbers[1:3, 2:7, 4:6] = 3
    axes = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    return Anatomy(
        numbers, Grid.along(axes, (9, 8, 5), (0.7, 0.9, 3), (10, -20, 30)), (KIDNEY,)
    )


def test_cropped_lies_at_the_same_place():
    part = made().cropped()
    assert part.numbers.shape == (2, 5, 2)
    assert part.grid.size == (2, 5, 2)
    # First voxel: index (4, 2, 1) is 2.8, 1.8, 3 mm along the axes.
    x, y = 0.8 * 2.8 - 0.6 * 1.8, 0.6 * 2.8 + 0.8 * 1.8
    assert part.grid.origin_mm == pytest.approx((10 + x, -20 + y, 33))
    assert part.volume_ml(KIDNEY) == pytest.approx(made().volume_ml(KIDNEY))
    assert made().volume_ml(KIDNEY) == pytest.approx(20 * 0.7 * 0.9 * 3 / 1000)


def test_the_box_of_nothing_is_everything():
    assert bounding_box(np.zeros((2, 3))) == (slice(0, 2), slice(0, 3))
    assert bounding_box(np.eye(3)[:, 1:]) == (slice(1, 3), slice(0, 2))
