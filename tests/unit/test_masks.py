"""Masks are found in every layout, and mean kidney 1 and tumour 2."""

import gzip
import pickle
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.errors import CohortError
from deeprac.mask_geometry.masks import find_masks
from support.mask_folders import (
    annotators_folder,
    flat_folder,
    kits_folder,
    two_kidneys,
    write_mask,
)


def read(masks, annotation=None):
    return sitk.GetArrayFromImage(masks.read(annotation))


def test_kits_without_images(tmp_path):
    found = find_masks([kits_folder(tmp_path)])
    assert [masks.case for masks in found] == ["case_00000", "case_00001", "case_00002"]
    np.testing.assert_array_equal(read(found[1]), two_kidneys(1))
    fused = read(found[2])
    assert (fused[:, 12:15, 11:34] == 1).all()  # cysts belong to the kidney
    assert fused.max() == 2


def test_annotators_of_a_case_that_has_a_mask_of_its_own(tmp_path):
    folders = [
        kits_folder(tmp_path / "kits23"), annotators_folder(tmp_path / "annotators")
    ]  # fmt: skip
    for order in (folders, folders[::-1]):
        case = find_masks(order)[0]
        assert list(case.readers) == ["majority", "1", "2"]
        assert case.annotators == ["1", "2"]
        np.testing.assert_array_equal(read(case), two_kidneys())
        first, second = (read(case, one) for one in case.annotators)
        np.testing.assert_array_equal(first, two_kidneys())
        assert np.count_nonzero(second != first) == 4 * 8


def test_annotators_alone(tmp_path):
    (case,) = find_masks([annotators_folder(tmp_path)])
    np.testing.assert_array_equal(read(case), two_kidneys())


def test_the_first_folder_holds_a_cases_mask(tmp_path):
    for name, shift in (("a", 2), ("b", 0)):
        write_mask(
            tmp_path / name / "case_00000/segmentation.nii.gz", two_kidneys(shift)
        )
    (case,) = find_masks([tmp_path / "a", tmp_path / "b"])
    np.testing.assert_array_equal(read(case), two_kidneys(2))


def test_label_maps_with_names_beside_them(tmp_path):
    (case,) = find_masks([flat_folder(tmp_path)])
    assert case.case == "patient_7"
    np.testing.assert_array_equal(read(case), two_kidneys())


def test_label_maps_with_names_given(tmp_path):
    write_mask(tmp_path / "a.nii.gz", 3 - two_kidneys() - 3 * (two_kidneys() == 0))
    (case,) = find_masks([tmp_path], ["tumour", "kidney"])
    np.testing.assert_array_equal(read(case), two_kidneys())


def test_a_reader_goes_to_another_process(tmp_path):
    masks = find_masks([kits_folder(tmp_path)])
    np.testing.assert_array_equal(
        read(pickle.loads(pickle.dumps(masks[0]))), two_kidneys()
    )


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_masks(tmp_path, there):
    folder = tmp_path if there else tmp_path / "none"
    with pytest.raises(CohortError, match="holds neither"):
        find_masks([folder])


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (np.zeros((4, 30, 48), np.uint8), "a: .*is empty"),
        (7 * two_kidneys(), "a: .*number 7, and its meaning is not known"),
    ],
)
def test_a_mask_that_cannot_be_used_is_named(tmp_path, numbers, message):
    write_mask(tmp_path / "a.nii.gz", numbers)
    (case,) = find_masks([tmp_path], ["kidney", "tumour"])
    with pytest.raises(CohortError, match=message):
        case.read()


@pytest.mark.parametrize("name", ["a.nii.gz", "case_00004/segmentation.nii.gz"])
def test_a_mask_without_spacing_is_named(tmp_path, name):
    path = write_mask(tmp_path / name, two_kidneys())
    header = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<3f", header, 80, 0, 0, 0)  # pixdim
    path.write_bytes(gzip.compress(bytes(header)))
    (case,) = find_masks([tmp_path], ["kidney", "tumour"])
    message = rf"{case.case}: .*spacing \(0, 0, 0\); it must be above zero. Correct pix"
    with pytest.raises(CohortError, match=message):
        case.read()


def test_an_empty_mask_of_kits_is_named(tmp_path):
    path = tmp_path / "case_00004/segmentation.nii.gz"
    write_mask(path, np.zeros((4, 30, 48), np.uint8))
    (case,) = find_masks([tmp_path])
    with pytest.raises(CohortError, match="case_00004 shows neither"):
        case.read()


def test_slices_that_are_not_axial_are_refused(tmp_path):
    path = write_mask(tmp_path / "case_00004/segmentation.nii.gz", two_kidneys())
    label = sitk.ReadImage(str(path))
    c, s = np.cos(0.6), np.sin(0.6)
    label.SetDirection([1, 0, 0, 0, c, -s, 0, s, c])
    sitk.WriteImage(label, str(path))
    (case,) = find_masks([tmp_path])
    with pytest.raises(CohortError, match="case_00004: the slices are not axial"):
        case.read()


def test_slices_along_the_first_axis_are_turned(tmp_path):
    """As in KiTS: each axis of the patient is where the affine says."""
    path = tmp_path / "case_00004/segmentation.nii.gz"
    label = sitk.GetImageFromArray(two_kidneys(3))
    path.parent.mkdir()
    sitk.WriteImage(sitk.DICOMOrient(label, "SPL"), str(path))
    (case,) = find_masks([tmp_path])
    np.testing.assert_array_equal(read(case), two_kidneys(3))
