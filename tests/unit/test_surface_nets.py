"""The joint surface of a label map, against voxels and a sphere."""

import numpy as np
import pytest

from deeprac.surgery.surface_nets import surface_nets, triangles_of
from support.studies import an_anatomy, bodies, lps_grid

SPACING_MM = (2.5, 1.1, 0.9)


def areas_mm2(nets, one, other):
    """Area between two numbers."""
    both = (nets.sides == one).any(axis=1) & (nets.sides == other).any(axis=1)
    a, b, c = (nets.points_mm[t] for t in triangles_of(nets.quads[both]).T)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def test_one_voxel_by_hand():
    numbers = np.zeros((4, 5, 6), np.uint8)
    numbers[1, 3, 2] = 7
    nets = surface_nets(numbers, SPACING_MM)
    # Corners half a voxel around (2, 3, 1) in (x, y, z).
    middle = np.array([2 * 0.9, 3 * 1.1, 1 * 2.5])
    half = np.array([0.9, 1.1, 2.5]) / 2
    assert nets.corners_mm.min(axis=0) == pytest.approx(middle - half)
    assert nets.corners_mm.max(axis=0) == pytest.approx(middle + half)
    assert (len(nets.corners_mm), len(nets.quads)) == (8, 6)
    assert nets.sides.tolist() == [[7, 0]] * 6


def test_quads_are_turned_outwards_as_seen_from_the_first_side():
    numbers = np.zeros((4, 5, 6), np.uint8)
    numbers[1:3, 1:3, 1:3] = 1
    numbers[1:3, 1:3, 3:5] = 2
    nets = surface_nets(numbers, SPACING_MM)
    for number, voxels in ((1, 8), (2, 8)):
        a, b, c = (nets.corners_mm[t] for t in triangles_of(nets.quads).T)
        cones = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
        first, second = np.repeat(nets.sides == number, 2, axis=0).T
        mm3 = cones[first].sum() - cones[second].sum()
        assert mm3 == pytest.approx(voxels * np.prod(SPACING_MM), rel=1e-5)


def test_neighbours_share_what_is_between_them():
    nets = surface_nets(an_anatomy().numbers, an_anatomy().spacing_mm)
    sides = {tuple(sorted(pair)) for pair in nets.sides.tolist()}
    assert sides == {(0, 1), (0, 2), (0, 3), (2, 3)}
    between = (nets.sides != 0).all(axis=1)
    # Each place once: no second quad with the same corners.
    assert len(np.unique(np.sort(nets.quads, axis=1), axis=0)) == len(nets.quads)
    assert between.sum() > 100


def test_what_touches_the_border_is_closed_there():
    nets = surface_nets(np.ones((2, 3, 4), np.uint8), SPACING_MM)
    assert np.ptp(nets.corners_mm, axis=0) == pytest.approx((4 * 0.9, 3 * 1.1, 5.0))
    # 2 (12 + 8 + 6) faces of voxels.
    assert len(nets.quads) == 52


def test_points_stay_within_half_a_voxel_of_their_corners():
    numbers = (np.random.default_rng(0).random((9, 10, 11)) < 0.4).astype(np.uint8)
    nets = surface_nets(numbers, SPACING_MM)
    moved = np.abs(nets.points_mm - nets.corners_mm).max(axis=0)
    assert (moved <= np.array(SPACING_MM[::-1]) / 2 + 1e-4).all()


@pytest.mark.parametrize("z_mm", [1.0, 2.5, 5.0])
def test_the_area_of_a_sphere(z_mm):
    grid = lps_grid(size=(60, 60, round(48 / z_mm)), spacing_mm=(0.8, 0.8, z_mm))
    numbers = bodies(grid, [(1, (24.1, 23.8, 24.3), (18, 18, 18))])
    nets = surface_nets(numbers, (z_mm, 0.8, 0.8))
    # Faces of voxels would have 3/2 of it.
    assert areas_mm2(nets, 0, 1) == pytest.approx(4 * np.pi * 18**2, rel=0.05)


def test_the_same_map_gives_the_same_bytes():
    anatomy = an_anatomy()
    one, other = (surface_nets(anatomy.numbers, anatomy.spacing_mm) for _ in "ab")
    assert one.points_mm.tobytes() == other.points_mm.tobytes()
    assert one.quads.tobytes() == other.quads.tobytes()
