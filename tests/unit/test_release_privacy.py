"""Only what is known to be harmless passes; what real releases hold does."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeprac.config_files import read_raw, resolve
from deeprac.release.contents import objections, shape, stripped_config
from deeprac.schema import merge

ROOT = Path(__file__).parents[2]
WORDS = st.text("abc xyz_-,;:()", max_size=12)
CASES = "schema,cohort,experiment,fold,seed,case,patient,label\n"


def refused(text: str, key: str = "report.notes", **options) -> list[str]:
    """What is objected to where a configuration has a text."""
    section, _, entry = key.partition(".")
    content = json.dumps({section: {entry: [text]}}).encode()
    return list(objections({"config.json": content}, **options))


def refused_ids(ids: list[str], **options) -> list[str]:
    rows = "".join(f'2,own,stn,0,0,"{name}",patient_k3f9x2q7,kidney\n' for name in ids)
    table = (CASES + rows).encode()
    return list(objections({"summary/cases.csv": table}, **options))


def refused_column(column: str, text: str) -> list[str]:
    return list(objections({"summary/runs.csv": f"{column}\n{text}\n".encode()}))


def refused_run(key: str, text: str) -> list[str]:
    entry, _, inner = key.partition(".")
    content = json.dumps({entry: {inner: text} if inner else text}).encode()
    return list(objections({"stn/seed0/fold_0/run.json": content}))


def between(year: int) -> st.SearchStrategy[tuple[int, int, int]]:
    return st.tuples(st.integers(year, 2039), st.integers(1, 12), st.integers(1, 28))


@given(
    between(1920),
    st.sampled_from(
        ["{0}-{1:02}-{2:02}", "{0}{1:02}{2:02}", "{2:02}.{1:02}.{0}", "{2}/{1}/{0}"]
    ),
    WORDS,
    WORDS,
)
def test_dates_are_refused_wherever_they_stand(date, form, before, after):
    assert refused(f"{before} {form.format(*date)} {after}")


@given(st.lists(st.integers(0, 99999), min_size=6, max_size=10), WORDS)
def test_uids_are_refused(parts, before):
    assert refused(f"{before} {'.'.join(map(str, parts))}")


FOREIGN = [
    *("Doe^Jane", "Müller^Änne^^Dr.", "anna.m@hospital.example.org"),
    *("12 Mar 2021", "3. Oktober 57", "Dec 24, 2019", "043Y"),
    *("MRN 00123456", "0012345678", "case_20210304", "stn_2021-03-04"),
    *("/home/mueller/ct", "see ~/ct", "--config=/data/c.json", "C:\\Users\\mueller"),
    *("\\\\server\\ct", "file:///data", "mueller.nii.gz", "IM0001.dcm, IM0002.dcm"),
    *("scan.NRRD", "1.2.840.113619.2.55.3"),
]
"""Persons, dates, records, folders and images."""


@pytest.mark.parametrize("text", FOREIGN)
@pytest.mark.parametrize("key", ["report.notes", "cohort.labels", "methods.x"])
def test_persons_dates_and_files_are_refused_and_not_repeated(text, key):
    (found,) = refused(text, key)
    assert key in found
    assert not any(word in found for word in ("Doe", "Müller", "mueller", "1234"))


@pytest.mark.parametrize("size", ["384x320", "32x48x48"])
def test_sizes_of_slices_and_volumes_are_let_through(size):
    assert refused_column("matrix_size", size) == []
    assert refused_column("matrix_size", f"{size}x12x34") != []


@pytest.mark.parametrize("text", FOREIGN)
def test_they_are_refused_in_tables_and_records_of_runs_too(text):
    row = f'2,"{text}",stn,0,0,case_k3f9x2q7,patient_k3f9x2q7,"{text} x"\n'
    found = list(objections({"summary/cases.csv": (CASES + row).encode()}))
    assert any("column label" in line for line in found)
    for key in (
        "device.name",
        "host.processor",
        "software.torch",
        "argv",
        "settings.a",
    ):
        assert refused_run(key, f"{text} x"), key


@pytest.mark.parametrize(
    "text",
    [
        "nnU-Net's 2D U-Net on the whole slice, without augmentation.",
        "The same with zooms from 0.7 to 2.5.",
        "STN pose-size + crop (La Barbera) + nnU-Net",
        "8 may 5",
        "isensee2021",
        "nnunet_augment_wide_16",
        "kidney/tumour, left = right",
    ],
)
def test_plain_words_pass(text):
    assert refused(text) == []


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("git.commit", "9f" * 20),
        ("config_sha256", "0f1e" * 16),
        ("software.torch", "2.13.0+cpu"),
        ("host.platform", "Linux-6.18.44-fc-v669-x86_64-with-glibc2.36"),
        ("host.processor", "Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz"),
        ("host.processor", "12th Gen Intel(R) Core(TM) i7-12700H"),
        ("host.processor", ""),
        ("device.name", "NVIDIA H100 80GB HBM3"),
        ("argv", "--config"),
        ("argv", "config.json"),
        ("argv", "--config=my_cohort.yaml"),
    ],
)
def test_what_machines_write_passes_in_its_place_alone(key, text):
    assert refused_run(key, text) == []
    if any(c.isdigit() for c in text):
        assert refused(text)


def test_what_somebody_has_read_passes_and_nothing_else():
    note = "Time and memory only: after 180 steps on 8 phantoms."
    assert "--reviewed report.notes" in refused(note)[0]
    assert refused(note, reviewed=["report.notes"]) == []
    assert refused(note, reviewed=["report"]) == []
    assert refused(note, reviewed=["methods"])


@given(st.floats(0, 1e15).map(repr) | st.integers(0, 99_999).map(str))
def test_numbers_at_full_precision_pass_in_tables(number):
    row = f"0,{number},{number},\n".encode()
    table = b"epoch,train_loss,seconds,localiser_gradient\n" + row
    assert list(objections({"stn/seed0/fold_0/training.csv": table})) == []


@pytest.mark.parametrize(
    "name", ["case_k3f9x2q7", "patient_k3f9x2q7", "phantom_002", "patient_012"]
)
def test_pseudonyms_and_phantoms_pass(name):
    assert refused_ids([name]) == []


@pytest.mark.parametrize(
    "ids",
    [
        ["Mueller_1", "Meier_2"],
        ["mueller_1_s060", "mueller_1_s061"],
        ["mueller_1", "mueller_2", "case_3"],
        ["ct_mueller_1"],
        ["Anna Müller"],
        ["case_k3f9x2q7", "Doe^Jane"],
        ["case_20210304"],
        ["1234567"],
        ["patient_schubert"],
        ["k3f9x2q"],
        ["../x"],
        ["<script>"],
        [""],
        ["1.2.840.113619.2.55.3"],
    ],
)
def test_names_are_no_pseudonyms(ids):
    assert len(refused_ids(ids)) == 1


def test_names_of_a_public_cohort_pass_and_no_others():
    ids = ["kits00025_s060", "KiTS-00012", "TCGA-B0-4698", "Pediatric-CT-SEG-00DCF4D6"]
    assert refused_ids(ids)
    assert refused_ids(ids, own_ids=ids) == []
    assert refused_ids([*ids, "mueller_1"], own_ids=ids)


@given(st.text("ABCDEFGHIabcdefghi", min_size=3, max_size=12))
def test_a_word_without_number_is_no_pseudonym(word):
    assert refused_ids([word])


@pytest.mark.parametrize(
    "name", ["patient_name", "PatientBirthDate", "sex", "age_years", "x", "stage"]
)
@pytest.mark.parametrize("table", ["summary/runs.csv", "summary/cohort.csv"])
def test_columns_that_no_table_has_are_refused(name, table):
    (found,) = objections({table: f"{name}\n0\n".encode()})
    assert f"has the column {name}, which no release holds" in found


@given(st.text(min_size=1, max_size=40))
def test_a_shape_repeats_no_letter_or_digit(text):
    assert {c for c in shape(text) if c.isalnum()} <= {"a", "A", "9"}


@pytest.mark.parametrize(
    "path",
    sorted(
        set((ROOT / "config").rglob("*.yaml"))
        - {ROOT / f"config/{name}.yaml" for name in ("claims", "methods")}
    ),
    ids=lambda path: path.stem,
)
def test_the_shipped_configurations_need_no_review(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    accepted = {"cohort": {"fetch": {"licence": "CC-BY-NC-SA-4.0"}}}
    stripped = stripped_config(resolve(merge(read_raw([path]), accepted)))
    content = json.dumps(stripped).encode()
    found = list(objections({"config.json": content}))
    assert [line for line in found if "report.notes" not in line] == []
