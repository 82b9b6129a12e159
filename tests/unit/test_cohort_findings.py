import pytest

from deeprac.cohort.findings import (
    COLUMNS,
    CaseError,
    Finding,
    Severity,
    refuse_errors,
    table,
)

ERROR, WARNING, REPAIRED, NOTE = Severity


def finding(severity, message="m"):
    return Finding(severity, "check", message)


def test_the_table_has_the_worst_first_then_by_case_then_as_found():
    findings = {
        "b": [finding(NOTE), finding(WARNING, "second"), finding(ERROR)],
        "a": [finding(WARNING, "z first"), finding(WARNING, "a second")],
        "c": [finding(REPAIRED)],
        "d": [],
    }
    rows = table(findings)[["case", "severity", "message"]].to_numpy().tolist()
    assert rows == [
        ["b", "error", "m"],
        ["a", "warning", "z first"],
        ["a", "warning", "a second"],
        ["b", "warning", "second"],
        ["c", "repaired", "m"],
        ["b", "note", "m"],
    ]


def test_a_cohort_without_findings_has_a_table_of_columns():
    assert table({"a": []}).to_csv(index=False) == ",".join(COLUMNS) + "\n"


def test_an_error_tells_its_errors_and_keeps_all_findings():
    found = [finding(WARNING, "doubt"), finding(ERROR, "one"), finding(ERROR, "two")]
    with pytest.raises(CaseError, match=r"^one; two\.$") as error:
        refuse_errors(found)
    assert error.value.findings == tuple(found)
    assert refuse_errors(found[:1]) == (found[0],)
