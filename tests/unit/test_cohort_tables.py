import pytest

from deeprac.cohort.tables import read_rows
from deeprac.errors import CohortError


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_tell_their_line_and_stripped_cells(tmp_path):
    text = 'case , patient\na, p 1\n\n,\n"b","q, ""x"""\n'
    rows = read_rows(table(tmp_path, text), ("case", "patient"))
    assert [row.line for row in rows] == [2, 5]
    assert [dict(row.cells) for row in rows] == [
        {"case": "a", "patient": "p 1"},
        {"case": "b", "patient": 'q, "x"'},
    ]


def test_names_that_look_like_no_value_stay_names(tmp_path):
    rows = read_rows(table(tmp_path, "case,patient\n01,NA\n1,null\n"), ("case",))
    assert [row.cells["case"] for row in rows] == ["01", "1"]
    assert [row.cells["patient"] for row in rows] == ["NA", "null"]


def test_a_spreadsheets_byte_order_mark_is_not_part_of_a_column(tmp_path):
    path = table(tmp_path, "case,patient\nJosé,p\n", "utf-8-sig")
    assert read_rows(path, ("case",))[0].cells["case"] == "José"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns . It needs the columns case and patient"),
        ("case;patient\na;p\n", "has the columns case;patient.*separated by commas"),
        ("case\na\n", "needs the columns case and patient; age may be there"),
        ("case,patient,sex\na,p,f\n", "columns case, patient, sex. It needs"),
        ("case,case,patient\na,b,p\n", "each once"),
        ("case,patient\na,p\nb\n", "no patient in line 3. Fill it in"),
        ("case,patient\n,p\na,p\n,q\n", "no case in lines 2, 4"),
        ("case,patient\nDoe, John,p\n", "more cells than columns in line 2"),
        ('case,patient\n"a,p\n', "cannot be read as a table"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    with pytest.raises(CohortError, match=message):
        read_rows(table(tmp_path, text), ("case", "patient"), ("age",))


def test_another_encoding_is_told(tmp_path):
    path = table(tmp_path, "case,patient\nJosé,p\n", "latin-1")
    with pytest.raises(CohortError, match="Save it as CSV in UTF-8"):
        read_rows(path, ("case",))


def test_a_missing_table(tmp_path):
    with pytest.raises(CohortError, match=r"no\.csv is missing"):
        read_rows(tmp_path / "no.csv", ("case",))
