import math

import numpy as np
import pytest

from deeprac.evaluation.coverage import coverage, volume_coverage
from deeprac.geometry.cube import Cube
from deeprac.geometry.planar import invert, transform_points
from deeprac.geometry.square import Square
from deeprac.labels import Label

IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def test_convention_square_pads_centred_and_counts_pixel_centres():
    # 3 rows, 6 columns: n = 6, no padding in x, (6 - 3) // 2 = 1 row above, 2 below.
    points = Square(3, 6).from_px(np.array([[0, 0], [5, 2]]))
    np.testing.assert_allclose(
        points, [[1 / 6 - 1, 3 / 6 - 1], [11 / 6 - 1, 7 / 6 - 1]]
    )
    back = Square(3, 6).to_px(points)
    np.testing.assert_allclose(back, [[0, 0], [5, 2]], atol=1e-12)


def test_invert_undoes_an_asymmetric_matrix():
    matrix = np.array([[0.5, -0.2, 0.1], [0.3, 0.8, -0.4]])
    points = np.array([[0.3, -0.9], [-0.2, 0.5]])
    back = transform_points(invert(matrix), transform_points(matrix, points))
    np.testing.assert_allclose(back, points)
    with pytest.raises(ValueError, match="singular transform"):
        invert(np.array([[1.0, 2, 0], [2, 4, 0]]))


def test_identity_covers_everything_and_empty_reference_is_nan():
    reference = np.zeros((1, 3, 6), np.uint8)
    reference[0] = Label.KIDNEY
    assert coverage(reference == Label.KIDNEY, {0: IDENTITY}) == 1
    assert math.isnan(coverage(reference == Label.TUMOUR, {0: IDENTITY}))


def test_half_width_crop_off_centre_on_a_wide_slice():
    # n = 8. The crop has half width 0.5 around (0.25, 0): x in -0.25..0.75, y in
    # -0.5..0.5. Pixel centres in x: (2 i + 1) / 8 - 1 = -0.875, -0.625, -0.375, -0.125,
    # 0.125, 0.375, 0.625, 0.875: columns 3 to 6 are inside, 4 of 8. Rows: 4 rows, 2
    # above: padded rows 2 to 5, at -0.375, -0.125, 0.125, 0.375: all inside.
    reference = np.full((1, 4, 8), Label.KIDNEY, np.uint8)
    crop = np.array([[0.5, 0, 0.25], [0, 0.5, 0]])
    assert coverage(reference == Label.KIDNEY, {0: crop}) == pytest.approx(4 / 8)


def test_convention_x_is_columns_and_shift_moves_the_window():
    # Same crop, shifted in y by +0.75 of a tall slice: rows near the end are seen.
    reference = np.zeros((1, 8, 4), np.uint8)
    reference[0, 7, 1] = Label.TUMOUR  # y = 0.875, x = (2 * 3 + 1) / 8 - 1 = -0.125
    down = np.array([[0.5, 0, 0.0], [0, 0.5, 0.75]])
    right = np.array([[0.5, 0, 0.75], [0, 0.5, 0.0]])
    assert coverage(reference == Label.TUMOUR, {0: down}) == 1
    assert coverage(reference == Label.TUMOUR, {0: right}) == 0


def test_rotated_window_loses_the_corners_only():
    # A square rotated by 45 degrees with half width 1: |x| + |y| <= sqrt(2). In an
    # 8 x 8 slice only the corner pixel (0.875, 0.875) has |x| + |y| = 1.75 > 1.414; its
    # neighbours (0.875, 0.625) have 1.5 > 1.414 too; (0.625, 0.625) has 1.25. So 3
    # pixels are lost at each of the 4 corners.
    c = math.sqrt(0.5)
    rotation = np.array([[c, -c, 0], [c, c, 0]])
    reference = np.full((1, 8, 8), Label.KIDNEY, np.uint8)
    assert coverage(reference == Label.KIDNEY, {0: rotation}) == pytest.approx(52 / 64)


def test_each_slice_has_its_own_transform():
    reference = np.zeros((2, 4, 4), np.uint8)
    reference[0, 0, 0] = reference[1, 0, 0] = Label.KIDNEY
    away = np.array([[0.25, 0, 0.7], [0, 0.25, 0.7]])
    assert coverage(reference == Label.KIDNEY, {0: IDENTITY, 1: away}) == 0.5
    with pytest.raises(KeyError):
        coverage(reference == Label.KIDNEY, {0: IDENTITY})


def test_of_a_volume_the_third_axis_counts_as_well():
    mask = np.zeros((10, 8, 8), bool)
    mask[1:9, 3, 4] = True
    cube = Cube(mask.shape, (2.0, 2.0, 2.0))
    # Half of the cube, in the middle: slices at -0.9, -0.7, ... 0.9, of which the six
    # from -0.5 to 0.5 lie within half of it, all labelled.
    half = np.diag([0.5, 0.5, 0.5, 1.0])[:3]
    assert volume_coverage(mask, half, cube) == pytest.approx(6 / 8)
    assert volume_coverage(mask, np.eye(3, 4), cube) == 1
    assert np.isnan(volume_coverage(np.zeros_like(mask), half, cube))
