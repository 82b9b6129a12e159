"""One CT without a label: every orientation and format, and what is refused."""

import gzip
import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.findings import CaseError
from deeprac.cohort.grid import Grid
from deeprac.cohort.volume import open_volume
from support.cohort_builders import ct_like
from support.dicom_builders import Series

SPACING_MM = (0.8, 0.8, 3.0)
CODES = [
    "".join(letters)
    for axes in itertools.permutations((("R", "L"), ("A", "P"), ("S", "I")))
    for letters in itertools.product(*axes)
]


def trunk(tilt_deg: float = 0.0) -> sitk.Image:
    """A CT in LPS; its slices turned about x by an angle."""
    image = sitk.GetImageFromArray(np.concatenate([ct_like(s) for s in range(2)]))
    image.SetSpacing(SPACING_MM)
    image.SetOrigin((-20.0, 15.0, 40.0))
    angle = np.radians(tilt_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    image.SetDirection((1, 0, 0, 0, cos, -sin, 0, sin, cos))
    return image


def bright(values: np.ndarray) -> np.ndarray:
    """A network that knows left from right, up and down, and no other places."""
    return ((values > 100) * (1 + (np.indices(values.shape)[2] > 20))).astype(np.uint8)


@pytest.mark.parametrize("tilt_deg", [0.0, 8.0])
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_every_orientation_gives_the_same_labels_in_the_patient(
    tmp_path, ending, tilt_deg
):
    image = trunk(tilt_deg)
    expected = bright(sitk.GetArrayFromImage(image))
    truth = Grid.of(image).volume(expected)
    assert len(CODES) == 48
    for code in CODES:
        path = tmp_path / f"{code}{ending}"
        turned = sitk.DICOMOrient(image, code)
        sitk.WriteImage(turned, str(path))
        volume = open_volume(path, "hu")
        found = bright(sitk.GetArrayFromImage(volume.image))
        assert np.array_equal(found, expected), code
        # Back on the input's grid, voxel for voxel the truth turned the same way.
        label = volume.source.restore(Grid.of(volume.image).volume(found))
        back = sitk.DICOMOrient(truth, code)
        assert np.array_equal(*map(sitk.GetArrayViewFromImage, (label, back))), code
        assert Grid.of(label).is_same_as(Grid.of(sitk.ReadImage(str(path)))), code


@pytest.mark.parametrize("code", ["LPS", "LAS", "RPS", "LPI"])
@pytest.mark.parametrize("tilt_deg", [0.0, 8.0])
def test_dicom_gives_the_same_labels(tmp_path, code, tilt_deg):
    image = trunk(tilt_deg)
    turned = sitk.DICOMOrient(image, code)
    if np.linalg.det(np.reshape(turned.GetDirection(), (3, 3))) < 0:
        turned = turned[:, :, ::-1]  # DICOM's slices are right-handed
    grid = Grid.of(turned)
    Series(
        sitk.GetArrayFromImage(turned),
        spacing_mm=grid.spacing_xyz_mm,
        origin_mm=grid.origin_mm,
        axes=grid.axes,
        tags={"PatientAge": "018M"},
    ).write(tmp_path / "series")
    volume = open_volume(tmp_path, "hu")
    expected = bright(sitk.GetArrayFromImage(image))
    found = bright(sitk.GetArrayFromImage(volume.image))
    assert np.array_equal(found, expected)
    np.testing.assert_allclose(
        volume.image.GetDirection(), image.GetDirection(), atol=1e-6
    )
    np.testing.assert_allclose(volume.image.GetOrigin(), image.GetOrigin(), atol=1e-3)
    assert (volume.age_years, len(volume.dicom)) == (1.5, 8)


def test_the_image_keeps_its_tilt_and_middle_in_the_patient(tmp_path):
    image = trunk(8.0)
    sitk.WriteImage(sitk.DICOMOrient(image, "ASR"), str(tmp_path / "ct.nrrd"))
    volume = open_volume(tmp_path / "ct.nrrd", "hu")
    index = (7, 30, 5)
    np.testing.assert_allclose(
        volume.image.TransformIndexToPhysicalPoint(index),
        image.TransformIndexToPhysicalPoint(index),
        atol=1e-6,
    )
    assert [one.message for one in volume.findings] == [
        "the axes are turned by 8.0 degrees; taken as axial"
    ]


def shaped(array) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM)
    return image


def hu(**kwargs) -> np.ndarray:
    return ct_like(1, **kwargs)


def with_nan():
    values = hu().astype(np.float32)
    values[0, 0, 0] = np.nan
    return shaped(values)


def oblique_pixels():
    image = shaped(hu())
    image.SetSpacing((0.8, 1.1, 3.0))
    return image


BAD = {
    "MR": (lambda: shaped(np.abs(hu()).clip(1, 800)), "Give CT in HU"),
    "picture": (lambda: shaped((hu() / 20 + 60).clip(0, 255)), "a windowed picture"),
    "NaN": (with_nan, "NaN or infinite"),
    "two voxels": (
        lambda: shaped(np.zeros((1, 1, 2), np.int16)),
        "has 2 x 1 pixels and",
    ),
    "not square": (oblique_pixels, "not square. Resample the image to square pixels"),
    "turned": (lambda: trunk(25.0), "turned by 25 degrees"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_ct_of_an_abdomen_is_refused(tmp_path, what):
    make, message = BAD[what]
    sitk.WriteImage(make(), str(tmp_path / "Doe_Jane.nii.gz"))
    with pytest.raises(CaseError, match=message) as error:
        open_volume(tmp_path / "Doe_Jane.nii.gz", "hu")
    assert "Doe" not in str(error.value)
    assert "cohort." not in str(error.value)


def test_four_dimensions_are_refused(tmp_path):
    image = sitk.JoinSeries([trunk(), trunk()])
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    with pytest.raises(CaseError, match="several frames or channels"):
        open_volume(tmp_path / "ct.nii.gz", "hu")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "ct.nii.gz",
            b"version https://git-lfs.github.com/spec/v1\n",
            "Git-LFS pointer",
        ),
        ("ct.nii.gz", gzip.compress(bytes(5000), mtime=0)[:40], "is not NIfTI"),
        ("ct.nii.gz", b"", "the file is empty"),
        ("ct.png", b"PNG", "of no known kind"),
        ("slice.dcm", b"DICM", "Give the folder of its series"),
    ],
    ids=["pointer", "cut short", "empty", "picture", "one slice"],
)
def test_files_that_are_no_volume_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CaseError, match=message):
        open_volume(tmp_path / name, "hu")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CaseError, match="the file is missing"):
        open_volume(tmp_path / "ct.nii.gz", "hu")


@pytest.mark.parametrize(
    "name",
    [
        "with space, comma.nrrd",
        'Lékař\'s "CT".nrrd',
        "-leading.nrrd",
        "x" * 240 + ".nrrd",
    ],
)
def test_paths_of_every_kind_are_read(tmp_path, name):
    sitk.WriteImage(trunk(), str(tmp_path / "ct.nrrd"))
    (tmp_path / "ct.nrrd").rename(tmp_path / name)
    assert open_volume(tmp_path / name, "hu").image.GetSize() == (64, 48, 8)


def test_a_path_of_more_than_300_characters_is_read(tmp_path):
    folder = tmp_path / ("a" * 150) / ("b" * 150)
    folder.mkdir(parents=True)
    sitk.WriteImage(trunk(), str(folder / "ct.nrrd"))
    assert open_volume(folder / "ct.nrrd", "hu").image.GetSize() == (64, 48, 8)


def test_2000_slices_are_read(tmp_path):
    values = np.tile(hu(), (500, 1, 1))
    assert len(values) == 2000
    sitk.WriteImage(shaped(values), str(tmp_path / "ct.nrrd"))
    assert open_volume(tmp_path / "ct.nrrd", "hu").image.GetSize()[2] == 2000


def test_grey_values_need_not_be_hu(tmp_path):
    sitk.WriteImage(shaped((hu() / 20 + 60).clip(0, 255)), str(tmp_path / "ct.nrrd"))
    assert open_volume(tmp_path / "ct.nrrd", "grey").findings == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "message"),
    [("bad/mr", "Give CT in HU"), ("bad/lfs_pointer", "Git-LFS pointer")],
)
def test_real_bad_files_are_refused(shared_data, place, message):
    path = next((shared_data / place).rglob("*.nii.gz"))
    with pytest.raises(CaseError, match=message):
        open_volume(path, "hu")
