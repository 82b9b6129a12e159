import numpy as np
import pytest

from deeprac.cohort.phantom.fields import (
    Blob,
    Points,
    draw_waves,
    occupancy,
    rotation_matrix,
    smooth_min,
)


def points(*rows) -> Points:
    return Points(*np.array(rows, np.float32).T)


def test_level_is_the_distance_along_the_axes():
    blob = Blob(np.array([10.0, -5, 2]), np.array([4.0, 2, 8]), np.eye(3))
    level = blob.level(points((14, -5, 2), (15, -5, 2), (10, -2, 2), (10, -5, 9)))
    np.testing.assert_allclose(level, [0, 1, 1, -1], atol=1e-4)


def test_convention_rotation_has_the_axes_as_columns():
    # A quarter turn about z takes the long axis from x to +y.
    turn = rotation_matrix(about_x=0, about_y=0, about_z=np.pi / 2)
    np.testing.assert_allclose(turn @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    blob = Blob(np.zeros(3), np.array([9.0, 2, 2]), turn)
    assert blob.level(points((0, 8, 0)))[0] < 0 < blob.level(points((8, 0, 0)))[0]
    np.testing.assert_allclose(blob.reach_mm, [2, 9, 2], atol=1e-9)


def test_occupancy_is_a_ramp_one_edge_wide():
    share = occupancy(np.array([-3.0, -0.5, 0, 0.5, 3]), 2.0)
    np.testing.assert_allclose(share, [1, 0.75, 0.5, 0.25, 0])


def test_smooth_min_is_the_minimum_away_from_the_seam():
    assert smooth_min(np.array(1.0), np.array(5.0), 2.0) == 1.0
    assert smooth_min(np.array(1.0), np.array(1.0), 2.0) == pytest.approx(0.5)


def test_waves_have_mean_zero_and_unit_spread():
    waves = draw_waves(np.random.default_rng(3), wavelength_mm=10, count=8)
    grid = Points(*np.random.default_rng(4).uniform(-500, 500, (3, 20000)))
    assert waves(grid).mean() == pytest.approx(0, abs=0.05)
    assert waves(grid).std() == pytest.approx(1, abs=0.05)
