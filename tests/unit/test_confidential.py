import re
from pathlib import Path

import pytest
import SimpleITK as sitk

from deeprac.cohort.confidential import (
    HIDDEN,
    confidential,
    names_of_files,
    names_of_source,
    open_to_all,
    without,
)
from deeprac.cohort.findings import CaseError, Finding, ForeignError, Severity
from deeprac.errors import CohortError, ConfigError
from support.cohort_builders import cohort_config


@pytest.fixture
def log(tmp_path):
    return tmp_path / "messages.log"


def held_back(log, **names):
    return confidential(log, lambda: names)


def test_files_have_roles_and_folders_below_the_cohort_are_hidden():
    files = {"image": Path("/ct/Doe^Jane/1.2.3/scan_7.nii.gz"), "label": Path("l.nrrd")}
    names = names_of_files(files, Path("/ct"))
    text = "/ct/Doe^Jane/1.2.3/scan_7.nii.gz: scan_7 of Doe^Jane in 1.2.3 and l.nrrd"
    assert without(text, names) == (
        f"the image: the image of {HIDDEN} in {HIDDEN} and the label"
    )
    assert without("/ct/x is missing", names) == "/ct/x is missing"


def test_names_are_whole_words_and_ordinary_words_stay():
    names = {"Anna": "patient_x", "12": HIDDEN, "kidney": HIDDEN, "Anna-Lena": "y"}
    text = "Anna, Annabel, Anna-Lena: 12 slices, no kidney"
    assert without(text, names) == "patient_x, Annabel, y: 12 slices, no kidney"


def test_the_names_of_a_source_are_in_its_folder_and_its_tables(tmp_path):
    (tmp_path / "raw" / "Doe^Jane").mkdir(parents=True)
    (tmp_path / "raw" / "Doe^Jane" / "scan_A_0000.nii.gz").touch()
    (tmp_path / "who.csv").write_text("case,patient\nscan_A,MRN 4711\n")
    config = cohort_config(
        format="nnunet_raw", path=tmp_path / "raw", patients=tmp_path / "who.csv"
    )
    names = names_of_source(config)
    assert {"Doe^Jane", "scan_A_0000.nii.gz", "scan_A", "MRN 4711"} <= set(names)
    assert without("case scan_A of MRN 4711", names) == f"case {HIDDEN} of {HIDDEN}"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_names_in_tables_are_found_however_they_are_written(tmp_path, separator):
    rows = ["case", "patient"], ["scan_A", '"Doe, Jane"'], ["scan_B", "L\xe9ka\u0159"]
    text = "\n".join(separator.join(row) for row in rows)
    (tmp_path / "who.csv").write_text(text, encoding="utf-8")
    names = names_of_source(cohort_config(patients=tmp_path / "who.csv", path=tmp_path))
    told = without("scan_A of Doe, Jane and Le\u0301kar\u030c", names)
    assert told == f"{HIDDEN} of {HIDDEN} and {HIDDEN}"


@pytest.mark.parametrize("error", [CohortError, ConfigError])
def test_errors_keep_their_kind(log, error):
    with pytest.raises(error, match=r"^x y is wrong\.$"), held_back(log, Jane="y"):
        raise error("x Jane is wrong.")
    assert log.read_text() == "x Jane is wrong.\n"


def test_all_findings_of_a_case_are_kept(log):
    findings = [Finding(s, "file", f"Jane {s}") for s in Severity]
    with pytest.raises(CaseError) as error, held_back(log, Jane="x"):
        raise CaseError(findings)
    assert [f.message for f in error.value.findings] == [f"x {s}" for s in Severity]
    assert [f.severity for f in error.value.findings] == list(Severity)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("hide", [held_back, lambda log: open_to_all()])
def test_an_interruption_is_none_of_its_business(log, hide, interruption):
    with pytest.raises(interruption), hide(log):
        raise interruption


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError(5, "Input/output error"), r"cannot be read \(Input/output error\)\."),
        (MemoryError(), r"more memory than there is\. .*Use fewer workers\."),
        (RecursionError("Jane"), r"ended with RecursionError in test_confidential\.py"),
        (ForeignError("label"), r"^the label: reading ended with IndexError in test_"),
    ],
)
@pytest.mark.parametrize("hide", [held_back, lambda log: open_to_all()])
def test_whatever_a_library_raises_is_told_of_the_case(log, hide, raised, told):
    def read():
        try:
            raise IndexError("Jane")
        except IndexError as cause:
            raise raised from cause

    with pytest.raises(CaseError, match=told) as error, hide(log):
        read()
    assert "Jane" not in str(error.value)


def test_without_pseudonyms_the_log_has_the_whole_report(caplog):
    told = r"\. The log has the whole report\."
    with pytest.raises(CaseError, match=told), open_to_all():
        raise KeyError("Jane")
    assert "KeyError: 'Jane'" in caplog.text
    with pytest.raises(CohortError, match=r"^Jane\.$"), open_to_all():
        raise CohortError("Jane.")


def test_nothing_of_the_original_hangs_on_the_new_error(log):
    with pytest.raises(CaseError) as error, held_back(log):
        raise KeyError("Jane")
    assert error.value.__suppress_context__
    assert re.match(
        r"reading ended with KeyError in test_confidential\.py, line \d+ "
        rf"\(test_nothing_of.*\)\. The whole report is in {log}; it may name",
        str(error.value),
    )
    assert "Jane" not in str(error.value)
    assert "KeyError: 'Jane'" in log.read_text()


def test_words_of_a_c_library_go_to_the_log(log, tmp_path, capfd):
    """ITK warns of a damaged header on standard error, from C++, with its path."""
    path = tmp_path / "Jane.nii"
    path.write_bytes(b"\x5c\x01\0\0" + 400 * b"x")
    with pytest.raises(RuntimeError, match="Jane"):
        sitk.ReadImage(str(path))
    assert "Jane" in capfd.readouterr().err
    with (
        pytest.raises(CaseError, match="ended with RuntimeError") as error,
        held_back(log),
    ):
        sitk.ReadImage(str(path))
    assert "Jane" not in str(error.value)
    assert capfd.readouterr() == ("", "")
    assert "Jane.nii is Analyze file" in log.read_text()
    print("after", flush=True)
    assert capfd.readouterr().out == "after\n"


def test_where_no_log_can_be_written_nothing_is_heard_either(tmp_path, capfd):
    with held_back(tmp_path / "missing" / "messages.log"):
        print("Jane")
    assert capfd.readouterr() == ("", "")
