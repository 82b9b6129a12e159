import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.findings import Severity
from deeprac.cohort.grid import aligned
from support.cohort_builders import ct_arrays, volume


def pair():
    return tuple(volume(array) for array in ct_arrays())


def array(image):
    return sitk.GetArrayFromImage(image)


def grid(image):
    return image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()


def messages(found, severity):
    assert all(finding.severity is severity for finding in found)
    return " / ".join(finding.message for finding in found)


def test_one_grid_is_taken_without_a_word():
    image, label = pair()
    got, found = aligned(label, image)
    assert found == []
    np.testing.assert_array_equal(array(got), ct_arrays()[1])


def test_headers_may_differ_by_rounding():
    image, label = pair()
    label.SetOrigin((-7.0004, 11.0, 30.0))
    got, found = aligned(label, image)
    assert found == []
    assert grid(got) == grid(image)


def test_a_small_difference_is_recorded():
    image, label = pair()
    # 0.04 mm are a twentieth of a voxel of 0.8 mm.
    label.SetOrigin((-7.04, 11.0, 30.0))
    got, found = aligned(label, image)
    assert "differ by 0.05 voxels" in messages(found, Severity.NOTE)
    assert grid(got) == grid(image)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        # A fifth of a voxel.
        (lambda v: v.SetOrigin((-7.16, 11.0, 30.0)), r"from (-7.16, 11, 30) mm"),
        # A fifteenth of a voxel, but 0.2 mm.
        (lambda v: v.SetOrigin((-7, 11.0, 30.2)), r"from (-7, 11, 30.2) mm"),
        (lambda v: v.SetSpacing((0.8, 0.9, 3.0)), "of (0.8, 0.9, 3) mm"),
        (
            lambda v: v.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1)),
            "(0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1)",
        ),
    ],
)
def test_another_grid_is_refused_showing_both(change, told):
    image, label = pair()
    change(label)
    _, found = aligned(label, image)
    text = messages(found, Severity.ERROR)
    assert "image 12 x 9 x 5 voxels of (0.8, 0.8, 3) mm from (-7, 11, 30) mm" in text
    assert told in text
    assert "Resample the label" in text


def test_a_part_of_the_image_is_pasted_where_it_was():
    image, label = pair()
    # As 3D Slicer saves it: cropped to z 1 to 3, y 4 to 6, x 6 to 10.
    part = label[6:11, 4:7, 1:4]
    got, found = aligned(part, image)
    np.testing.assert_array_equal(array(got), ct_arrays()[1])
    assert grid(got) == grid(image)
    text = messages(found, Severity.NOTE)
    assert "covers 5 x 3 x 3 voxels from (6, 4, 1) of the image's 12 x 9 x 5" in text


def test_a_turned_part_is_pasted_where_it_was():
    image, label = pair()
    part = sitk.DICOMOrient(label[6:11, 4:7, 1:4], "SAR")
    assert part.GetSize() == (3, 3, 5)
    got, found = aligned(part, image)
    np.testing.assert_array_equal(array(got), ct_arrays()[1])
    assert "axes are SAR, the image's LPS" in messages(found, Severity.NOTE)


def test_an_empty_margin_beyond_the_image_is_cut():
    image, label = pair()
    padded = sitk.ConstantPad(label, (2, 0, 1), (0, 3, 0))
    got, _ = aligned(padded, image)
    np.testing.assert_array_equal(array(got), ct_arrays()[1])


def test_labels_beyond_the_image_are_refused():
    image, label = pair()
    # The label's three slices with 18 labelled voxels; the image ends after the second.
    _, found = aligned(label, image[:, :, :3])
    assert "6 labelled voxels lie outside" in messages(found, Severity.ERROR)


def test_a_label_elsewhere_is_refused():
    image, label = pair()
    label.SetOrigin((-7.0 + 0.8 * 100, 11.0, 30.0))
    _, found = aligned(label, image)
    assert "18 labelled voxels lie outside" in messages(found, Severity.ERROR)


def test_the_segmentation_is_not_changed():
    image, label = pair()
    label.SetOrigin((-7.04, 11.0, 30.0))
    before = grid(label)
    aligned(label, image)
    assert grid(label) == before
