import gzip
import re

import numpy as np
import pytest
import SimpleITK as sitk
from cohort_builders import ct_arrays, volume

from deeprac.cohort import checks
from deeprac.errors import CohortError
from deeprac.labels import Label

NAMES = {0: "background", 1: "kidney", 2: "tumour"}
MAPPING = {0: Label.BACKGROUND, 1: Label.KIDNEY, 2: Label.TUMOUR}


def written(tmp_path, array=None):
    path = tmp_path / "ct.nii.gz"
    image = np.arange(4 * 30 * 40, dtype=np.int16).reshape(4, 30, 40)
    sitk.WriteImage(volume(image if array is None else array), str(path))
    return path


def test_a_good_volume_is_read(tmp_path):
    assert checks.read_volume(written(tmp_path)).GetSize() == (40, 30, 4)


def test_missing_file(tmp_path):
    with pytest.raises(CohortError, match=r"none\.nii\.gz is missing"):
        checks.read_volume(tmp_path / "none.nii.gz")


def test_truncated_gzip(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CohortError, match=r"ct\.nii\.gz is cut short"):
        checks.read_volume(path)


def test_gzip_of_something_else(tmp_path):
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(b"not an image" * 100))
    with pytest.raises(CohortError, match="cannot be read as an image"):
        checks.read_volume(path)


def test_a_flat_image_is_not_a_volume(tmp_path):
    path = tmp_path / "flat.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5), np.int16)), str(path))
    with pytest.raises(CohortError, match="2 dimensions, not 3"):
        checks.read_volume(path)


def test_real_lfs_pointer(shared_data):
    path = shared_data / "bad" / "lfs_pointer" / "imaging.nii.gz"
    with pytest.raises(CohortError, match=r"Git-LFS pointer.*git lfs pull"):
        checks.read_volume(path)


def test_grids_are_compared_in_every_part():
    image, label = (volume(array) for array in ct_arrays())
    assert checks.grid_problems(image, label) == []
    label.SetSpacing((0.8, 0.9, 3.0))
    label.SetOrigin((-7.0, 11.0, 31.0))
    problems = " ".join(checks.grid_problems(image, label))
    assert "spacing: (0.8, 0.8, 3) and (0.8, 0.9, 3)" in problems
    assert "origin" in problems
    assert "direction" not in problems
    assert "Resample" in problems


def test_grids_may_differ_by_rounding():
    image, label = (volume(array) for array in ct_arrays())
    label.SetOrigin((-7.0004, 11.0, 30.0))
    assert checks.grid_problems(image, label) == []


def test_pixels_that_are_not_square():
    image = volume(ct_arrays()[0], spacing_mm=(0.8, 0.9, 3.0))
    (problem,) = checks.geometry_problems(image)
    assert "0.8 x 0.9 mm, not square. Resample" in problem


def test_slices_that_are_not_axial():
    image = volume(ct_arrays()[0])
    cos, sin = np.cos(0.5), np.sin(0.5)
    image.SetDirection((1, 0, 0, 0, cos, -sin, 0, sin, cos))
    (problem,) = checks.geometry_problems(image)
    assert "not axial" in problem


def test_labels_kidney_only_is_fine():
    label = np.zeros((2, 3, 4), np.uint8)
    label[0, 1, 2] = 1
    assert checks.label_problems(label, NAMES, MAPPING) == []


def test_whole_numbers_stored_as_floats_are_fine():
    label = np.zeros((2, 3, 4))
    label[0, 1, 2] = 1.0
    assert checks.label_problems(label, NAMES, MAPPING) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, r"not whole numbers \(0, 0.5\)"),
        (np.nan, "not whole numbers"),
        (255, r"not mapped: 255 \(no name\); found 0, 255"),
        (2, r"no kidney \(values found: 0, 2\)"),
    ],
)
def test_bad_labels(value, message):
    label = np.zeros((2, 3, 4), float)
    label[0, 1, 2] = value
    (problem,) = checks.label_problems(label, NAMES, MAPPING)
    assert re.search(message, problem)


def test_unmapped_name_is_listed():
    label = np.array([[[0, 1, 3]]])
    (problem,) = checks.label_problems(label, NAMES | {3: "cyst"}, MAPPING)
    assert "3 (cyst)" in problem
    assert "cohort.labels" in problem


def test_a_single_slice_may_show_the_tumour_only():
    label = np.zeros((1, 3, 4), np.uint8)
    assert "no kidney" in checks.label_problems(label, NAMES, MAPPING)[0]
    label[0, 1, 2] = 2
    assert checks.label_problems(label, NAMES, MAPPING) == []
