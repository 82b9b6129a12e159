"""The numpy transforms and their torch twins are the same."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deeprac.geometry import planar
from deeprac.geometry import similarity as twin

ENTRIES = st.floats(-3, 3, width=32)
MATRICES = st.lists(
    st.lists(ENTRIES, min_size=6, max_size=6), min_size=1, max_size=4
).map(lambda rows: np.array(rows).reshape(-1, 2, 3))


def invertible(matrices):
    """The matrices, with a linear part far from singular."""
    return matrices + 8 * np.eye(2, 3)


def same(found, expected, **kwargs):
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4, **kwargs)


@given(ENTRIES, ENTRIES, ENTRIES, ENTRIES)
def test_similarity(log_scale, angle_rad, x, y):
    found = planar.similarity([log_scale], [angle_rad], [[x, y]])
    expected = twin.similarity(
        torch.tensor([log_scale]), torch.tensor([angle_rad]), torch.tensor([[x, y]])
    )
    same(found, expected)
    np.testing.assert_array_equal(
        planar.similarity(log_scale, angle_rad, [x, y]), found[0]
    )


@given(MATRICES, st.randoms(use_true_random=False))
def test_compose(matrices, random):
    others = np.array(random.sample(list(matrices), len(matrices))) + 0.5
    expected = twin.compose(torch.tensor(matrices), torch.tensor(others))
    same(planar.compose(matrices, others), expected)
    np.testing.assert_array_equal(
        planar.compose(matrices[0], others[0]), planar.compose(matrices, others)[0]
    )
    assert not np.shares_memory(planar.compose(matrices, others), others)


@given(MATRICES)
def test_invert_and_parameters(matrices):
    matrices = invertible(matrices)
    same(planar.invert(matrices), twin.invert(torch.tensor(matrices)))
    for found, expected in zip(
        planar.parameters(matrices),
        twin.parameters(torch.tensor(matrices)),
        strict=True,
    ):
        same(found, expected)
    np.testing.assert_array_equal(
        planar.invert(matrices[0]), planar.invert(matrices)[0]
    )


@given(MATRICES, st.lists(st.tuples(ENTRIES, ENTRIES), min_size=1, max_size=5))
def test_transform_points(matrices, points):
    points = np.array(points)
    expected = twin.transform_points(torch.tensor(matrices), torch.tensor(points)[None])
    for matrix, mapped in zip(matrices, expected, strict=True):
        same(planar.transform_points(matrix, points), mapped)


def test_convention_rows_are_x_and_y():
    # (x, y) = (1, 2) -> (0 * 1 - 3 * 2 + 5, 4 * 1 + 0 * 2 + 7) = (-1, 11).
    matrix = np.array([[0.0, -3, 5], [4, 0, 7]])
    assert planar.transform_points(matrix, np.array([1, 2])).tolist() == [-1, 11]
    assert planar.determinant(matrix) == 12


def test_one_singular_matrix_of_several():
    matrices = np.stack([np.eye(2, 3), [[1, 2, 0], [2, 4, 0]], np.full((2, 3), np.nan)])
    assert planar.is_singular(matrices).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="singular transform"):
        planar.invert(matrices)
