"""Similarities of space in numpy, as those in torch."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from deeprac.geometry import planar, similarity, spatial
from deeprac.geometry.cube import Cube
from deeprac.geometry.square import Square

ROWS = st.tuples(*[st.floats(-1, 1)] * 7)


def make(row):
    return spatial.similarity([row[0]], [row[1:4]], [row[4:]])


@given(ROWS, ROWS)
def test_as_in_torch(one, two):
    first, second = make(one), make(two)
    tensors = [similarity.of_rows(torch.tensor([row])) for row in (one, two)]
    np.testing.assert_allclose(first, tensors[0], atol=1e-6)
    product = similarity.compose(*tensors)
    np.testing.assert_allclose(spatial.compose(first, second), product, atol=1e-5)
    inverse = similarity.invert(tensors[0])
    np.testing.assert_allclose(spatial.invert(first), inverse, atol=1e-5)
    found = np.concatenate([part.reshape(-1) for part in spatial.parameters(first)])
    np.testing.assert_allclose(found, one, atol=1e-9)


@given(ROWS, st.integers(0, 6))
def test_a_slice_shows_the_points_that_come_to_lie_in_it(row, z):
    """What the transform of a slice says is what the volume's does there."""
    cube = Cube((7, 20, 13), (6.0, 2.0, 2.0))
    matrix = make((row[0], *np.multiply(0.5, row[1:4]), *row[4:]))[0]
    in_slice = spatial.axial(matrix, cube)
    assert in_slice.shape == (7, 2, 3)
    point = np.array([0.3, -0.2])
    # The same voxel, by the slice's transform and by the volume's, taken back.
    pixel = Square(20, 13).to_px(planar.transform_points(in_slice[z], point))
    voxel = cube.from_vx([*pixel, z])
    back = spatial.transform_points(spatial.invert(matrix[None])[0], voxel)
    np.testing.assert_allclose(back[:2], point, atol=1e-9)


def test_without_tilt_every_slice_has_the_same_transform():
    cube = Cube((5, 16, 16), (4.0, 2.0, 2.0))
    matrix = spatial.lifted(planar.similarity(0.2, 0.3, [0.1, -0.1]), 0.4)
    found = spatial.axial(matrix, cube)
    # The cube is as wide as the square: the in-plane part is the transform itself.
    expected = planar.similarity(0.2, 0.3, [0.1, -0.1])
    np.testing.assert_allclose(found, np.stack([expected] * 5), atol=1e-12)
