"""Finding and reading headers, patients, and ages."""

import os
import warnings
from dataclasses import replace

import pytest
from pydicom import dcmread

from deeprac.cohort import source_files
from deeprac.cohort.dicom.headers import Unusable, quiet, read_header
from deeprac.cohort.dicom.patients import age_years, patients_of
from deeprac.cohort.dicom.scan import scan
from deeprac.errors import CohortError
from support.dicom_builders import Series, hu_of
from support.dicom_cases import edit


@pytest.fixture
def paths(tmp_path):
    return Series(hu_of((4, 5, 7)), patient="p7").write(tmp_path / "deep" / "er")


def header_of(path):
    with quiet():
        return read_header(path)


def test_header_holds_what_was_written(paths):
    header = header_of(paths[2])
    assert header.position_mm == (-31.0, 17.5, 107.0)
    assert header.spacing_yx_mm == (0.9, 0.7)  # between rows first
    assert (header.rows, header.columns, header.frames, header.bits) == (5, 7, 1, 16)
    assert (header.slope, header.intercept, header.is_plain) == (1.0, -1024.0, True)
    assert (header.modality, header.patient_id) == ("CT", "p7")


def test_file_without_preamble_is_damaged(paths):
    paths[0].write_bytes(paths[0].read_bytes()[132:])
    assert header_of(paths[0]) is Unusable.DAMAGED


@pytest.mark.parametrize("size", [133, 200, 400, 700])
def test_file_that_ends_in_its_header_is_damaged(paths, size):
    paths[0].write_bytes(paths[0].read_bytes()[:size])
    assert header_of(paths[0]) is Unusable.DAMAGED


def test_values_of_wrong_kind_are_none(paths):
    content = paths[0].read_bytes()
    paths[0].write_bytes(content.replace(b"-31.0", b"-3x.0"))
    assert header_of(paths[0]).position_mm is None


def test_other_files_are_ignored_and_damaged_ones_told(paths, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "a.NII.GZ").write_bytes(b"")
    paths[0].write_bytes(paths[0].read_bytes()[:200])
    found = scan(tmp_path)
    assert {header.path for header in found.headers} == set(paths[1:])
    assert found.damaged == (paths[0],)
    assert found.label_files == (tmp_path / "a.NII.GZ",)
    assert found.others == (tmp_path / "empty", tmp_path / "notes.txt")


def test_dicomdir_is_ignored(paths, tmp_path):
    dataset = dcmread(paths[0])
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    del dataset.PixelData
    dataset.save_as(tmp_path / "DICOMDIR")
    assert header_of(tmp_path / "DICOMDIR") is Unusable.NOT_DICOM


def test_links_in_circles_are_walked_once(paths, tmp_path):
    (tmp_path / "deep" / "round").symlink_to(tmp_path, target_is_directory=True)
    assert len(scan(tmp_path).headers) == 4


def test_pipes_are_not_opened(paths, tmp_path):
    os.mkfifo(tmp_path / "deep" / "pipe")
    assert len(scan(tmp_path).headers) == 4


def test_folder_that_cannot_be_listed_is_refused(paths, tmp_path, monkeypatch):
    listed = os.scandir

    def refuse(path):
        if str(path).endswith("er"):
            raise PermissionError(13, "denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CohortError, match="cannot be listed"):
        scan(tmp_path)


def test_too_many_or_too_deep(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(source_files, "MAX_FILES", 3)
    with pytest.raises(CohortError, match="more than 3 files"):
        scan(tmp_path)
    monkeypatch.setattr(source_files, "MAX_FILES", 9)
    monkeypatch.setattr(source_files, "MAX_DEPTH", 1)
    with pytest.raises(CohortError, match="folders deeper than 1"):
        scan(tmp_path)


def test_folder_without_dicom_and_no_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(CohortError, match="holds no DICOM file: 1 files were looked"):
        scan(tmp_path)
    with pytest.raises(CohortError, match="is no folder"):
        scan(tmp_path / "absent")


@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
def test_quiet_hides_what_pydicom_says_of_values(paths, caplog):
    edit(paths[0], PatientAge="9999999 Hidden")
    caplog.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        header_of(paths[0])
    assert not caught
    assert not caplog.records


def patients(header, *changes):
    return patients_of([replace(header, **change) for change in changes])


def test_ids_that_differ_in_case_and_spaces_are_one_patient(paths):
    header = header_of(paths[0])
    [(patient, headers)] = patients(
        header, {"patient_id": "P  7"}, {"patient_id": "p 7"}
    )
    assert len(headers) == 2
    [finding] = patient.findings
    assert "2 patient ids differ only in upper and lower case" in finding.message


def test_persons_who_share_an_id_are_told(paths):
    header = header_of(paths[0])
    [(patient, _)] = patients(
        header,
        {"person": ("Doe^Ann", "20200101", "F")},
        {"person": ("DOE ANN", "20200102", "M")},
    )
    assert [f.severity.value for f in patient.findings] == ["error", "error"]
    assert "2 different birth dates" in patient.findings[0].message
    assert "2 different sexes" in patient.findings[1].message


def test_one_id_of_two_issuers_is_two_patients(paths):
    header = header_of(paths[0])
    found = patients(
        header,
        {"issuer": "A", "study_uid": "1"},
        {"issuer": "B", "study_uid": "2"},
        {"issuer": "", "study_uid": "2"},
    )
    assert [(patient.name, len(group)) for patient, group in found] == [
        ("p7_A", 1),
        ("p7_B", 2),
    ]


def test_missing_id_is_an_error(paths):
    [(patient, _)] = patients(header_of(paths[0]), {"patient_id": ""})
    assert patient.findings[0].message.startswith("the files have no patient id")


@pytest.mark.parametrize(
    ("age", "born", "studied", "years"),
    [
        ("006Y", "", "", 6.0),
        ("018M", "", "", 1.5),
        ("030W", "", "", 0.6),
        ("010D", "", "", 0.0),
        ("006Y", "20000101", "20260101", 6.0),
        ("", "20200101", "20260702", 6.5),
        ("six", "20200101", "20260702", 6.5),
        ("", "20200101", "20191231", None),
        ("", "202011", "20260702", None),
        ("", "20200101", "", None),
        ("", "", "", None),
    ],
)
def test_ages(age, born, studied, years):
    assert age_years(age, born, studied) == years
