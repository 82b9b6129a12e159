from types import SimpleNamespace

import numpy as np
import SimpleITK as sitk

from deeprac.files import write_json
from deeprac.labels import CohortLabels, Label
from deeprac.reporting.slices import read_slice, warp
from deeprac.volumes import write_volume

AIR = -1000.0
SLICE = np.arange(12.0).reshape(3, 4)
"""3 rows and 4 columns: the square has 4 rows, 0 of padding above and 1 below."""


def test_identity_pads_to_the_square():
    square = warp(SLICE, np.eye(2, 3), side=4, fill=AIR)
    np.testing.assert_allclose(square[:3], SLICE, atol=1e-9)
    np.testing.assert_allclose(square[3], AIR)


def test_convention_shift_in_x_equals_slicing_columns():
    # One pixel of 4 is 2 / 4 in normalised units: the output shows x + 1.
    shift = np.array([[1.0, 0, 2 / 4], [0, 1, 0]])
    moved = warp(SLICE, shift, side=4, fill=AIR)
    np.testing.assert_allclose(moved[:3, :3], SLICE[:, 1:], atol=1e-9)
    np.testing.assert_allclose(moved[:, 3], AIR)


def test_convention_quarter_turn():
    # (x, y) of the output reads (-y, x) of the image: what the output shows on the
    # right (x = 1, y = 0) comes from below (0, 1). With pixel indices r, c of a 4 x 4
    # square: output[r, c] = square[c, 3 - r].
    turn = np.array([[0.0, -1, 0], [1, 0, 0]])
    square = np.vstack([SLICE, np.full((1, 4), AIR)])
    turned = warp(SLICE, turn, side=4, fill=AIR)
    expected = [[square[c, 3 - r] for c in range(4)] for r in range(4)]
    np.testing.assert_allclose(turned, expected, atol=1e-9)


def test_zoom_interpolates_between_pixels():
    # Half the width around the centre, 2 samples: at -0.25 and 0.25, that is at pixels
    # (0.75 * 4 - 1) / 2 = 1 and (1.25 * 4 - 1) / 2 = 2 of rows and columns.
    zoom = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    np.testing.assert_allclose(
        warp(SLICE, zoom, side=2, fill=AIR), SLICE[1:3, 1:3], atol=1e-9
    )
    middle = warp(SLICE, zoom, side=1, fill=AIR)
    np.testing.assert_allclose(middle, [[SLICE[1:3, 1:3].mean()]])


def test_the_largest_slice_of_kidney_counts_both_sides(tmp_path):
    """The left kidney is largest in slice 1, both together in slice 2."""
    numbers = CohortLabels(sides=True).numbers
    write_json(tmp_path / "dataset.json", {"labels": numbers})
    label = np.zeros((4, 3, 5), np.uint8)
    label[1, 0, :3] = numbers["kidney_left"]
    label[2, 0, :2] = numbers["kidney_left"]
    label[2, 1] = numbers["kidney_right"]
    volume = sitk.GetImageFromArray(label)
    write_volume(volume, tmp_path / "case.nii.gz")
    row = SimpleNamespace(
        image="case.nii.gz", label="case.nii.gz", spacing_x_mm=1.0, spacing_y_mm=1.0
    )
    axial = read_slice(tmp_path, row, by=(Label.TUMOUR, Label.KIDNEY))
    assert axial.z == 2
    assert np.count_nonzero(axial.label == Label.KIDNEY) == 7
