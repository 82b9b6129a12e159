import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.case import Case, Side, tumour_side, write_case
from deeprac.errors import CohortError
from deeprac.records.cases import CASES_COLUMNS
from support.cohort_builders import ct_arrays, volume


def case(image, label, **changes) -> Case:
    settings = {"name": "a", "patient": "p", "side": Side.LEFT}
    return Case(image=image, label=label, **(settings | changes))


def test_columns_are_those_of_cases_csv():
    assert ",".join(CASES_COLUMNS) == (
        "case,patient,image,label,size_x,size_y,size_z,spacing_x_mm,spacing_y_mm,"
        "spacing_z_mm,age_years,side,kidney_ml,tumour_ml,label_sha256,image_sha256,"
        "scale,angle_rad,shift_x_mm,shift_y_mm"
    )


def test_row_states_size_spacing_and_volumes(tmp_path):
    image, label = ct_arrays()
    row = write_case(case(volume(image), volume(label)), tmp_path)
    assert (row.size_x, row.size_y, row.size_z) == (12, 9, 5)
    assert (row.spacing_x_mm, row.spacing_y_mm, row.spacing_z_mm) == (0.8, 0.8, 3.0)
    # 3 * 2 * 3 voxels of 0.8 * 0.8 * 3 mm; two of them are tumour.
    assert row.kidney_ml == pytest.approx(16 * 1.92e-3)
    assert row.tumour_ml == pytest.approx(2 * 1.92e-3)
    assert (row.age_years, row.scale) == (None, None)
    written = sitk.ReadImage(str(tmp_path / row.image))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), image)
    np.testing.assert_allclose(written.GetOrigin(), (-7, 11, 30))


def test_writing_twice_gives_the_same_bytes(tmp_path):
    image, label = ct_arrays()
    rows = [
        write_case(case(volume(image), volume(label)), tmp_path / where)
        for where in "ab"
    ]
    assert rows[0] == rows[1]


def test_another_orientation_is_refused():
    image, label = ct_arrays()
    turned = sitk.DICOMOrient(volume(image), "RAS")
    with pytest.raises(CohortError, match="case a is oriented RAS, not LPS"):
        case(turned, volume(label))


@pytest.mark.parametrize("name", ["<script>", "../x", ".a", "a ", ""])
@pytest.mark.parametrize("field", ["name", "patient"])
def test_names_are_plain_file_names(field, name):
    image, label = map(volume, ct_arrays())
    with pytest.raises(CohortError, match=r"letters, digits, .*, not '.*Rename it"):
        case(image, label, **{field: name})


def test_another_size_is_refused():
    image, label = ct_arrays()
    with pytest.raises(
        CohortError, match=r"\(12, 9, 5\) voxels, the label \(12, 9, 4\)"
    ):
        case(volume(image), volume(label[:4]))


@pytest.mark.parametrize(
    ("columns", "side"),
    [([], "none"), ([9], "left"), ([3], "right"), ([3, 9], "bilateral")],
)
def test_convention_left_is_larger_x(columns, side):
    image, label = ct_arrays()
    label[label == 2] = 1
    # The body spans the columns 2 to 10: its middle is column 6.
    for column in columns:
        label[2, 4:6, column] = 2
    assert tumour_side(image, label) is Side(side)


def test_a_speck_on_the_other_side_is_not_bilateral():
    image, label = ct_arrays((5, 20, 30))
    label[1:4, 4:16, 20:26] = 2
    label[2, 5, 3] = 2
    assert tumour_side(image, label) is Side.LEFT


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    image, label = ct_arrays()

    def short(volume, path, **_):
        content = gzip.compress(sitk.GetArrayFromImage(volume).tobytes())
        Path(path).write_bytes(content[: len(content) // 2])

    monkeypatch.setattr(sitk, "WriteImage", short)
    with pytest.raises(OSError, match=r"a_0000\.nii\.gz could not be written.*full"):
        write_case(case(volume(image), volume(label)), tmp_path)
    assert list((tmp_path / "imagesTr").iterdir()) == []
