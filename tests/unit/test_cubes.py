"""Volumes on a matrix, and logits back on the native grid."""

import numpy as np
import pytest
import torch

from deeprac.geometry.cube import Cube
from deeprac.preprocessing.cubes import (
    axis_weights,
    image_to_cube,
    labels_to_cube,
    logits_to_volume,
)
from support.toy_cohort import small_networks

AIR = -2.0


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def test_an_axis_of_the_same_grid_is_left_alone():
    found = axis_weights((6, 1.0), (6, 1.0), repeat=False)
    torch.testing.assert_close(found, torch.eye(6), atol=1e-6, rtol=0)


def test_shrinking_an_axis_by_two_takes_the_triangle_of_its_neighbours():
    found = axis_weights((8, 1.0), (4, 1.0), repeat=False)
    # A triangle of two voxels a side, centred between two: 1/8, 3/8, 3/8, 1/8.
    expected = torch.tensor([0.0, 1, 3, 3, 1, 0, 0, 0]) / 8
    torch.testing.assert_close(found[1], expected, atol=1e-6, rtol=0)
    # An eighth of the first voxel lies beyond the end.
    assert found[0].sum().item() == pytest.approx(7 / 8)
    held = axis_weights((8, 1.0), (4, 1.0), repeat=True)
    torch.testing.assert_close(held.sum(1), torch.ones(4))


def test_a_ramp_keeps_its_values_where_it_is():
    """Whatever the grids, a linear function of position stays that function."""
    cube = Cube((7, 24, 16), (10.0, 2.0, 2.0))
    z, y, x = np.mgrid[:7, :24, :16]
    points = cube.from_vx(np.stack([x, y, z], -1))
    image = (points @ [0.5, -1.0, 2.0]).astype(np.float32)
    found = image_to_cube(image, cube, (21, 12, 20), AIR)
    lines = [(2 * np.arange(n) + 1) / n - 1 for n in (20, 12, 21)]
    gx, gy, gz = np.meshgrid(*lines, indexing="ij")
    expected = (0.5 * gx - gy + 2 * gz).transpose(2, 1, 0)
    # Away from the volume's ends, beyond which there is air.
    shares = np.array(cube.shares)
    inner = (np.abs(gz.T) < shares[0] - 0.2) & (np.abs(gy.T) < shares[1] - 0.2)
    inner &= np.abs(gx.T) < shares[2] - 0.2
    assert inner.any()
    # A triangle over few voxels is a little off: by a fortieth of a voxel.
    np.testing.assert_allclose(found[inner], expected[inner], atol=5e-3)
    # 70 mm of z in a cube of 70: all of y but 48 mm is air.
    assert (found[:, 0] == AIR).all()


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((3, 20, 30), (10.0, 1.0, 1.0)), ((40, 16, 12), (2.0, 3.0, 3.0))],
)
def test_labels_return_to_where_they_were(shape, spacing):
    """Of few slices, of anisotropic voxels, and of a long field of view."""
    cube = Cube(shape, spacing)
    labels = np.zeros(shape, np.uint8)
    middle = tuple(slice(n // 3, 2 * n // 3) for n in shape)
    labels[middle] = 1
    labels[middle[0], middle[1], : shape[2] // 4] = 2
    on_matrix = labels_to_cube(labels, cube, (32, 48, 48), (1, 2))
    assert on_matrix.dtype == np.int8
    logits = torch.from_numpy(np.stack([on_matrix == n for n in range(3)])).float()
    back = logits_to_volume(logits, cube)
    assert back.shape == (shape[0], 3, *shape[1:])
    same = (back.argmax(1).numpy() == labels).mean()
    assert same > 0.93


def test_an_empty_map_is_background_and_an_image_of_air_is_air():
    cube = Cube((4, 6, 6), (5.0, 1.0, 1.0))
    empty = np.zeros(cube.shape, np.uint8)
    assert not labels_to_cube(empty, cube, (8, 8, 8), (1, 2)).any()
    air = np.full(cube.shape, AIR)
    assert (image_to_cube(air, cube, (8, 8, 8), AIR) == AIR).all()
