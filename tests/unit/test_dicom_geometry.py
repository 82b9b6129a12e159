"""Slices that make a volume, and slices that do not."""

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from deeprac.cohort.dicom.pixels import read_stack
from deeprac.cohort.dicom.series import stacks_of
from deeprac.cohort.findings import CaseError
from deeprac.cohort.grid import Grid
from support.dicom_builders import Series, hu_of
from support.dicom_cases import edit, headers_of

SHAPE = (6, 5, 9)
FEET_FIRST = np.diag([-1.0, 1.0, -1.0])
PRONE = np.diag([-1.0, -1.0, 1.0])
TURNED = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
LEANING = np.array([[1.0, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]])


def read(paths):
    """Image and findings of the only stack of these files."""
    [stack] = stacks_of(headers_of(paths))
    image, _, findings = read_stack(stack)
    return image, [(f.severity.value, f.message) for f in findings]


def moved(paths, k, offset_mm):
    position = np.array(dcmread(paths[k]).ImagePositionPatient, float) + offset_mm
    edit(paths[k], ImagePositionPatient=[float(round(v, 6)) for v in position])


@pytest.mark.parametrize("axes", [np.eye(3), FEET_FIRST, PRONE, TURNED, LEANING])
def test_every_voxel_lies_where_the_header_says(tmp_path, axes):
    series = Series(hu_of(SHAPE), axes=axes)
    image, findings = read(series.write(tmp_path))
    assert findings == []
    assert image.GetSize() == (9, 5, 6)
    assert image.GetSpacing() == pytest.approx((0.7, 0.9, 2.5), abs=1e-6)
    assert np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) == pytest.approx(1)
    # By hand: along rows by the spacing between columns, along columns by that of rows.
    point_mm = np.array([-31.0, 17.5, 102.0]) + axes @ (4 * 0.7, 3 * 0.9, 2 * 2.5)
    assert image.TransformContinuousIndexToPhysicalPoint(
        (4.0, 3.0, 2.0)
    ) == pytest.approx(tuple(point_mm), abs=1e-4)
    assert image[4, 3, 2] == 10 * 2 + 3 * 3 + 4


def test_index_from_mm_undoes_the_grid():
    grid = Grid.along(TURNED, (9, 5, 6), (0.7, 0.9, 2.5), (-31.0, 17.5, 102.0))
    point_mm = np.array([[-31.0 - 3 * 0.9, 17.5 + 4 * 0.7, 102 + 2 * 2.5]])
    assert grid.index_from_mm(point_mm) == pytest.approx(np.array([[4.0, 3.0, 2.0]]))


@pytest.mark.parametrize(
    ("missing", "count", "gap"), [([2], 1, "5"), ([2, 3], 2, "7.5"), ([1, 4], 2, "5")]
)
def test_missing_slices_are_counted(tmp_path, missing, count, gap):
    paths = Series(hu_of((9, 5, 9))).write(tmp_path)
    kept = [path for k, path in enumerate(paths) if k not in missing]
    with pytest.raises(CaseError, match=f"{count} slices are missing: .* {gap} mm "):
        read(kept)


def test_identical_slices_are_dropped_and_told(tmp_path):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    copies = [tmp_path / "copy", tmp_path / "again"]
    for copy in copies:
        copy.write_bytes(paths[3].read_bytes())
        edit(copy, InstanceNumber=99)
    image, findings = read([*paths, *copies])
    assert image.GetSize() == (9, 5, 6)
    assert findings == [
        ("repaired", "2 slices were there twice, pixel for pixel, and dropped")
    ]


def test_different_slices_in_one_place_are_refused(tmp_path):
    series = Series(hu_of(SHAPE))
    paths = series.write(tmp_path)
    series.hu = series.hu + 1
    other = series.write(tmp_path / "other")
    with pytest.raises(CaseError, match="1 of 7 slices lie in the same place"):
        read([*paths, other[2]])


def test_unevenly_spaced_slices_are_refused(tmp_path):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    moved(paths, 3, (0, 0, 0.6))
    with pytest.raises(CaseError, match=r"unevenly spaced: 1\.9 to 3\.1 mm apart"):
        read(paths)


def test_jitter_of_the_table_is_accepted(tmp_path):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    moved(paths, 3, (0, 0, 0.1))
    assert read(paths)[1] == []


@pytest.mark.parametrize("degrees", [-12.5, 0.5, 20])
def test_gantry_tilt_is_told_in_degrees(tmp_path, degrees):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    for k in range(6):
        moved(paths, k, (0, 2.5 * k * np.tan(np.radians(degrees)), 0))
    with pytest.raises(CaseError, match=f"tilted by {abs(degrees):.1f} degrees"):
        read(paths)


def test_shifted_slice_is_refused(tmp_path):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    moved(paths, 3, (1.0, 0, 0))
    with pytest.raises(CaseError, match="shifted against each other by up to 1 mm"):
        read(paths)


def test_tilt_of_the_header_alone_is_a_warning(tmp_path):
    paths = Series(hu_of(SHAPE), tags={"GantryDetectorTilt": -7.5}).write(tmp_path)
    [(severity, message)] = read(paths)[1]
    assert severity == "warning"
    assert "tells a gantry tilt of 7.5 degrees" in message


@pytest.mark.parametrize(
    "tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
)
def test_slice_without_a_place_is_refused(tmp_path, tag):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    edit(paths[5], **{tag: None})
    with pytest.raises(CaseError, match="1 images of the series lack position"):
        read(paths)


def test_slice_without_rows_is_refused(tmp_path):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    edit(paths[5], Rows=0)
    with pytest.raises(CaseError, match="1 images of the series lack position"):
        read(paths)


def test_axes_that_are_no_unit_vectors_are_refused(tmp_path):
    tags = {"ImageOrientationPatient": [1, 0, 0, 0, 1.1, 0]}
    paths = Series(hu_of(SHAPE), tags=tags).write(tmp_path)
    with pytest.raises(CaseError, match="axes of the slices are not orthonormal"):
        read(paths)


@pytest.mark.parametrize("tag", ["RescaleSlope", "RescaleIntercept"])
def test_missing_rescale_tags_are_refused(tmp_path, tag):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    edit(paths[1], **{tag: None})
    with pytest.raises(CaseError, match="1 of 6 slices have no rescale slope"):
        read(paths)


def test_every_slice_has_its_own_rescale_tags(tmp_path):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    edit(paths[1], RescaleSlope=2, RescaleIntercept=-1000)
    edit(paths[2], RescaleSlope="0.5")
    image, _ = read(paths)
    assert image[4, 3, 0] == 13
    assert image[4, 3, 1] == 2 * (10 + 13 + 1024) - 1000
    assert image[4, 3, 2] == (20 + 13 + 1024) / 2 - 1024


@pytest.mark.parametrize("lost", [1, 30, 89])
def test_pixels_cut_short_are_refused(tmp_path, lost):
    paths = Series(hu_of(SHAPE)).write(tmp_path)
    paths[4].write_bytes(paths[4].read_bytes()[:-lost])
    with pytest.raises(CaseError, match="pixels of slice 5 of 6 cannot be read"):
        read(paths)


def test_size_beyond_reason_is_refused(tmp_path):
    paths = Series(hu_of(SHAPE), tags={"Rows": 65535, "Columns": 65535}).write(tmp_path)
    with pytest.raises(CaseError, match="Crop it"):
        read(paths)


def test_every_value_of_larger_slices_is_read(tmp_path):
    # Memory of slices is used again soon after they are dropped: all voxels count.
    hu = np.arange(8 * 48 * 64).reshape(8, 48, 64) % 4000 - 1000
    image, _ = read(Series(hu).write(tmp_path))
    assert np.array_equal(sitk.GetArrayFromImage(image), hu)
