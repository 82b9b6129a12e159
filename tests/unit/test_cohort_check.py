import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml

from deeprac.cli import main
from deeprac.cohort.build import build_cohort
from deeprac.cohort.check import SHOWN_ERRORS, Check, check_cohort, write_tables
from deeprac.cohort.consistency import WHOLE
from deeprac.cohort.findings import Finding, Severity
from deeprac.cohort.inspection import COLUMNS
from deeprac.errors import CohortError
from support.cohort_builders import (
    cohort_config,
    ct_arrays,
    inspection,
    phantom_config,
    volume,
    write_raw,
)

ERROR, WARNING, REPAIRED, NOTE = Severity


def raw(folder, *, without_kidney=()):
    """Three cases with unlike images; those that are named have no kidney."""
    cases = {}
    for value, name in enumerate("abc"):
        image, label = ct_arrays()
        image[0, 0, 0] = value
        cases[name] = volume(image), volume(label * (name not in without_kidney))
    return write_raw(folder, cases)


def stamps(folder):
    return {
        path.relative_to(folder): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".csv"
    }


def finding(severity, message="m"):
    return Finding(severity, "check", message)


def test_a_check_writes_tables_and_what_it_keeps_but_no_volumes(tmp_path):
    check = check_cohort(raw(tmp_path / "raw"), tmp_path / "check", folds=2)
    assert [case.case for case in check.readable] == ["a", "b", "c"]
    assert {str(path) for path in stamps(tmp_path / "check")} == {
        f".done/{name}.{ending}" for name in "abc" for ending in ("json", "npz")
    }
    table = pd.read_csv(tmp_path / "check" / "cases.csv")
    assert tuple(table.columns) == (*COLUMNS, "worst")
    assert table.size_x.tolist() == [12, 12, 12]


def test_workers_find_the_same(tmp_path):
    config = raw(tmp_path / "raw", without_kidney="b")
    checks = [
        check_cohort(config, tmp_path / str(workers), folds=2, workers=workers)
        for workers in (1, 2)
    ]
    assert checks[0] == checks[1]
    for name in ("cases.csv", "problems.csv"):
        one, two = (tmp_path / workers / name for workers in ("1", "2"))
        assert one.read_bytes() == two.read_bytes()


def test_what_was_read_is_not_read_again(tmp_path):
    config = raw(tmp_path / "raw")
    first = check_cohort(config, tmp_path / "check", folds=2)
    before = stamps(tmp_path / "check")
    assert check_cohort(config, tmp_path / "check", folds=2) == first
    assert stamps(tmp_path / "check") == before
    (tmp_path / "raw" / "labelsTr" / "b.nii.gz").touch()
    check_cohort(config, tmp_path / "check", folds=2)
    changed = {str(p) for p, t in stamps(tmp_path / "check").items() if t != before[p]}
    assert changed == {".done/b.json", ".done/b.npz"}


def test_the_conversion_leaves_what_the_check_needs(tmp_path):
    config = raw(tmp_path / "raw")
    told = []
    build_cohort(config, tmp_path / "cohort", folds=2, report=told.append)
    before = stamps(tmp_path / "cohort")
    assert told == [check_cohort(config, tmp_path / "cohort" / "check", folds=2)]
    assert stamps(tmp_path / "cohort") == before


def test_the_conversion_after_a_check_keeps_its_findings(tmp_path):
    config = raw(tmp_path / "raw")
    check = check_cohort(config, tmp_path / "cohort" / "check", folds=2)
    told = []
    build_cohort(config, tmp_path / "cohort", folds=2, report=told.append)
    assert told == [check]


def test_an_error_of_the_whole_cohort_stops_the_conversion(tmp_path):
    config = raw(tmp_path / "raw")
    with pytest.raises(CohortError, match=r"cohort: splits\.folds is 4"):
        build_cohort(config, tmp_path / "cohort", folds=4)
    assert not (tmp_path / "cohort" / "cases.csv").exists()
    assert len(build_cohort(config, tmp_path / "cohort", folds=3)) == 3


def test_a_case_that_cannot_be_used_has_a_row_and_its_findings(tmp_path):
    config = raw(tmp_path / "raw", without_kidney="b")
    check = check_cohort(config, tmp_path / "check", folds=2)
    assert [case.case for case in check.readable] == ["a", "c"]
    assert check.worst("b") == ERROR
    table = pd.read_csv(tmp_path / "check" / "cases.csv", index_col="case")
    assert table.loc["b", "worst"] == "error"
    assert np.isnan(table.loc["b", "kidney_ml"])
    problems = pd.read_csv(tmp_path / "check" / "problems.csv")
    assert problems.iloc[0].case == "b"
    assert "no kidney" in problems.iloc[0].message


def test_the_worst_severity_counts(tmp_path):
    severities = {"a": (NOTE, WARNING, REPAIRED), "b": (NOTE,), "c": ()}
    check = Check(
        inspections={name: inspection(name) for name in severities},
        findings={n: tuple(map(finding, s)) for n, s in severities.items()}
        | {WHOLE: ()},
    )
    assert [check.worst(name) for name in "abc"] == [WARNING, NOTE, None]
    check.refuse_errors(tmp_path)
    write_tables(check, tmp_path)
    table = pd.read_csv(tmp_path / "cases.csv", keep_default_na=False)
    assert table.worst.tolist() == ["warning", "note", ""]
    problems = pd.read_csv(tmp_path / "problems.csv")
    assert problems.severity.tolist() == ["warning", "repaired", "note", "note"]


def test_the_message_names_the_first_errors_and_the_page(tmp_path):
    names = [f"case_{index:03d}" for index in range(SHOWN_ERRORS + 5)]
    check = Check(
        inspections=dict.fromkeys(names) | {"fine": inspection("fine")},
        findings={n: (finding(ERROR, "no kidney"), finding(NOTE)) for n in names}
        | {"fine": (finding(WARNING),), WHOLE: (finding(ERROR, "few patients"),)},
    )
    with pytest.raises(CohortError) as error:
        check.refuse_errors(tmp_path / "report.html")
    message = str(error.value)
    assert message.startswith("15 of 16 cases cannot be used")
    assert "\n  cohort: few patients\n  case_000: no kidney\n" in message
    assert "\n  and 6 more\n" in message
    assert "case_009" not in message
    assert "fine" not in message
    assert message.endswith(str(tmp_path / "report.html"))


def test_cases_of_an_earlier_configuration_leave(tmp_path):
    for cases in (3, 2):
        config = cohort_config(phantom=phantom_config(cases=cases))
        check_cohort(config, tmp_path, folds=2)
    kept = sorted(path.name for path in (tmp_path / ".done").iterdir())
    assert kept == [
        f"phantom_00{index}.{ending}" for index in (0, 1) for ending in ("json", "npz")
    ]


@pytest.fixture
def configured(tmp_path):
    """A configuration file for the verbs, and the folder of its results."""
    config = raw(tmp_path / "raw")
    changes = {
        "results": str(tmp_path / "results"),
        "cohort": {"name": "three", "format": "nnunet_raw", "path": str(config.path),
                   "pseudonyms": False},
        "splits": {"folds": 3},
        "run": {"folds": [0]},
    }  # fmt: skip
    path = tmp_path / "three.yaml"
    path.write_text(yaml.safe_dump(changes))
    return path, tmp_path / "results" / "three" / "cohort"


def spoil(path, name):
    """Take the kidney out of a case."""
    label = path.parent / "raw" / "labelsTr" / f"{name}.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(label)) * 0, str(label))


def test_the_verb_writes_page_pictures_and_tables(configured):
    path, cohort = configured
    assert main(["cohort", "check", str(path), "--workers", "2"]) == 0
    assert [item.name for item in cohort.iterdir()] == ["check"]
    names = {item.name for item in (cohort / "check").iterdir()}
    assert names == {".done", "cases.csv", "problems.csv", "report.html", "slices"}
    assert len(list((cohort / "check" / "slices").glob("*.png"))) == 3


@pytest.mark.parametrize("verb", [["cohort", "check"], ["cohort", "--config"]])
def test_page_and_tables_are_written_when_there_are_errors(configured, verb, capsys):
    path, cohort = configured
    assert main([*verb, str(path)]) == 0
    spoil(path, "b")
    assert main([*verb, str(path)]) == 1
    message = capsys.readouterr().err
    assert "1 of 3 cases cannot be used" in message
    assert str(cohort / "check" / "report.html") in message
    assert "no kidney" in (cohort / "check" / "report.html").read_text()
    assert "no kidney" in (cohort / "check" / "problems.csv").read_text()
    pictures = {item.name for item in (cohort / "check" / "slices").iterdir()}
    assert pictures == {"a.png", "c.png"}
    assert not (cohort / "cases.csv").exists()


def test_real_volumes(shared_data, tmp_path):
    config = cohort_config(format="nnunet_raw", path=shared_data / "real_ct_nnunet")
    check = check_cohort(config, tmp_path, folds=3)
    cases = {case.case: case for case in check.readable}
    assert set(cases) == {"ircad_01", "ircad_07", "totalseg_example"}
    assert cases["totalseg_example"].orientation == "RAS"
    assert cases["ircad_07"].tumour_ml == pytest.approx(668, abs=1)
    assert (cases["ircad_07"].size_x, cases["ircad_07"].size_z) == (512, 151)
    assert cases["ircad_01"].intensity_p1 < -900
