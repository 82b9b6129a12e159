"""Closed surfaces with the volume of their voxels, in the source's millimetres."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.surfaces import surfaces
from support.studies import (
    LEFT,
    RIGHT,
    STRUCTURES,
    an_anatomy,
    bodies,
    boxes,
    lps_grid,
    middles_mm,
)


def mesh(surface):
    return trimesh.Trimesh(surface.points_mm, surface.triangles, process=False)


def strays_by(surface):
    """By which share of the voxels' volume that of the surface differs."""
    return abs(surface.volume_ml / surface.voxel_ml - 1)


def assert_solid(surface):
    made = mesh(surface)
    assert made.is_watertight
    assert made.is_winding_consistent
    assert made.volume > 0
    # As a file knows it: single precision, points by their place.
    single = surface.points_mm.astype(np.float32)
    assert trimesh.Trimesh(single, surface.triangles).is_watertight


@pytest.mark.parametrize("tilt_deg", [0, 8])
def test_solids_with_the_volume_of_their_voxels(tilt_deg):
    anatomy = an_anatomy(lps_grid(tilt_deg))
    for surface in surfaces(anatomy):
        assert_solid(surface)
        assert surface.voxel_ml == anatomy.volume_ml(surface.structure)
        assert surface.volume_ml == pytest.approx(mesh(surface).volume / 1000)
        assert strays_by(surface) < 1e-3


@pytest.mark.parametrize("spacing_mm", [(0.7, 0.7, 1.0), (0.8, 0.8, 5.0)])
@pytest.mark.parametrize("radius_mm", [3, 6, 11, 20])
def test_spheres_hold_their_volume(spacing_mm, radius_mm):
    size = tuple(round(46 / step) for step in spacing_mm)
    grid = lps_grid(5, size, spacing_mm)
    numbers = bodies(grid, [(1, (23.2, 22.7, 22.9), (radius_mm,) * 3)])
    (surface,) = surfaces(Anatomy(numbers, grid, (LEFT,)))
    assert_solid(surface)
    # The issue asks for 1 % from 5 ml on and 5 % below.
    assert strays_by(surface) < 1e-3


@pytest.mark.parametrize("tilt_deg", [0, 8])
def test_convention_points_are_millimetres_of_the_source(tilt_deg):
    anatomy = boxes(tilt_deg)
    found = [mesh(surface).center_mass for surface in surfaces(anatomy)]
    np.testing.assert_allclose(found, middles_mm(anatomy), atol=0.01)


@pytest.mark.parametrize("tilt_deg", [0, 8])
def test_boxes_lie_within_a_voxel_of_their_masks(tilt_deg):
    anatomy = an_anatomy(lps_grid(tilt_deg))
    for surface in surfaces(anatomy):
        voxels = np.argwhere(anatomy.mask(surface.structure))[:, ::-1]
        points = anatomy.grid.index_from_mm(surface.points_mm)
        for edge, voxel in (
            (points.min(axis=0), voxels.min(axis=0) - 0.5),
            (points.max(axis=0), voxels.max(axis=0) + 0.5),
        ):
            assert np.abs(edge - voxel).max() < 1


def test_neighbours_share_their_boundary():
    _, kidney, tumour = surfaces(an_anatomy())
    shared = {tuple(p) for p in kidney.points_mm} & {tuple(p) for p in tumour.points_mm}
    assert len(shared) > 300


def test_no_gap_and_no_overlap():
    # The union has the volume of both, as one body that hides their boundary.
    anatomy = an_anatomy()
    _, kidney, tumour = surfaces(anatomy)
    one = Anatomy(np.where(anatomy.numbers == 3, 2, anatomy.numbers), anatomy.grid,
                  (LEFT, RIGHT))  # fmt: skip
    _, both = surfaces(one)
    total = kidney.volume_ml + tumour.volume_ml
    assert total == pytest.approx(both.volume_ml, rel=1e-4)
    # The tumour's surface turned inside out is the kidney's, where they meet.
    key = {tuple(p): i for i, p in enumerate(tumour.points_mm)}
    index = np.array([key.get(tuple(p), -1) for p in kidney.points_mm])
    common = index[kidney.triangles]
    common = common[(common >= 0).all(axis=1)]
    turned = {tuple(np.roll(t, -t.argmin())) for t in tumour.triangles[:, ::-1]}
    met = [tuple(np.roll(t, -t.argmin())) in turned for t in common]
    assert np.mean(met) > 0.95


def test_one_voxel_is_a_box():
    numbers = np.zeros((4, 5, 6), np.uint8)
    numbers[2, 1, 3] = 1
    grid = lps_grid(size=(6, 5, 4))
    (surface,) = surfaces(Anatomy(numbers, grid, (LEFT,)))
    assert_solid(surface)
    assert strays_by(surface) < 1e-5
    assert np.ptp(surface.points_mm, axis=0) == pytest.approx((0.9, 1.1, 2.5))


def test_a_structure_at_the_border_is_closed_there():
    grid = lps_grid(size=(6, 5, 4))
    (surface,) = surfaces(Anatomy(np.ones((4, 5, 6), np.uint8), grid, (LEFT,)))
    assert_solid(surface)
    assert strays_by(surface) < 1e-3


def test_nothing_has_no_surface():
    grid = lps_grid(size=(6, 5, 4))
    assert surfaces(Anatomy(np.zeros((4, 5, 6), np.uint8), grid, ())) == ()


def test_many_structures_of_one_voxel():
    numbers = np.zeros((9, 9, 9), np.uint8)
    numbers[::2, ::2, ::2].flat[:] = np.arange(1, 126)
    found = tuple(Structure(n, Kind.TUMOUR, BodySide.UNKNOWN, n) for n in range(1, 126))
    made = surfaces(Anatomy(numbers, lps_grid(size=(9, 9, 9)), found))
    assert [surface.structure.number for surface in made] == list(range(1, 126))
    assert max(strays_by(surface) for surface in made) < 1e-5


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.6))
def test_whatever_the_voxels_they_are_solids(seed, share):
    rng = np.random.default_rng(seed)
    drawn = rng.integers(1, 4, (6, 7, 8)) * (rng.random((6, 7, 8)) < share)
    numbers = drawn.astype(np.uint8)
    there = tuple(one for one in STRUCTURES if (numbers == one.number).any())
    for surface in surfaces(Anatomy(numbers, lps_grid(size=(8, 7, 6)), there)):
        assert_solid(surface)
        assert strays_by(surface) < 0.05
