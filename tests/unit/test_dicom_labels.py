"""Label files beside DICOM series, a folder as in the archive, and a real series."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicerio
from pydicom import dcmread
from skimage.measure import find_contours

from deeprac.cohort.dicom.reader import open_dicom
from deeprac.cohort.findings import CaseError
from deeprac.cohort.formats import open_source
from deeprac.config import load_config
from support.cohort_builders import cohort_config
from support.dicom_builders import rtstruct, write, write_seg
from support.dicom_loading import SHAPE, a_series, label_of, load, messages

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "dicom" / "crlm_ct_1004"

LABEL = np.zeros(SHAPE, np.uint8)
LABEL[1:4, 4:6, 3:7] = 1
LABEL[2, 4, 6] = 2


def write_label(path, series, *, shift_mm=0.0):
    volume = series.grid.volume(LABEL)
    volume.SetOrigin(np.add(volume.GetOrigin(), (shift_mm, 0, 0)).tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(volume, str(path))


@pytest.mark.parametrize(
    "name", ["ct/label.nii.gz", "labels/jane_doe.nrrd", "Jane_Doe.nii", "ct/x.mha"]
)
def test_label_files_by_folder_and_by_patient(tmp_path, name):
    series = a_series()
    series.write(tmp_path / "ct")
    write_label(tmp_path / name, series)
    np.testing.assert_array_equal(label_of(load(tmp_path)), LABEL)


def test_segmentations_of_slicer(tmp_path):
    series = a_series()
    series.write(tmp_path / "ct")
    lps_from_ijk_mm = np.diag([*series.spacing_mm, 1.0])
    lps_from_ijk_mm[:3, 3] = series.origin_mm
    content = slicerio.create_segmentation(SHAPE[::-1], lps_from_ijk_mm)
    for name, mask in {"kidney": LABEL > 0, "tumour": LABEL == 2}.items():
        slicerio.add_segment(content, mask.T, {"id": name, "name": name})
    slicerio.write_segmentation(str(tmp_path / "ct" / "a.seg.nrrd"), content)
    np.testing.assert_array_equal(label_of(load(tmp_path)), LABEL)


def test_label_files_beside_the_study_of_their_patient(tmp_path):
    for number, shift in enumerate((0, 1)):
        series = a_series(origin_mm=(-31.0, 17.5, 102.0 + shift))
        series.write(tmp_path / f"study {number}" / "ct")
        write_label(tmp_path / f"study {number}" / "Jane_Doe.nii.gz", series)
    config = cohort_config(format="dicom", path=tmp_path)
    source = open_source(config)
    assert len(source.names()) == 2
    for name in source.names():
        np.testing.assert_array_equal(label_of(source.load(name)), LABEL)


def refusal(folder):
    with pytest.raises(CaseError) as caught:
        load(folder)
    assert "Jane" not in "".join(messages(caught.value))
    return str(caught.value)


def test_labels_on_another_grid_are_refused(tmp_path):
    series = a_series()
    series.write(tmp_path / "ct")
    write_label(tmp_path / "ct" / "a.nii.gz", series, shift_mm=0.4)
    assert "grid" in refusal(tmp_path) or "origin" in refusal(tmp_path)


def test_several_labels_are_refused(tmp_path):
    series = a_series()
    series.write(tmp_path / "ct")
    write_label(tmp_path / "ct" / "a.nii.gz", series)
    write_label(tmp_path / "Jane_Doe.nii.gz", series)
    assert "2 label files belong to the case" in refusal(tmp_path)


def test_series_without_any_label_are_refused(tmp_path):
    a_series().write(tmp_path / "ct")
    assert "no segmentation was found" in refusal(tmp_path)


def test_a_label_that_could_be_of_two_cases_is_told_where_one_is_missing(tmp_path):
    for number in (1, 2):
        series = a_series(patient=f"Jane_{number}")
        series.write(tmp_path / f"ct {number}")
    write_label(tmp_path / "Jane_1.nii.gz", series)
    write_label(tmp_path / "somebody.nii.gz", series)
    source = open_source(cohort_config(format="dicom", path=tmp_path))
    first, second = source.names()
    assert not any(
        "could be of several" in text for text in messages(source.load(first))
    )
    with pytest.raises(CaseError) as caught:
        source.load(second)
    assert any("1 label files near it could be of several cases" in text
               for text in messages(caught.value))  # fmt: skip


def test_a_case_depends_on_the_numbers_of_its_labels(tmp_path):
    series = a_series()
    series.write(tmp_path / "ct")
    write_label(tmp_path / "ct" / "a.nii.gz", series)
    config = cohort_config(format="dicom", path=tmp_path)
    other = cohort_config(
        format="dicom", path=tmp_path, label_numbers={"kidney": 2, "tumour": 1}
    )
    settings = [
        listed.settings()
        for one in (config, other)
        for listed in open_dicom(one).values()
    ]
    assert len(settings) == 2
    assert settings[0] != settings[1]


def square(series, k, i, j):
    corners = [(i[0], j[0], k), (i[1], j[0], k), (i[1], j[1], k), (i[0], j[1], k)]
    return series.origin_mm + np.array(corners) * series.spacing_mm


def test_the_configuration_of_the_archives_children(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    private = str(tmp_path / "private")
    given = {"path": str(tmp_path / "data"), "pseudonyms": True, "private": private}
    (tmp_path / "own.yaml").write_text(f"cohort: {given}")
    series = a_series(tags={"PatientAge": "003Y"})
    top = tmp_path / "data" / "Jane_Doe"
    series.write(top / "1.2.3")
    for number, skin in enumerate((9.4, 12.4)):
        contours = {
            "Kidney Left": [square(series, k, (2.6, 6.4), (3.6, 5.4)) for k in (1, 2)],
            "Kidney Right": [square(series, 3, (8.6, 9.4), (3.6, 5.4))],
            "Liver": [square(series, 4, (2.6, 4.4), (2.6, 4.4))],
            "Skin": [square(series, 1, (0.6, skin), (0.6, 9.4))],
        }
        dataset = rtstruct(series, contours, SeriesInstanceUID="1.2.9")
        dataset.StructureSetDate = f"2020010{number + 1}"
        write(dataset, top / "1.2.9" / f"{number}.dcm")
    archive = ROOT / "config" / "cohorts" / "pediatric_ct_seg.yaml"
    standard = ROOT / "config" / "config.yaml"
    source = open_source(load_config([standard, archive, tmp_path / "own.yaml"]).cohort)
    (name,) = source.names()
    case = source.load(name)
    expected = np.zeros(SHAPE, np.uint8)
    expected[1:3, 4:6, 3:7] = 1
    expected[3, 4:6, 9] = 1
    np.testing.assert_array_equal(label_of(case), expected)
    assert case.age_years == 3
    assert "Jane" not in name + case.patient + "".join(messages(case))
    assert any("the newest was taken" in text for text in messages(case))


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the real series is not on this machine")
def test_one_mask_of_a_real_series_in_three_formats(tmp_path):
    paths = sorted(REAL.glob("*.dcm"), key=lambda p: dcmread(
        p, stop_before_pixels=True).ImagePositionPatient[2])  # fmt: skip
    first = dcmread(paths[0])
    image = sitk.ReadImage([str(path) for path in paths])
    nx, ny, nz = image.GetSize()
    z, y, x = np.ogrid[:nz, :ny, :nx]
    place = ((z - nz / 2) / (nz / 4)) ** 2 + ((y - ny * 0.55) / 30) ** 2
    mask = place + ((x - nx * 0.65) / 22) ** 2 < 1

    def folder(name):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ct").symlink_to(REAL)
        return tmp_path / name

    write_seg(folder("seg") / "seg.dcm", paths, {"kidney": mask})
    contours = []
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        for points in find_contours(mask[k].astype(float), 0.5):
            index = np.column_stack([points[:, ::-1], np.full(len(points), k)])
            contours.append(np.array([
                image.TransformContinuousIndexToPhysicalPoint(p) for p in index.tolist()
            ]))  # fmt: skip
    like = a_series(
        patient=first.PatientID,
        study_uid=first.StudyInstanceUID,
        series_uid=first.SeriesInstanceUID,
        frame_uid=first.FrameOfReferenceUID,
    )
    write(rtstruct(like, {"kidney": contours}), folder("rt") / "rt.dcm")
    label = sitk.GetImageFromArray(mask.astype(np.uint8))
    label.CopyInformation(image)
    sitk.WriteImage(label, str(folder("nifti") / "label.nii.gz"))
    cases = {name: load(tmp_path / name) for name in ("seg", "rt", "nifti")}
    for case in cases.values():
        # The contours run half a voxel outside the mask: none of its voxels differs.
        np.testing.assert_array_equal(label_of(case), mask)
        # The scanner's padding, -3024, becomes -1024.
        wanted = sitk.GetArrayFromImage(image)
        wanted[wanted == -3024] = -1024
        np.testing.assert_array_equal(sitk.GetArrayFromImage(case.image), wanted)
