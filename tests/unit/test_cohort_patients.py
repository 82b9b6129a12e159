"""The table of patients works alike for every format of folders."""

import pytest

from deeprac.cohort.patients import Patient, patients_of
from deeprac.errors import CohortError
from support.cohort_builders import cohort_config

OWN = {"a": Patient("a"), "b": Patient("b", 7.0)}


def config(tmp_path, text, **changes):
    path = tmp_path / "patients.csv"
    path.write_text(text)
    return cohort_config(patients=path, **changes)


def test_without_a_table_the_source_has_its_own_patients():
    assert patients_of(cohort_config(), OWN) == OWN


def test_the_table_groups_cases_and_may_have_more_rows(tmp_path):
    text = "case,patient,note\nb,007,x\na,007,y\nz,008,z\n"
    assert patients_of(config(tmp_path, text), OWN) == {
        "a": Patient("007"),
        "b": Patient("007", 7.0),
    }


def test_ages_of_the_table_replace_those_of_the_source(tmp_path):
    text = "case,patient,age_years\na,p,0.5\nb,q,3\n"
    got = patients_of(config(tmp_path, text), OWN)
    assert [got[case].age_years for case in "ab"] == [0.5, 3.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,patient\na,p\n", "no patient for 1 of 2 cases: b. Add a row"),
        ("case,patient\na,p\nb,\n", "no patient in line 3"),
        ("case,patient\na,p\na,q\nb,q\n", "lists a case twice, in lines 2, 3"),
        ("case,person\na,p\n", "columns case, person. It needs"),
        ("case,patient,age_years\na,p,five\nb,q,\n", "from 0 to 120.*in line 2"),
        ("case,patient,age_years\na,p,\nb,q,-1\n", "from 0 to 120.*in line 3"),
        ("case,patient,age_years\na,p,nan\nb,q,\n", "from 0 to 120.*in line 2"),
        ("case,patient\na,Doe\nb,doe\n", "case and spaces, but those in line 2 and l"),
        ("case,patient\na,J Doe\nb,JDoe\n", "those in line 2 and line 3 do not"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    with pytest.raises(CohortError, match=message):
        patients_of(config(tmp_path, text), OWN)


def test_accents_match_composed_or_not(tmp_path):
    composed, decomposed = "L\xe9ka\u0159", "Le\u0301kar\u030c"
    own = {name: Patient(name) for name in (f"{decomposed}_1", f"{composed}_2")}
    text = f"case,patient\n{composed}_1,{composed}\n{decomposed}_2,{decomposed}\n"
    got = patients_of(config(tmp_path, text), own)
    assert got == dict.fromkeys(own, Patient(composed))


def test_ages_may_have_a_comma(tmp_path):
    text = 'case;patient;age_years\na;p;0,5\nb;q;"3"\n'
    got = patients_of(config(tmp_path, text), OWN)
    assert [got[case].age_years for case in "ab"] == [0.5, 3.0]


def test_lost_leading_zeros_are_recognised(tmp_path):
    own = {name: Patient(name) for name in ("0012", "0107", "scan")}
    text = "case,patient\nscan,p\n12,q\n107,r\n8,s\n"
    with pytest.raises(CohortError) as error:
        patients_of(config(tmp_path, text), own)
    assert str(error.value).endswith(
        "names no patient for 2 of 3 cases: 0012, 0107. 2 of its rows name no case, "
        "but without leading zeros they would, in lines 3, 4 (the table has 12, the "
        "folder 0012): a spreadsheet took the names for numbers. Format the column as "
        "text and write the zeros again."
    )
    with pytest.raises(CohortError) as error:
        patients_of(config(tmp_path, text, pseudonyms=True), own)
    told = str(error.value).replace(str(tmp_path), "")
    assert "they would, in lines 3, 4: a spreadsheet took" in told
    assert "12" not in told
    assert "107" not in told


@pytest.mark.parametrize(
    "text",
    [
        "case,patient\nMeier_1,Anna Meier\n",
        "case,patient\nMeier_1,Anna Meier\nMeier_2,ANNA MEIER\n",
        "case,patient,age_years\nMeier_1,Anna Meier,Meier\nMeier_2,Anna Meier,\n",
        "case,patient\nMeier_1,Anna Meier\nMeier_1,Anna Meier\n",
    ],
)
def test_no_message_tells_names_while_they_are_hidden(tmp_path, text):
    own = {name: Patient(name) for name in ("Meier_2", "Meier_1")}
    with pytest.raises(CohortError) as error:
        patients_of(config(tmp_path, text, pseudonyms=True), own)
    told = str(error.value).replace(str(tmp_path), "")
    assert "meier" not in told.lower()


def test_hidden_cases_are_told_by_their_place(tmp_path):
    own = {name: Patient(name) for name in ("c", "a", "b")}
    hidden = config(tmp_path, "case,patient\nb,p\n", pseudonyms=True)
    with pytest.raises(CohortError, match="number 1, 3 in alphabetical order"):
        patients_of(hidden, own)


def test_cases_that_differ_by_case_alone_need_a_table(tmp_path):
    own = {name: Patient(name) for name in ("x1", "X1", "y")}
    with pytest.raises(CohortError, match="those of case 1 and case 2"):
        patients_of(cohort_config(), own)
    table = config(tmp_path, "case,patient\nx1,p\nX1,p\ny,q\n")
    assert patients_of(table, own)["X1"].name == "p"
