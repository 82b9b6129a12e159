import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from deeprac.cohort.findings import Severity
from deeprac.cohort.intensity import compact, plausible
from support.cohort_builders import ct_arrays, ct_like

REAL = ("ircad_01", "ircad_07", "totalseg_example")


def refused(values, intensity="hu"):
    """The one reason for which values are refused; they come back as they were."""
    same, (*repairs, finding) = plausible(values, intensity)
    assert same is values
    assert finding.severity is Severity.ERROR
    assert {repair.severity for repair in repairs} <= {Severity.REPAIRED}
    return finding.message


def repaired(values):
    """New values and the messages of their repairs; nothing else was found."""
    new, findings = plausible(values, "hu")
    assert {finding.severity for finding in findings} == {Severity.REPAIRED}
    return new, [finding.message for finding in findings]


def doubted(values):
    """The one doubt about values that stay as they are."""
    new, (finding,) = plausible(values, "hu")
    assert finding.severity is Severity.WARNING
    np.testing.assert_array_equal(new, values)
    return finding.message


def real_ct(shared_data, case):
    path = shared_data / "real_ct_nnunet" / "imagesTr" / f"{case}_0000.nii.gz"
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def series(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.GetArrayFromImage(reader.Execute())


def resampled(values, padding):
    """Values in the middle of padding that blends into them, as resampling leaves it.

    One voxel in 12 per row lies between the two.
    """
    padded = np.full((*values.shape[:2], 3 * values.shape[2] // 2), padding, float)
    padded[:, :, : values.shape[2]] = values
    edge = values.shape[2]
    padded[:, :, edge] = (values[:, :, -1] + float(padding)) / 2
    return padded


@pytest.mark.parametrize("case", REAL)
def test_real_ct_is_left_as_it_is(shared_data, case):
    values = real_ct(shared_data, case)
    same, findings = plausible(values, "hu")
    assert findings == []
    np.testing.assert_array_equal(same, values)


@pytest.mark.parametrize("case", REAL)
def test_real_ct_with_an_offset_comes_back_exactly(shared_data, case):
    # The smallest of them rings to -1207, which files without sign cannot hold.
    values = real_ct(shared_data, case).clip(-1024)
    new, (message,) = repaired((values + 1024).astype(np.uint16))
    np.testing.assert_array_equal(new, values)
    assert message.endswith("each 1024 above its HU; 1024 was subtracted")


@pytest.mark.parametrize("case", REAL)
def test_real_ct_with_another_offset_is_not_guessed_at(shared_data, case):
    values = real_ct(shared_data, case).clip(-1000) + 1000
    assert "CT without its rescale offset" in refused(values)


def test_real_padding(shared_data):
    values = series(shared_data / "dicom" / "crlm_ct_1004")
    new, (message,) = repaired(values)
    # Counted in the files: 2286652 of 41 * 512 * 512 voxels.
    assert message == "2286652 voxels (21.3 %) hold the padding -3024; set to -1024 HU"
    np.testing.assert_array_equal(new, np.where(values == -3024, -1024, values))
    assert new.dtype == np.int16


def test_real_padding_under_an_offset(shared_data):
    # As stored in the files: HU + 1024, and -2000 where nothing was scanned.
    values = series(shared_data / "dicom" / "crlm_ct_1004")
    new, (padding, offset) = repaired(values + 1024)
    assert "2286652 voxels (21.3 %) hold the padding -2000; set to -1024 HU" in padding
    assert "air peaks at 27" in offset
    np.testing.assert_array_equal(new, np.where(values == -3024, -1024, values))


def test_real_mr_is_refused(shared_data):
    path = shared_data / "bad" / "mr" / "example_mr_sm.nii.gz"
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert refused(values).startswith("values run from -47 to 833 without air or fat")
    assert "air or fat" in refused(values - values.min())


def test_real_windowed_slices_are_grey_not_hu(shared_data):
    folder = shared_data / "kits_slices_nnunet" / "imagesTr"
    for path in sorted(folder.glob("*.nii.gz"))[::16]:
        values = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert "0 to 255: a windowed picture, not HU" in refused(values)
        same, findings = plausible(values, "grey")
        assert findings == []
        np.testing.assert_array_equal(same, values)


ct_seeds = st.integers(0, 10**6)
paddings = st.sampled_from([-1500, -2000, -2048, -3024, -32768])


@settings(max_examples=15)
@given(seed=ct_seeds, contrast=st.integers(0, 250), fat_px=st.integers(0, 9))
def test_ct_is_never_changed(seed, contrast, fat_px):
    values = ct_like(seed, contrast_hu=contrast, fat_px=fat_px)
    same, findings = plausible(values, "hu")
    assert {f.severity for f in findings} <= {Severity.WARNING}
    np.testing.assert_array_equal(same, values)


@settings(max_examples=15)
@given(seed=ct_seeds, contrast=st.integers(0, 120), dtype=st.sampled_from("HhiIlfd"))
def test_an_offset_comes_off_exactly(seed, contrast, dtype):
    values = ct_like(seed, contrast_hu=contrast)
    new, (message,) = repaired((values.astype(np.int64) + 1024).astype(dtype))
    np.testing.assert_array_equal(new, values)
    assert new.dtype == np.int16
    assert "1024 was subtracted" in message


@settings(max_examples=15)
@given(seed=ct_seeds, padding=paddings, offset=st.sampled_from([0, 1024]))
def test_padding_goes_with_and_without_an_offset(seed, padding, offset):
    values = ct_like(seed)
    values[:, :3] = -1024
    stored = values.astype(np.int32) + offset
    stored[:, :3] = padding
    new, messages = repaired(stored)
    np.testing.assert_array_equal(new, values)
    size = 3 * values.shape[0] * values.shape[2]
    assert f"{size} voxels (6.25 %) hold the padding {padding};" in messages[0]
    assert len(messages) == 1 + bool(offset)


def test_padding_that_resampling_blended():
    values = ct_like(1)
    new, (message,) = repaired(resampled(values, -3024))
    depth, height, width = values.shape
    blended = int(((values[:, :, -1] - 3024.0) / 2 < -1200).sum())
    assert f"{depth * height * (width // 2 - 1)} voxels" in message
    assert f"{blended} more lie between it and -1200" in message
    np.testing.assert_array_equal(new[:, :, :width], values)
    assert (new[:, :, width:] == -1024).all()


def test_small_padding_below_an_offset():
    # -1024 is no padding in HU, but nothing can be negative under an offset.
    values = ct_like(2)
    stored = values + 1024
    stored[0], values[0] = -1024, -1024
    new, (padding, _) = repaired(stored)
    np.testing.assert_array_equal(new, values)
    assert "hold the padding -1024" in padding


def test_values_that_are_not_whole_stay_float():
    values = ct_like(3).astype(np.float32) + np.float32(0.25)
    new, _ = repaired(values + 1024)
    assert new.dtype == np.float32
    np.testing.assert_array_equal(new, values)


def test_one_deep_voxel_is_no_padding():
    values = ct_like(4)
    values[0, 0, 0] = -2000
    same, findings = plausible(values, "hu")
    assert findings == []
    assert same[0, 0, 0] == -2000


def test_metal_is_kept_and_told():
    values = ct_like(5)
    values[2, 20:24, 20:30] = 3071
    values[2, 24:26, 10:40] = -1300 - 50 * np.arange(30, dtype=np.int16)
    message = doubted(values)
    assert "lie below -1200, down to -2750, and are not one padding value" in message


def test_a_small_field_of_view_inside_a_child():
    values = ct_like(6, contrast_hu=250)[:, 12:36, 14:46]
    assert values.min() > -200
    assert "no air in the field of view" in doubted(values)


def test_a_child_without_fat_under_the_skin():
    # Its blurred outline passes through the range of fat.
    assert plausible(ct_like(7, fat_px=0, noise_hu=3), "hu")[1] == []


def test_air_off_its_place():
    assert "air lies at -9" in doubted(ct_like(8) + np.int16(80))


def test_cut_off_in_the_range_of_contrast():
    values = ct_like(9, contrast_hu=250).clip(max=200)
    assert "cut off at 200, where contrast and bone still differ" in doubted(values)


def test_nothing_as_bright_as_bone():
    assert "largest value is 140" in doubted(ct_like(10).clip(max=140))


def test_the_pieces_of_a_phantom_are_plausible():
    # Flat regions are no sign of a window; without fat there is a doubt.
    assert "no fat" in doubted(ct_arrays()[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ct: (ct.clip(-160, 240) + 160) * (255 / 400), "0 to 255: a windowed"),
        (lambda ct: ct.clip(-160, 240), "cut off at -160: a windowed picture"),
        (lambda ct: (ct.clip(-1000, 600) + 1000) / 1600, "0 to 1: a normalised"),
        (lambda ct: (ct - ct.mean()) / ct.std(), "without air or fat: MR, or CT"),
        (lambda ct: ct + 1024 - 60, "not air lies above 500, where CT has bone"),
        (lambda ct: ct - 1024, "lie below -1200, down to -2"),
        (lambda ct: ct.astype(int) * 10, "lie below -1200"),
        (lambda ct: np.where(ct < -500, -1000, ct + 1100), "not air lies above 500"),
        (lambda ct: np.full_like(ct, -1000), "only the value -1000. Export"),
        (lambda ct: np.where(ct > 40, np.nan, ct), "NaN or infinite values. Replace"),
        (lambda ct: np.where(ct > 40, -np.inf, ct), "NaN or infinite"),
        (lambda ct: ct.astype(np.uint16), "largest value is 65535, beyond the scale"),
        (
            lambda ct: np.where(np.arange(64) < 3, 63536, ct.astype(int) + 1024),
            "largest value is 62512, beyond the scale",
        ),
        (lambda ct: ct.clip(max=40), "largest value is 40: no soft tissue"),
        (lambda ct: ct.clip(-90, 3000) + 90, "without air or fat: MR, or CT"),
    ],
)
def test_values_that_are_refused(change, message):
    assert message in refused(change(ct_like(11)))


@settings(max_examples=25)
@given(seed=ct_seeds, top=st.integers(300, 4095), power=st.floats(0.3, 3))
def test_no_spread_of_positive_values_is_taken_for_an_offset(seed, top, power):
    spread = np.random.default_rng(seed).random((2, 40, 40)) ** power
    assert "without air or fat" in refused(np.rint(top * spread))


def test_peaks_of_an_offset_in_something_else():
    # All three peaks, but most of the rest where CT has next to nothing.
    peaks = np.repeat([24, 924, 1080], 200)
    values = np.concatenate([peaks, np.arange(3000)])
    assert "without air or fat" in refused(values.reshape(1, 60, 60))


def test_an_offset_with_anything_against_it_is_refused():
    stored = ct_like(12).astype(np.int16) + np.int16(1024)
    assert len(repaired(stored)[1]) == 1
    negative = stored.copy()
    negative[1, 2, 3] = -50
    assert "rescale offset" in refused(negative)
    assert "rescale offset" in refused(np.where(stored < 300, stored + 60, stored))


def test_ct_cut_to_the_body_has_fat_instead_of_air():
    values = np.concatenate([np.arange(-115, -75, 2.0), np.arange(-20, 380, 5)])
    assert "no air in the field of view" in doubted(values.reshape(1, 10, 10))


def test_grey_values_need_only_be_finite_and_differ():
    values = np.linspace(0, 255, 50).reshape(1, 5, 10)
    assert plausible(values, "grey")[1] == []
    values[0, 2, 3] = np.inf
    assert "NaN or infinite" in refused(values, "grey")
    assert "only the value 7" in refused(np.full((2, 3, 4), 7), "grey")


def test_compact_loses_nothing():
    small, big = np.array([[-5.0, 7.0]]), np.array([[0, 40000]])
    assert compact(small).dtype == np.int16
    assert compact(big).dtype == np.float32
    assert compact(small + 0.5).dtype == np.float32
    assert compact(big)[0, 1] == 40000
