"""Files beside a case that cannot be read as DICOM: which matter, and their names."""

import numpy as np
import pytest

from deeprac.cohort.dicom.reader import open_dicom
from deeprac.cohort.dicom.unread import called
from deeprac.cohort.formats import open_source
from support.dicom_builders import write_seg
from support.dicom_cases import add_label, dicom_config, kidney, told, trunk


def case(folder, ending="", name=None):
    """Slices and a label file in ``ct``; a slice's name without its ending."""
    series = trunk()
    for k, path in enumerate(series.write(folder / "ct")):
        path.rename(folder / "ct" / ((name(k) if name else path.name) + ending))
    add_label(series, folder / "ct")
    return folder / "ct"


def worst(folder):
    """Severity and message of what is told of files, the worst first."""
    order = ("error", "warning", "note")
    found = told(dicom_config(folder, slice_spacing_mm=(1, 12)))
    about = [e for e in found if "those of the case" in e[1]]
    return sorted(about, key=lambda entry: order.index(entry[0]))


@pytest.mark.parametrize(
    ("ending", "name", "lost"),
    [
        (".dcm", None, "page.dcm"),
        (".dcm", None, "IM0009.DCM"),
        (".IMA", None, "IM0009.ima"),
        ("", None, "IM0009"),
        ("", lambda k: f"1.2.840.7.{k}", "1.2.840.7.12"),
        ("", lambda k: f"{k}A7F{k}", "90C0FFEE"),
        ("", None, "page.dcm"),
    ],
)
@pytest.mark.parametrize("content", ["", "<!DOCTYPE html>"])
def test_files_called_like_the_slices_are_errors(tmp_path, ending, name, lost, content):
    (case(tmp_path, ending, name) / lost).write_text(content)
    [(severity, message)] = worst(tmp_path)
    assert severity == "error"
    assert message.startswith("1 files among those of the case cannot be read as DICOM")
    assert ("1 empty; unread_1" if not content else "1 no DICOM, but") in message


@pytest.mark.parametrize("ending", [".dcm", ""])
@pytest.mark.parametrize(
    "other",
    ["LICENSE", "README.txt", "notes", "MD5SUMS", "LICENSE-2.0", "index.html", "a.csv"],
)
def test_other_files_are_noted(tmp_path, ending, other):
    (case(tmp_path, ending) / other).write_text("words")
    assert worst(tmp_path) == [
        ("note", "1 files beside those of the case are no DICOM and were ignored")
    ]


@pytest.mark.parametrize("ending", [".dcm", ""])
@pytest.mark.parametrize(
    "other", [".DS_Store", "._IM0001.dcm", "Thumbs.db", "DICOMDIR", "desktop.ini"]
)
def test_files_of_the_system_are_not_told(tmp_path, ending, other):
    (case(tmp_path, ending) / other).write_bytes(b"")
    assert worst(tmp_path) == []


def test_a_licence_above_the_patients_is_not_told(tmp_path):
    case(tmp_path / "p7")
    (tmp_path / "LICENSE.txt").write_text("words")
    assert worst(tmp_path) == []


@pytest.mark.parametrize("name", ["ct/RS", "ct/seg.dcm", "seg/1-1.dcm", "RS.1.2.7"])
def test_an_empty_file_that_could_be_the_segmentation(tmp_path, name):
    trunk().write(tmp_path / "ct")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    [(severity, message)] = worst(tmp_path)
    assert severity == "error"
    assert "slices or the segmentation may be missing" in message
    found = told(dicom_config(tmp_path, slice_spacing_mm=(1, 12)))
    assert not any("no segmentation was found" in text for _, text in found)


def test_of_two_patients_only_one_is_told(tmp_path):
    for patient in ("p7", "p8"):
        series = trunk(patient=patient)
        paths = series.write(tmp_path / patient / "ct")
        mask = kidney() == 1
        write_seg(tmp_path / patient / "seg.dcm", paths, {"kidney": mask})
    (tmp_path / "p8" / "ct" / "IM0009").write_bytes(b"")
    source = open_source(dicom_config(tmp_path, slice_spacing_mm=(1, 12)))
    good, bad = source.names()  # pseudonyms are off: in the order of the patients
    assert np.any(source.load(good).label)
    with pytest.raises(Exception, match="1 files among those of the case"):
        source.load(bad)


def test_the_files_are_listed_by_role(tmp_path):
    folder = case(tmp_path)
    for number in range(12):
        (folder / f"IM1{number:03}").write_bytes(b"")
    [listed] = open_dicom(dicom_config(tmp_path)).values()
    files = listed.files
    assert files["unread_1"] == folder / "IM1000"
    assert files["unread_10"] == folder / "IM1009"
    assert "unread_11" not in files
    [(_, message)] = worst(tmp_path)
    assert message.startswith("12 files")
    assert "(12 empty; unread_1 to unread_10)" in message
    assert "IM10" not in message


def test_names_without_an_ending():
    assert called("CT.1.2.840.7") == called("CT.1.3.12") == "ct#"
    assert called("00000012") == called("A7F0") == "#"
    assert called("MD5SUMS") == "md#sums"
