import hashlib
from dataclasses import replace

import pytest

from deeprac.errors import SurgeryError
from deeprac.files import csv_text, write_json
from deeprac.surgery.previous import previous_flags, read_previous, with_changes
from deeprac.surgery.result import result_of
from deeprac.surgery.rows import Row, as_table, value_of
from support.studies import a_study, boxes


def table(**volumes):
    return as_table([Row(name, "volume_ml", ml) for name, ml in volumes.items()])


def write(folder, measures, **changes):
    """A result with these measures, and its seal."""
    content = csv_text(measures).encode()
    (folder / "measures.csv").write_bytes(content)
    seal = result_of(a_study(boxes(), image=False), (), folder) | changes
    write_json(folder / "result.json", seal)
    return folder / "result.json"


def test_change_in_ml_and_percent(tmp_path):
    before = table(tumours=400.0, tumours_left=400.0, kidney_left=80.0, tumour_1=390.0)
    now = table(tumours=100.0, tumours_left=100.0, kidney_left=90.0, tumour_1=100.0)
    changed = with_changes(now, read_previous(write(tmp_path, before)).measures)
    assert value_of(changed, "tumours", "change_ml") == -300
    assert value_of(changed, "tumours_left", "change_percent") == -75
    assert value_of(changed, "kidney_left", "change_percent") == 12.5
    # Instances are numbered by size: they need not be the same tumour.
    assert not (changed[changed.structure == "tumour_1"].measure == "change_ml").any()
    assert changed[changed.measure == "change_ml"].note[4] == "400.0 ml before"
    assert changed.columns.tolist() == now.columns.tolist()


def test_a_side_whose_tumours_vanished_or_came():
    kidneys = {"kidney_left": 80.0, "kidney_right": 70.0}
    before = table(tumours=40.0, tumours_left=40.0, **kidneys)
    changed = with_changes(table(tumours=9.0, tumours_right=9.0, **kidneys), before)
    assert value_of(changed, "tumours_left", "change_ml") == -40
    assert value_of(changed, "tumours_left", "change_percent") == -100
    assert value_of(changed, "tumours_right", "change_ml") == 9
    # Neither had one: nothing to tell.
    changed = with_changes(before, before)
    assert "tumours_right" not in set(changed.structure)


def test_a_side_that_is_not_known_has_no_change():
    before = table(tumours=40.0, tumours_left=40.0, kidney_left=80.0, kidney_right=70.0)
    changed = with_changes(table(tumours=9.0, kidney=150.0), before)
    assert set(changed[changed.measure == "change_ml"].structure) == {"tumours"}


def test_which_result_it_was(tmp_path):
    path = write(
        tmp_path, table(tumours=1.0), overall="do not use",
        provenance={"timepoint": "diagnosis"},
    )  # fmt: skip
    previous = read_previous(path)
    assert previous.as_json() == {
        "overall": "do not use",
        "timepoint": "diagnosis",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (flag,) = previous_flags(previous)
    assert (flag.code, flag.verdict.value) == ("previous_result", "do not use")
    assert previous_flags(replace(previous, overall="look")) == ()


def test_another_schema(tmp_path):
    path = write(tmp_path, table(tumours=1.0), schema=2)
    with pytest.raises(SurgeryError, match="Only results of schema 1 are read"):
        read_previous(path)


def test_no_percent_of_nothing():
    changed = with_changes(table(tumours=12.0), table(tumours=0.0))
    assert value_of(changed, "tumours", "change_ml") == 12
    assert not (changed.measure == "change_percent").any()


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_no_result(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(SurgeryError, match="A result is the folder"):
        read_previous(path)


@pytest.mark.parametrize("files", [{}, {"measures.csv": 3}, []])
def test_a_result_without_measures(tmp_path, files):
    path = write(tmp_path, table(tumours=1.0), files=files)
    with pytest.raises(SurgeryError, match="of a complete output folder"):
        read_previous(path)


def test_a_table_that_was_changed(tmp_path):
    result = write(tmp_path, table(tumours=400.0))
    (tmp_path / "measures.csv").write_text("other")
    with pytest.raises(SurgeryError, match="Give a folder that was not changed"):
        read_previous(result)
