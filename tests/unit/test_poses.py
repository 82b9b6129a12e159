import math

import numpy as np
import pytest

from deeprac.evaluation.poses import Poses, mean_angle, spread, wrapped
from deeprac.geometry.planar import compose, invert

SHEARED = np.array([[[0.5, -0.2, 0.1], [0.3, 0.8, -0.4]]])


def poses(log_scale, angle_deg, centre):
    return Poses(
        np.array(log_scale, float),
        np.radians(np.array(angle_deg, float)),
        np.array(centre, float),
    )


def test_convention_a_positive_angle_turns_x_towards_y():
    # A quarter turn brings the point (1, 0) to (0, 1), twice as far, then shifts it.
    pose = poses([math.log(2)], [90], [[0.1, 0.3]])
    np.testing.assert_allclose(
        pose.matrices(), [[[0, -2, 0.1], [2, 0, 0.3]]], atol=1e-12
    )
    (x, y) = pose.matrices()[0] @ [1, 0, 1]
    np.testing.assert_allclose([x, y], [0.1, 2.3], atol=1e-12)


def test_poses_of_similarities_are_exact():
    expected = poses([-0.7, 0.0, 0.4], [-170, 10, 95], [[0.3, 0], [0, -0.2], [1, 2]])
    found = Poses.of(expected.matrices())
    np.testing.assert_allclose(found.log_scale, expected.log_scale, atol=1e-12)
    np.testing.assert_allclose(found.angle_rad, expected.angle_rad, atol=1e-12)
    np.testing.assert_allclose(found.centre, expected.centre)


def test_scale_of_an_affine_is_the_root_of_its_determinant():
    # det = 0.5 * 0.8 + 0.2 * 0.3 = 0.46; angle = atan2(0.3 + 0.2, 0.5 + 0.8).
    found = Poses.of(SHEARED)
    assert found.log_scale[0] == pytest.approx(math.log(0.46) / 2)
    assert found.angle_rad[0] == pytest.approx(math.atan2(0.5, 1.3))
    turned = np.array([[[0.8, -0.8, 0], [0.4, 0.4, 0]]])  # R(45 deg) after 1.13, 0.57
    assert Poses.of(turned).angle_rad[0] == pytest.approx(math.atan2(1.2, 1.2))


@pytest.mark.parametrize("linear", [[[1, 0], [0, -1]], [[1, 2], [2, 4]]])
def test_a_mirror_and_a_collapse_have_no_scale(linear):
    matrix = np.concatenate([np.array(linear, float), np.zeros((2, 1))], axis=1)
    with pytest.raises(ValueError, match="mirrors or collapses"):
        Poses.of(matrix[None])


def test_compose_applies_the_right_one_first_and_inverse_undoes_it():
    pose = poses([0.5], [30], [[0.2, -0.1]]).matrices()
    point = np.array([0.3, -0.9, 1])
    step = np.append(SHEARED[0] @ point, 1)
    np.testing.assert_allclose(compose(pose, SHEARED)[0] @ point, pose[0] @ step)
    identity = compose(invert(SHEARED), SHEARED)[0]
    np.testing.assert_allclose(identity, np.eye(2, 3), atol=1e-12)


def test_angles_wrap_around():
    found = np.degrees(wrapped(np.radians([190.0, -190, 359, 180, -180])))
    np.testing.assert_allclose(found, [-170, 170, -1, 180, 180])
    assert abs(math.degrees(mean_angle(np.radians([170.0, -160])))) == pytest.approx(
        175
    )


def test_the_median_is_taken_by_component_and_around_the_circle():
    middle = poses([0, 1, 5], [179, -179, -175], [[0, 9], [1, 8], [9, 0]]).median()
    assert middle.log_scale[0] == 1
    assert math.degrees(middle.angle_rad[0]) == pytest.approx(-179)
    assert list(middle.centre[0]) == [1, 8]


def test_spread_is_a_standard_deviation_in_the_units_of_the_errors():
    # Angles 170 and -170: 20 degrees apart, SD sqrt(2 * 10**2 / 1). Centres 0.2 and
    # 0.4 apart: each sqrt(0.1**2 + 0.2**2) from the middle; half for the width of 2.
    found = spread(poses([0, 0.1], [170, -170], [[0, 0], [0.2, 0.4]]))
    assert found.log_scale == pytest.approx(math.sqrt(2 * 0.05**2))
    assert found.angle_deg == pytest.approx(math.sqrt(2 * 10**2))
    assert found.centre == pytest.approx(math.sqrt(2 * (0.1**2 + 0.2**2)) / 2)
    alone = spread(poses([0], [170], [[0, 0]]))
    assert np.isnan([alone.log_scale, alone.angle_deg, alone.centre]).all()
