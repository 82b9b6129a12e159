import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import KDTree

from deeprac.surgery.extents import extents, gap_mm, surface_points
from support.bodies import ball

SPACING_MM = (3.0, 0.7, 1.1)


def box(shape, corner, size):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(c, c + n) for c, n in zip(corner, size, strict=True))] = True
    return mask


def test_one_voxel_has_six_points_halfway_to_its_neighbours():
    points = surface_points(box((3, 4, 5), (1, 2, 3), (1, 1, 1)), SPACING_MM)
    middle = np.array([3.0, 1.4, 3.3])
    expected = [
        middle + sign * 0.5 * mm * axis
        for sign in (-1, 1)
        for mm, axis in zip(SPACING_MM, np.eye(3), strict=True)
    ]
    np.testing.assert_allclose(
        sorted(points.tolist()), sorted(np.array(expected).tolist())
    )


@pytest.mark.parametrize("axis", range(3))
def test_a_row_of_voxels_is_as_long_as_its_voxels(axis):
    size = [1, 1, 1]
    size[axis] = 9
    found = extents(box((11, 12, 13), (1, 2, 3), size), SPACING_MM)
    # Beside the row's own length lies its diagonal, little longer.
    assert found.diameter_mm == pytest.approx(9 * SPACING_MM[axis], abs=0.1)
    assert found.craniocaudal_mm == pytest.approx(size[0] * 3.0)
    if axis:
        assert found.axial_mm == pytest.approx(9 * SPACING_MM[axis])
        assert found.perpendicular_mm == pytest.approx(SPACING_MM[3 - axis])


def test_the_axial_diameter_is_of_the_slice_where_it_is_largest():
    mask = box((9, 40, 40), (2, 10, 5), (1, 30, 3)) | box(
        (9, 40, 40), (3, 12, 5), (5, 8, 10)
    )
    found = extents(mask, (3.0, 1.0, 1.0))
    # 30 x 3 pixels, the corners cut by half a voxel: 29 along y and 3 along x at most.
    assert found.axial_mm == pytest.approx(np.hypot(29, 2) + 0.85, abs=0.5)
    assert found.perpendicular_mm < 6
    assert found.craniocaudal_mm == 6 * 3.0


@given(
    st.tuples(*[st.floats(4, 14)] * 3),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.floats(1, 5),
)
def test_ellipsoids_within_one_voxel_diagonal(radii_mm, offset, slice_mm):
    spacing = (slice_mm, 0.7, 1.1)
    diagonal = np.linalg.norm(spacing)
    shape = [int(40 / mm) for mm in spacing]
    centre = [17 + part * mm for part, mm in zip(offset, spacing, strict=True)]
    found = extents(ball(shape, spacing, centre, radii_mm), spacing)
    z, y, x = (2 * radius for radius in radii_mm)
    assert found.diameter_mm == pytest.approx(max(z, y, x), abs=diagonal)
    in_plane = np.linalg.norm(spacing[1:])
    # The largest slice may miss the middle by half a slice.
    cut = 1 - np.sqrt(max(0, 1 - (slice_mm / z) ** 2))
    axial = max(y, x)
    assert found.axial_mm == pytest.approx(axial, abs=in_plane + axial * cut)
    assert found.craniocaudal_mm == pytest.approx(z, abs=diagonal)


def test_the_perpendicular_of_an_ellipse():
    mask = ball((5, 90, 70), SPACING_MM, (6, 30, 35), (4, 12, 25))
    found = extents(mask, SPACING_MM)
    assert found.axial_mm == pytest.approx(50, abs=1.3)
    assert found.perpendicular_mm == pytest.approx(24, abs=1.3)


def test_the_ellipsoid_of_a_ball_has_its_volume():
    mask = ball((60, 110, 70), (1.0, 0.7, 1.1), (31, 37, 40), 25)
    found = extents(mask, (1.0, 0.7, 1.1))
    # 4/3 pi 2.5^3 ml; each axis may be off by a voxel of 50.
    assert found.ellipsoid_ml == pytest.approx(65.4, rel=0.05)


def test_gaps():
    shape = (9, 20, 30)
    one = surface_points(box(shape, (2, 2, 2), (3, 5, 7)), SPACING_MM)
    tree = KDTree(one)
    touching = surface_points(box(shape, (2, 2, 9), (3, 5, 7)), SPACING_MM)
    apart = surface_points(box(shape, (2, 2, 13), (3, 5, 7)), SPACING_MM)
    above = surface_points(box(shape, (7, 2, 2), (2, 5, 7)), SPACING_MM)
    assert gap_mm(touching, tree) == 0
    assert gap_mm(apart, tree) == gap_mm(one, KDTree(apart)) == pytest.approx(4 * 1.1)
    assert gap_mm(above, tree) == pytest.approx(2 * 3.0)


@pytest.mark.parametrize("seed", range(5))
def test_the_gap_is_that_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    one = rng.uniform(0, 30, (170, 3))
    other = rng.uniform([0, 20, 40], [30, 50, 70], (90, 3))
    pairs = np.linalg.norm(one[:, np.newaxis] - other, axis=2)
    assert gap_mm(one, KDTree(other)) == pytest.approx(pairs.min())
    assert gap_mm(one[:1], KDTree(one[:1])) == 0
