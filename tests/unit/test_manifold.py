"""Surfaces that touch themselves, counted edge by edge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deeprac.surgery.manifold import sheets
from deeprac.surgery.surface_nets import surface_nets

SPACING_MM = (2.5, 1.1, 0.9)


def quads_of(mask):
    nets = surface_nets(np.asarray(mask, np.uint8), SPACING_MM)
    return nets.corners_mm, nets.quads


def uses(quads):
    """How many quads go along each directed edge."""
    edges = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    return np.unique(edges, axis=0, return_counts=True)


def euler(quads):
    """Points - edges + faces: 2 for each sheet without handles."""
    edges, _ = uses(quads)
    return len(np.unique(quads)) - len(edges) // 2 + len(quads)


def assert_closed(quads):
    edges, counts = uses(quads)
    assert (counts == 1).all()
    # As many go back as go along.
    there, back = ({tuple(edge) for edge in ends} for ends in (edges, edges[:, ::-1]))
    assert there == back


def test_a_box_is_left_as_it_is():
    corners, quads = quads_of(np.ones((2, 2, 2)))
    new = sheets(corners, quads)
    # Only numbers change: two quads share a point as they did.
    pairs = np.unique(np.stack([quads.ravel(), new.ravel()]), axis=1)
    assert pairs.shape[1] == len(corners)
    assert euler(new) == 2


def test_two_voxels_at_an_edge_become_two_bodies():
    mask = np.zeros((1, 2, 2))
    mask[0, 0, 0] = mask[0, 1, 1] = 1
    corners, quads = quads_of(mask)
    assert uses(quads)[1].max() == 2
    new = sheets(corners, quads)
    assert_closed(new)
    assert (len(np.unique(quads)), len(np.unique(new))) == (14, 16)
    assert euler(new) == 4


def test_two_hollows_at_an_edge_become_two_hollows():
    mask = np.ones((3, 4, 4))
    mask[1, 1, 1] = mask[1, 2, 2] = 0
    new = sheets(*quads_of(mask))
    assert_closed(new)
    # The box and two hollows; joined around the solid they would still share the edge.
    assert euler(new) == 6


def test_a_bridge_on_one_side_of_the_edge():
    mask = np.zeros((2, 2, 2))
    mask[0] = 1
    mask[1, 0, 0] = mask[1, 1, 1] = 1
    new = sheets(*quads_of(mask))
    assert_closed(new)
    assert euler(new) == 2


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_noise(share):
    mask = np.random.default_rng(0).random((12, 13, 14)) < share
    assert_closed(sheets(*quads_of(mask)))


@given(arrays(bool, (3, 3, 4), elements=st.booleans()))
def test_whatever_the_voxels(mask):
    if mask.any():
        assert_closed(sheets(*quads_of(mask)))
