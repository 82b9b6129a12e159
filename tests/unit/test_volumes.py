import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.errors import CohortError
from deeprac.volumes import read_volume, write_label_map, write_volume

SPACING_MM = (0.7, 0.9, 4.0)


@pytest.fixture
def volume(tmp_path):
    array = np.arange(2 * 3 * 5, dtype=np.int16).reshape(2, 3, 5)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM)
    image.SetOrigin((-7.0, 11.0, 30.0))
    path = tmp_path / "case_0000.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


def test_convention_array_is_z_y_x_and_spacing_x_y_z(volume):
    array, image = read_volume(volume)
    assert array.shape == (2, 3, 5)
    assert image.GetSize() == (5, 3, 2)
    assert image.GetSpacing() == pytest.approx(SPACING_MM, abs=1e-6)
    assert array[1, 2, 3] == image.GetPixel(3, 2, 1) == 1 * 15 + 2 * 5 + 3


def test_label_map_lies_on_the_grid_of_the_image(volume, tmp_path):
    array, image = read_volume(volume)
    labels = (array % 3).astype(np.uint8)
    write_label_map(tmp_path / "case.nii.gz", labels, image)
    written, grid = read_volume(tmp_path / "case.nii.gz")
    assert np.array_equal(written, labels)
    assert written.dtype == np.uint8
    for name in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(grid, name)() == pytest.approx(getattr(image, name)(), abs=1e-6)


def test_label_map_of_another_size_is_refused(volume, tmp_path):
    array, image = read_volume(volume)
    with pytest.raises(RuntimeError, match="size"):
        write_label_map(tmp_path / "case.nii.gz", array[:1].astype(np.uint8), image)


def test_missing_file(tmp_path):
    with pytest.raises(CohortError, match=r"absent.nii.gz does not exist.*cohort"):
        read_volume(tmp_path / "absent.nii.gz")


def test_unreadable_file(tmp_path):
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(b"no gzip at all")
    with pytest.raises(CohortError, match=r"broken.nii.gz cannot be read.*cohort"):
        read_volume(path)


def test_texts_that_came_with_a_volume_are_not_written(volume, tmp_path):
    image = sitk.ReadImage(str(volume))
    for key in ("ITK_FileNotes", "aux_file", "intent_name", "0010|0010"):
        image.SetMetaData(key, "MUSTERMANN^Erika")
    write_volume(image, tmp_path / "written.nii.gz")
    content = gzip.decompress((tmp_path / "written.nii.gz").read_bytes())
    assert b"MUSTERMANN" not in content
    # The writer would have written them, and the caller still has them.
    sitk.WriteImage(image, str(tmp_path / "all.nii"))
    assert (tmp_path / "all.nii").read_bytes().count(b"MUSTERMANN^Erika") >= 2
