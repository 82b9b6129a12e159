import gzip

import numpy as np
import pytest
import SimpleITK as sitk
from cohort_builders import ct_arrays, volume

from deeprac.cohort import checks
from deeprac.errors import CohortError


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
