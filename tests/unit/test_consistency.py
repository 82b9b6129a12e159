import pytest

from deeprac.cohort.consistency import WHOLE, cohort_findings
from deeprac.cohort.findings import Severity
from support.cohort_builders import inspection

ERROR, WARNING, *_ = Severity


def cohort(*changes) -> list:
    """Eight cases that go together, and one more for every change."""
    names = "abcdefgh"
    return [
        *(inspection(name) for name in names),
        *(inspection(f"x{i}", **change) for i, change in enumerate(changes)),
    ]


def found(cases, folds=2):
    return [
        (name, finding.severity, finding.check)
        for name, finding in cohort_findings(cases, folds=folds)
    ]


def test_a_cohort_that_goes_together():
    assert found(cohort()) == []


def test_the_same_image_in_two_cases():
    findings = cohort_findings(cohort({"voxels_sha256": "hash of b"}), folds=2)
    assert [(n, f.severity, f.check) for n, f in findings] == [
        ("b", ERROR, "same image"),
        ("x0", ERROR, "same image"),
    ]
    assert [f.message for _, f in findings] == [
        "the same image is in two cases: this one and x0. Keep one",
        "the same image is in two cases: this one and b. Keep one",
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"age_years": 12.0}, "are 4.5 to 12 years old"),
        ({"kidney_ml": 500.0}, "have 150 to 540 ml of kidney and tumour"),
        ({"age_years": 7.0, "kidney_ml": 300.0}, None),
        ({"age_years": None}, None),
        ({"kidney_ml": 500.0, "size_z": 1}, None),
    ],
)
def test_cases_that_cannot_be_of_one_patient(change, text):
    findings = cohort_findings(cohort({"patient": "patient of c"} | change), folds=2)
    assert [(name, f.severity) for name, f in findings] == [("c", WARNING)] * bool(text)
    assert not text or text in findings[0][1].message


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            {"spacing_z_mm": 30.0},
            "the slice spacing is 30 mm, the cohort's median 3 mm",
        ),
        ({"spacing_x_mm": 0.08}, "the in-plane spacing is 0.08 mm"),
        ({"spacing_z_mm": 5.0}, None),
        ({"spacing_z_mm": 30.0, "size_z": 1}, None),
    ],
)
def test_spacings_unlike_all_others(change, what):
    findings = cohort_findings(cohort(change), folds=2)
    assert [(n, f.check) for n, f in findings] == [("x0", "spacing")] * bool(what)
    assert not what or what in findings[0][1].message


def test_a_cohort_of_many_spacings_has_no_outliers():
    spacings = (0.5, 0.8, 1, 1, 3, 5, 5, 5)
    cases = [inspection(f"c{i}", spacing_z_mm=s) for i, s in enumerate(spacings)]
    assert found(cases) == []


def test_fewer_patients_than_folds():
    assert (WHOLE, ERROR, "folds") in found(cohort(), folds=9)
    assert (WHOLE, ERROR, "folds") not in found(cohort(), folds=8)


def test_test_cases_fill_no_fold():
    cases = [*cohort(), *(inspection(f"t{i}", split="test") for i in range(3))]
    assert (WHOLE, ERROR, "folds") in found(cases, folds=9)


def test_patients_with_tumour_are_too_few_for_the_folds():
    few = [
        inspection(str(i), tumour_ml=9.0 * (i < 3), patient=f"p{i}") for i in range(8)
    ]
    assert found(few, folds=2) == [(WHOLE, WARNING, "tumour")]
    assert found([*few, inspection("more")], folds=2) == []
    none = [inspection(name, tumour_ml=0.0) for name in "abcd"]
    (_, finding), *_ = cohort_findings(none, folds=2)
    assert finding.message.startswith("no case has a tumour")
