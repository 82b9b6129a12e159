"""Pseudonyms: the same on every run, and never others in silence."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeprac.cohort import pseudonyms
from deeprac.cohort.pseudonyms import KEY, TABLE, Pseudonyms, is_pseudonym
from deeprac.errors import CohortError

PATIENTS = {"MUSTERMANN^Erika/CT1": "MUSTERMANN^Erika", "Öz, Can": "Öz, Can"}
FILES = {"Öz, Can": {"image": Path("/ct/Öz, Can.nii"), "label": Path("/ct/l.nii")}}


@pytest.fixture
def private(tmp_path):
    return tmp_path / "private"


@pytest.fixture
def names(private):
    names = Pseudonyms(private, "wilms")
    names.record(PATIENTS, FILES)
    return names


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_known_names(private):
    # From python -c 'import hmac; n = int.from_bytes(hmac.digest(b"\\1" * 32,
    #   b"case\\0wilms\\0a", "sha256")); print(n % 24, n // 24 % 10, n // 240 % 24)'
    # that is 2 5 12: the third letter, 5, the thirteenth letter without l.
    private.mkdir()
    (private / KEY).write_text("01" * 32)
    assert Pseudonyms(private, "wilms").case("a").startswith("case_c5n")


@given(st.text(max_size=20))
def test_every_name_is_a_pseudonym_that_a_release_takes(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "hypothesis"
    names = Pseudonyms(folder, "wilms")
    for name in (names.case(text), names.patient(text)):
        assert is_pseudonym(name)


def test_the_same_key_gives_the_same_names_and_another_none_of_them(tmp_path):
    one = Pseudonyms(tmp_path / "a", "wilms")
    assert Pseudonyms(tmp_path / "a", "wilms").case("x") == one.case("x")
    assert Pseudonyms(tmp_path / "b", "wilms").case("x") != one.case("x")


def test_cohorts_of_one_key_share_no_name(private):
    one, two = (Pseudonyms(private, name) for name in ("one", "two"))
    assert one.case("x") != two.case("x")
    assert one.patient("x") != two.patient("x")
    one.record({"x": "p"}, {})
    two.record({"x": "p"}, {})
    assert len(list(private.glob(f"*/{TABLE}"))) == 2


def test_accents_may_be_composed_or_not(names):
    assert names.case("O\u0308z, Can") == names.case("\u00d6z, Can")


def test_a_file_name_that_is_no_unicode_has_a_name_and_a_row(names):
    undecodable = os.fsdecode(b"M\xfcller")
    names.record({undecodable: undecodable}, {undecodable: {"image": Path("x")}})
    names.record({}, {})
    assert b"M\xfcller" in names.table.read_bytes()


def test_the_table_says_who_is_who(names):
    table = pd.read_csv(names.table).set_index("source_case")
    assert list(table.columns) == ["case", "patient", "source_patient", "files"]
    row = table.loc["Öz, Can"]
    assert row.case == names.case("Öz, Can")
    assert row.patient == names.patient("Öz, Can")
    assert row.files == "image: /ct/Öz, Can.nii; label: /ct/l.nii"
    assert table["case"].is_monotonic_increasing


def test_only_the_owner_can_read(names, private):
    assert mode(private) == mode(private / "wilms") == 0o700
    assert mode(private / KEY) == mode(names.table) == 0o600


def test_further_cases_change_no_row_and_earlier_ones_stay(names):
    before = set(names.table.read_text().splitlines())
    names.record({"new": "new"}, {})
    after = names.table.read_text().splitlines()
    assert before < set(after)
    assert len(after) == 4


def test_a_complete_table_is_not_written_again(names, private):
    for path in (private, private / "wilms"):
        path.chmod(0o500)
    before = names.table.stat().st_mtime_ns
    try:
        Pseudonyms(private, "wilms").record(PATIENTS, FILES)
    finally:
        for path in (private, private / "wilms"):
            path.chmod(0o700)
    assert names.table.stat().st_mtime_ns == before


def test_processes_that_start_together_agree_on_one_key(private):
    def name(_):
        return Pseudonyms(private, "wilms").case("x")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(name, range(32)))) == 1
    assert [path.name for path in private.iterdir() if path.is_file()] == [KEY]


def test_a_lost_key_is_not_replaced(names, private):
    (private / KEY).unlink()
    for cohort in ("wilms", "another"):
        with pytest.raises(CohortError, match=r"missing.*Restore the key"):
            Pseudonyms(private, cohort)
    assert not (private / KEY).exists()


def test_a_table_of_another_key_is_refused_and_stays(names, private):
    (private / KEY).write_text("01" * 32)
    before = names.table.read_bytes()
    with pytest.raises(CohortError, match="made with another key"):
        Pseudonyms(private, "wilms").record(PATIENTS, FILES)
    assert names.table.read_bytes() == before


@pytest.mark.parametrize("text", ["", "01", "zz" * 32, "01" * 33])
def test_a_damaged_key_is_refused(private, text):
    private.mkdir()
    (private / KEY).write_text(text)
    with pytest.raises(CohortError, match="64 hexadecimal digits"):
        Pseudonyms(private, "wilms")


@pytest.mark.parametrize(
    "text",
    ["case,patient\nx,y\n", "case,patient,source_case,source_patient,files\nx\n"],
)
def test_a_damaged_table_is_refused(names, text):
    names.table.write_text(text)
    with pytest.raises(CohortError, match=r"pseudonyms\.csv is damaged"):
        names.record(PATIENTS, FILES)


def test_equal_names_are_refused(names, monkeypatch):
    monkeypatch.setattr(pseudonyms, "_LETTERS", "a")
    monkeypatch.setattr(Pseudonyms, "_digest", lambda *_: b"\0")
    names.table.unlink()
    with pytest.raises(CohortError, match=r"Two cases would both be called case_a0a0"):
        names.record(PATIENTS, FILES)


def test_two_cases_of_one_patient_share_the_patient(names):
    names.record({"a": "p", "b": "p"}, {})
    table = pd.read_csv(names.table).set_index("source_case")
    assert table.patient["a"] == table.patient["b"] == names.patient("p")
