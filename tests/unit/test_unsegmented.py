"""One DICOM series of a folder, chosen without a segmentation."""

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.dicom.unsegmented import read_unsegmented
from deeprac.cohort.findings import CaseError
from support.cohort_builders import ct_like
from support.dicom_builders import Series

TALL = np.concatenate([ct_like(seed) for seed in range(2)])


def described(text, **kwargs):
    return {"tags": {"SeriesDescription": text}, **kwargs}


def test_the_thinnest_series_of_a_study_is_taken_with_its_files(tmp_path):
    thick = Series(ct_like(1), spacing_mm=(0.7, 0.7, 5.0))
    thin = Series(TALL, spacing_mm=(0.7, 0.7, 2.5), study_uid=thick.study_uid)
    thick.write(tmp_path / "a")
    paths = thin.write(tmp_path / "b")
    source, files = read_unsegmented(tmp_path)
    assert np.array_equal(sitk.GetArrayFromImage(source.image), TALL)
    assert list(files) == paths  # of the first slice to the last
    assert source.segmentations == ()


def test_equal_series_are_told_apart_by_their_description(tmp_path):
    one = Series(ct_like(1), **described("abdomen arterial"))
    two = Series(ct_like(2), **described("abdomen venous", study_uid=one.study_uid))
    one.write(tmp_path / "a")
    two.write(tmp_path / "b")
    with pytest.raises(CaseError, match="2 series are equally good"):
        read_unsegmented(tmp_path)
    source, _ = read_unsegmented(tmp_path, "VENOUS")
    assert np.array_equal(sitk.GetArrayFromImage(source.image), ct_like(2))
    with pytest.raises(CaseError, match="none of 2 series"):
        read_unsegmented(tmp_path, "delayed")


def test_a_folder_of_two_studies_is_refused(tmp_path):
    for name in "ab":
        Series(ct_like(1)).write(tmp_path / name)
    with pytest.raises(CaseError, match="holds 2 studies"):
        read_unsegmented(tmp_path)


def test_a_folder_without_dicom_is_refused_without_its_name(tmp_path):
    (tmp_path / "Doe").mkdir()
    (tmp_path / "Doe" / "notes.txt").write_text("no DICOM")
    with pytest.raises(CaseError, match="holds no DICOM image") as error:
        read_unsegmented(tmp_path / "Doe")
    assert "Doe" not in str(error.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda paths: paths[3].unlink(), "1 slices are missing"),
        (lambda paths: paths[2].write_bytes(b""), "cannot be read as DICOM"),
    ],
)
def test_incomplete_series_are_refused(tmp_path, damage, message):
    damage(Series(TALL).write(tmp_path))
    with pytest.raises(CaseError, match=message):
        read_unsegmented(tmp_path)


def test_a_tilted_gantry_is_refused(tmp_path):
    class Sheared(Series):
        def position_mm(self, k):
            return super().position_mm(k) + np.array([0.0, 0.4 * k, 0.0])

    Sheared(TALL).write(tmp_path)
    with pytest.raises(CaseError, match="the gantry was tilted by"):
        read_unsegmented(tmp_path)


def test_another_modality_is_refused(tmp_path):
    Series(TALL, tags={"Modality": "MR"}).write(tmp_path)
    with pytest.raises(CaseError, match="the modality is MR, not CT"):
        read_unsegmented(tmp_path)


def test_nobody_needs_a_patient_id(tmp_path):
    Series(TALL, patient="").write(tmp_path)
    assert read_unsegmented(tmp_path)[0].image.GetSize() == (64, 48, 8)
