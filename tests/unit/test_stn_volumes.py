"""Planes of volumes, where every voxel's place is known."""

import numpy as np
import pytest

from deeprac.geometry.cube import Cube
from deeprac.geometry.spatial import similarity
from deeprac.reporting.figures.stn_volumes import NATIVE, PLANES, SIDE, plane

CUBE = Cube((16, 32, 32), (4.0, 2.0, 2.0))
"""Its extents are equal."""
VOXEL = (13, 8, 20)
"""Towards the head, anterior, and on the patient's left, as (z, y, x)."""


def centre(share):
    """Weighted middle of a picture as (right, down), -1 to 1."""
    down, right = (
        share.sum(axis).dot(np.arange(SIDE)) / share.sum() for axis in (1, 0)
    )
    return (2 * right + 1) / SIDE - 1, (2 * down + 1) / SIDE - 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("axial", (9 / 32, -15 / 32)),
        ("coronal", (9 / 32, -11 / 16)),  # the head is up
        ("sagittal", (-15 / 32, -11 / 16)),
    ],
)
def test_a_voxel_lies_where_readers_expect_it(name, expected):
    volume = np.zeros(CUBE.shape)
    volume[VOXEL] = 1
    through = CUBE.from_vx(VOXEL[::-1])
    shown = plane(volume, CUBE, NATIVE, PLANES[name], through, fill=0.0)
    assert shown.max() > 0.8  # between its neighbours of SIDE pixels
    assert centre(shown) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("name", PLANES)
def test_a_canonical_frame_of_half_the_size_shows_twice_as_much_in_the_middle(name):
    volume = np.zeros(CUBE.shape)
    volume[6:10, 12:20, 12:20] = 1
    half = similarity(np.log([0.5]), np.zeros((1, 3)), np.zeros((1, 3)))[0]
    areas = [
        plane(volume, CUBE, matrix, PLANES[name], np.zeros(3), fill=0.0).sum()
        for matrix in (NATIVE, half)
    ]
    assert areas[1] == pytest.approx(4 * areas[0], rel=0.01)


def test_outside_of_the_volume_is_air():
    small = Cube((8, 32, 32), (4.0, 2.0, 2.0))
    shown = plane(
        np.zeros(small.shape), small, NATIVE, PLANES["coronal"], np.zeros(3), fill=-1.0
    )
    assert (shown[0] == -1).all()
    assert shown[SIDE // 2, SIDE // 2] == 0
