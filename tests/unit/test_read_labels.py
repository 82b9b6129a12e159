"""Segmentations as they come, for ``deeprac measure``."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from deeprac.cohort.findings import CaseError
from deeprac.errors import SurgeryError
from deeprac.labels import CohortLabels
from deeprac.surgery.read_labels import read_labels

SPACING = (0.8, 0.8, 3.0)
SIDED = CohortLabels(sides=True)
USUAL = ("kidney", "tumour")


def volume(array, spacing=SPACING, origin=(-7.0, 11.0, 30.0)):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def numbers():
    array = np.zeros((6, 12, 20), np.uint8)
    array[1:5, 3:9, 2:7] = 1
    array[1:5, 3:9, 12:17] = 1
    array[2:4, 3:6, 15:19] = 2
    return array


def write(path, array=None, **place):
    image = volume(numbers() if array is None else array, **place)
    sitk.WriteImage(image, str(path))
    return path


def write_segments(path, **masks):
    """3D Slicer's segmentation; masks [x, y, z] are put into layers as they overlap."""
    shape = next(iter(masks.values())).shape
    matrix = np.diag([*SPACING, 1.0])
    content = slicerio.create_segmentation(shape, matrix)
    for index, (name, mask) in enumerate(masks.items()):
        slicerio.add_segment(content, mask, {"id": f"S{index}", "name": name})
    slicerio.write_segmentation(str(path), content)
    return path


def mask(*slices):
    found = np.zeros((20, 12, 6), bool)
    found[tuple(slice(*s) for s in slices)] = True
    return found


KIDNEYS = {
    "kidney_left": mask((12, 17), (3, 9), (1, 5)),
    "kidney_right": mask((2, 7), (3, 9), (1, 5)),
}


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha", ".mhd"])
def test_files_without_names(tmp_path, ending):
    path = write(tmp_path / f"Lékař, 1{ending}")
    with pytest.raises(CaseError, match="such as --labels kidney tumour, or") as raised:
        read_labels(path)
    assert "Lékař" not in str(raised.value)
    found = read_labels(path, USUAL)
    assert found.labels == CohortLabels()
    assert np.array_equal(sitk.GetArrayFromImage(found.label), numbers())
    assert found.label.GetSpacing() == pytest.approx(SPACING)
    assert found.flags == ()


def test_names_of_the_numbers(tmp_path):
    path = write(tmp_path / "a.nii.gz", np.where(numbers() == 1, 3, numbers()))
    found = read_labels(path, ["background", "tumour", "Right kidney"])
    assert (found.labels, found.flags) == (SIDED, ())
    array = sitk.GetArrayFromImage(found.label)
    assert np.array_equal(array == SIDED.numbers["kidney_right"], numbers() == 1)
    assert np.array_equal(array == 2, numbers() == 2)


def test_a_segmentation_names_its_segments(tmp_path):
    path = write_segments(
        tmp_path / "a.seg.nrrd", **KIDNEYS, tumour_1=mask((17, 19), (3, 6), (2, 4))
    )
    found = read_labels(path)
    assert (found.labels, found.flags) == (SIDED, ())
    array = sitk.GetArrayFromImage(found.label)
    for title, number in (("kidney_left", 1), ("kidney_right", 3)):
        assert np.array_equal(array == number, KIDNEYS[title].T)
    assert np.count_nonzero(array == 2) == 2 * 3 * 2


def test_overlapping_segments_are_flagged_and_tumour_counts(tmp_path):
    tumour = mask((15, 19), (3, 6), (2, 4))
    found = read_labels(
        write_segments(tmp_path / "a.seg.nrrd", **KIDNEYS, Tumor=tumour)
    )
    (flag,) = found.flags
    assert flag.code == "overlapping_segments"
    # Columns 15 and 16 of 3 rows in 2 slices.
    assert flag.message.startswith("12 voxels are both kidney_left and tumour")
    assert np.array_equal(sitk.GetArrayFromImage(found.label) == 2, tumour.T)


def test_it_is_brought_onto_the_grid_of_the_ct(tmp_path):
    ct = volume(np.zeros((6, 12, 20), np.int16))
    path = write(tmp_path / "a.nrrd")
    turned = sitk.DICOMOrient(sitk.ReadImage(str(path)), "RAI")
    sitk.WriteImage(turned[1:20, 1:12, 1:6], str(path))
    found = read_labels(path, ["kidney", "tumour"], ct)
    assert found.label.GetSize() == ct.GetSize()
    assert np.array_equal(sitk.GetArrayFromImage(found.label), numbers())


def test_a_tumour_alone_can_be_measured(tmp_path):
    found = read_labels(write(tmp_path / "a.nii.gz", 2 * (numbers() == 2)), USUAL)
    assert found.labels == CohortLabels()


def bad(array, message, *, error=SurgeryError, spacing=SPACING, names=USUAL, ct=None):
    return pytest.param(array, spacing, (names, ct), (error, message), id=message)


@pytest.mark.parametrize(
    ("array", "spacing", "beside", "expected"),
    [
        bad(np.zeros((6, 12, 20), np.uint8), "is empty: there is nothing to measure"),
        bad(numbers() + 4, "has the number 4, and its meaning is not known"),
        bad(numbers(), "a segment named 'liver', which is", names=["kidney", "liver"]),
        bad(numbers() / 2, "not whole numbers", error=CaseError),
        bad(-numbers().astype(np.int16), "holds negative values", error=CaseError),
        bad(numbers(), "are 0.8 x 1.2 mm, not square", spacing=(0.8, 1.2, 3),
            error=CaseError),
        bad(numbers(), "CT and segmentation|are not on one grid", error=CaseError,
            ct=volume(np.zeros((6, 12, 20), np.int16), spacing=(0.9, 0.9, 3.0))),
        bad(numbers(), "labelled voxels lie outside of the image", error=CaseError,
            ct=volume(np.zeros((6, 12, 15), np.int16))),
    ],
)  # fmt: skip
def test_what_cannot_be_measured(tmp_path, array, spacing, beside, expected):
    path = write(tmp_path / "Doe.nii.gz", array, spacing=spacing)
    error, message = expected
    with pytest.raises(error, match=message) as raised:
        read_labels(path, *beside)
    assert "Doe" not in str(raised.value)


def test_names_for_a_file_that_has_its_own(tmp_path):
    path = write_segments(tmp_path / "a.seg.nrrd", **KIDNEYS)
    with pytest.raises(CaseError, match="Leave --labels out"):
        read_labels(path, ["kidney"])


def test_an_unknown_segment(tmp_path):
    path = write_segments(tmp_path / "a.seg.nrrd", **KIDNEYS, aorta=mask((9, 10)))
    with pytest.raises(SurgeryError, match="a segment named 'aorta', which is not"):
        read_labels(path)


def test_slices_that_are_not_axial(tmp_path):
    image = volume(numbers())
    turn = sitk.Euler3DTransform((0, 0, 0), np.radians(30), 0, 0)
    image.SetDirection(turn.GetMatrix())
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    with pytest.raises(CaseError, match="turned by 30 degrees"):
        read_labels(tmp_path / "a.nrrd", USUAL)


@pytest.mark.parametrize("what", ["missing", "empty", "other"])
def test_files_that_are_no_volume(tmp_path, what):
    path = tmp_path / ("Doe.txt" if what == "other" else "Doe.nii.gz")
    if what != "missing":
        path.write_bytes(b"")
    with pytest.raises(CaseError, match="the segmentation: the file is") as raised:
        read_labels(path)
    assert "Doe" not in str(raised.value)
