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


TABLE = [{"case": "a", "patient": "Doe, J"}, {"case": "b", "patient": ""}]


@pytest.mark.parametrize(
    "text",
    [
        'case,patient\na,"Doe, J"\nb,\n',
        'case,patient,,\na,"Doe, J",,\nb,,,\n,,,\n',  # a spreadsheet's empty columns
        'case,patient\na,"Doe, J",,\nb,,,,\n',
        'case,,patient\na,,"Doe, J"\nb,,\n',
        "case;patient\na;Doe, J\nb;\n",  # of countries that write 2,5
        '"case";"patient";;\r\n"a";"Doe, J";;\r\nb;;;\r\n',
        "case\tpatient\na\tDoe, J\nb\t\n",
        "case;patient\na;Doe, J\nb\n",
    ],
)
def test_what_spreadsheets_leave_behind_is_no_matter(tmp_path, text):
    rows = read_rows(table(tmp_path, text), ("case",), ("patient",))
    assert [dict(row.cells) for row in rows] == TABLE
    assert [row.line for row in rows] == [2, 3]


def test_a_separator_inside_of_cells_separates_nothing(tmp_path):
    text = "case,patient\na;b,p;q\n"
    (row,) = read_rows(table(tmp_path, text), ("case", "patient"))
    assert dict(row.cells) == {"case": "a;b", "patient": "p;q"}


def test_a_column_without_a_name_that_is_filled_is_a_column(tmp_path):
    path = table(tmp_path, ",case\n0,a\n1,b\n")
    assert [row.cells["case"] for row in read_rows(path, ("case",))] == ["a", "b"]
    with pytest.raises(CohortError, match="It needs the columns case; age may"):
        read_rows(path, ("case",), ("age",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns . It needs the columns case and patient"),
        ("case:patient\na:p\n", "has the columns case:patient.*commas, semicolons or"),
        ("case;patient\nDoe; John;p\n", "more cells than columns in line 2"),
        ("case,patient,,\nDoe, John,p,\n", "more cells than columns in line 2"),
        ("case;patient;case\na;p;b\n", "has the column 'case' twice"),
        ("case\na\n", "needs the columns case and patient; age may be there"),
        ("case,patient,sex\na,p,f\n", "columns case, patient, sex. It needs"),
        ("case,case,patient\na,b,p\n", "has the column 'case' twice. Keep one"),
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
