import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.case import Case, Side
from deeprac.cohort.grid import Grid
from deeprac.cohort.inspection import SLICE_PIXELS, KidneySlice, inspect
from deeprac.labels import CYST, CohortLabels, Label
from support.cohort_builders import volume

VOXEL_ML = 0.8 * 0.8 * 3 / 1000


def case(image, label, **fields) -> Case:
    return Case(
        **(
            {"name": "a", "patient": "p", "side": Side.LEFT}
            | {"image": volume(image), "label": volume(label)}
            | fields
        )
    )


def arrays(shape=(6, 9, 12)):
    """Air with two kidneys of unlike size, off centre, and a tumour."""
    image, label = np.full(shape, -1000, np.int16), np.zeros(shape, np.uint8)
    label[1:4, 4:6, 2:4] = Label.KIDNEY
    label[2:6, 4:7, 8:11] = Label.KIDNEY
    label[5, 4:7, 10] = Label.TUMOUR
    image[label > 0] = 180
    return image, label


def test_numbers_of_a_case():
    image, label = arrays()
    numbers, _ = inspect(case(image, label, age_years=3.5))
    assert (numbers.size_x, numbers.size_y, numbers.size_z) == (12, 9, 6)
    assert numbers.extent_mm == pytest.approx((9.6, 7.2, 18.0))
    # 3 x 2 x 2 and 4 x 3 x 3 voxels, 3 of them tumour.
    assert numbers.kidney_ml == pytest.approx((12 + 36 - 3) * VOXEL_ML)
    assert numbers.tumour_ml == pytest.approx(3 * VOXEL_ML)
    assert (numbers.cyst_ml, numbers.kidney_median) == (0, 180)
    assert (numbers.age_years, numbers.side, numbers.orientation) == (
        3.5,
        "left",
        "LPS",
    )


def test_orientation_is_that_of_the_source():
    image, label = arrays()
    source = sitk.DICOMOrient(volume(image), "RAI")
    numbers, _ = inspect(case(image, label, frame=Grid.of(source)))
    assert numbers.orientation == "RAI"


def test_kidneys_left_and_right_count_together_and_cysts_apart():
    image, label = arrays()
    labels = CohortLabels(cysts=True, sides=True)
    label[label == Label.KIDNEY] = 1
    label[1:4, 4:6, 2:4] = labels.numbers["kidney_right"]
    label[1, 0, :5] = CYST
    numbers, middle = inspect(case(image, label, labels=labels))
    assert numbers.kidney_ml == pytest.approx(45 * VOXEL_ML)
    assert numbers.cyst_ml == pytest.approx(5 * VOXEL_ML)
    assert set(np.unique(middle.label)) == {0, Label.KIDNEY}


def test_percentiles_are_over_the_whole_image():
    image = np.arange(-500, 501, dtype=np.int16).reshape(7, 11, 13)
    numbers, _ = inspect(case(image, np.ones_like(image, np.uint8)))
    p1, p50, p99 = -490, 0, 490  # of the whole numbers -500 to 500
    assert (numbers.intensity_p1, numbers.intensity_p50) == (p1, p50)
    assert numbers.intensity_p99 == p99


def test_percentiles_of_a_large_image_are_close():
    ramp = np.linspace(-1000, 1000, 700, dtype=np.float32)
    image = np.broadcast_to(ramp, (9, 800, 700)).copy()
    label = np.zeros(image.shape, np.uint8)
    numbers, _ = inspect(case(image, label))
    assert numbers.intensity_p50 == pytest.approx(0, abs=5)
    assert numbers.intensity_p1 == pytest.approx(-980, abs=5)
    assert numbers.kidney_median is None


def test_the_hash_tells_images_apart_whatever_their_name_and_spacing():
    image, label = arrays()

    def hash_of(array, **fields):
        return inspect(case(array, label, **fields))[0].voxels_sha256

    other = image.copy()
    other[0, 0, 0] += 1
    assert hash_of(image) == hash_of(image.copy(), name="b", patient="q")
    assert hash_of(other) != hash_of(image)


def test_the_slice_halves_the_kidneys():
    image, label = arrays()
    image += np.arange(6, dtype=np.int16)[:, None, None]
    # Kidney voxels by slice: 0, 4, 13, 13, 9, 6; half of 45 lies in slice 3.
    _, middle = inspect(case(image, label))
    assert middle.image[0, 0] == -1000 + 3
    assert np.array_equal(middle.label, label[3])


def test_without_kidney_the_slice_shows_the_tumour_and_else_the_middle():
    image = np.zeros((5, 3, 4)) + np.arange(5)[:, None, None]
    tumour, nothing = np.zeros(image.shape, np.uint8), np.zeros(image.shape, bool)
    assert KidneySlice.of(image, tumour, nothing).image[0, 0] == 2
    tumour[4, 1, 1] = Label.TUMOUR
    assert KidneySlice.of(image, tumour, nothing).image[0, 0] == 4


def test_large_slices_are_shrunk_alike_in_both_directions():
    image = np.zeros((1, 512, 796), np.int16)
    label = np.zeros(image.shape, np.uint8)
    image[0, 256:, 400:] = 100
    label[0, 256:, 400:] = Label.KIDNEY
    middle = KidneySlice.of(image, label, label == Label.KIDNEY)
    assert middle.image.shape == middle.label.shape == (128, 199)
    assert max(middle.image.shape) <= SLICE_PIXELS
    assert np.array_equal(middle.image == 100, middle.label == Label.KIDNEY)
    assert middle.image[64, 100] == 100 != middle.image[63, 100]


def test_a_slice_is_read_as_it_was_written(tmp_path):
    image, label = arrays()
    middle = KidneySlice.of(image, label, label == Label.KIDNEY)
    middle.write(tmp_path / "deep" / "a.npz")
    again = KidneySlice.read(tmp_path / "deep" / "a.npz")
    for field in dataclasses.fields(KidneySlice):
        written, read = getattr(middle, field.name), getattr(again, field.name)
        assert np.array_equal(written, read)
        assert written.dtype == read.dtype
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.npz"]
