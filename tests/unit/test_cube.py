"""The cube of millimetres around a volume."""

import numpy as np
import pytest

from deeprac.geometry.cube import Cube
from deeprac.geometry.square import Square


def test_convention_of_a_wide_volume_by_hand():
    # 4 slices of 6 mm, 10 rows and 20 columns of 2 mm: 24 x 20 x 40 mm.
    cube = Cube((4, 10, 20), (6.0, 2.0, 2.0))
    assert cube.side_mm == 40
    assert cube.shares == (0.6, 0.5, 1.0)
    # The first voxel's centre is half a voxel inside of each face: -20 + 1 of 20 mm
    # along x, -10 + 1 along y, -12 + 3 along z.
    found = cube.from_vx([[0, 0, 0], [19, 9, 3]])
    assert found.tolist() == [
        pytest.approx([-19 / 20, -9 / 20, -9 / 20]),
        pytest.approx([19 / 20, 9 / 20, 9 / 20]),
    ]
    assert cube.to_vx(found) == pytest.approx(np.array([[0, 0, 0], [19, 9, 3]]))


def test_the_longest_extent_may_be_the_patients_axis():
    cube = Cube((100, 64, 64), (5.0, 2.0, 2.0))
    assert cube.side_mm == 500
    assert cube.from_vx([32, 31, 49])[2] == pytest.approx(-0.01)


@pytest.mark.parametrize("shape", [(3, 10, 13), (3, 13, 10), (3, 11, 4)])
def test_points_of_the_padded_square_are_those_of_the_cube(shape):
    """Whole pixels are padded, one more after than before: the cube knows of both."""
    cube, square = Cube(shape, (9.0, 2.0, 2.0)), Square(*shape[1:])
    pixels = np.array([[0.0, 0.0], [3.0, 1.5]])
    cube_from_square = cube.from_square()
    found = square.from_px(pixels) @ cube_from_square[:, :2].T + cube_from_square[:, 2]
    voxels = np.column_stack([pixels, [1, 1]])
    np.testing.assert_allclose(found, cube.from_vx(voxels)[:, :2], atol=1e-12)
