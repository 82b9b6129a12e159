import hashlib
import json

import pytest

from deeprac.errors import SurgeryError
from deeprac.files import csv_text
from deeprac.surgery.previous import read_previous, with_changes
from deeprac.surgery.rows import Row, as_table, value_of


def table(**volumes):
    return as_table([Row(name, "volume_ml", ml) for name, ml in volumes.items()])


def write(folder, measures):
    content = csv_text(measures).encode()
    (folder / "measures.csv").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    result = folder / "result.json"
    result.write_text(json.dumps({"files": {"measures.csv": {"sha256": sha256}}}))
    return result


def test_change_in_ml_and_percent(tmp_path):
    before = table(tumours=400.0, tumours_left=400.0, kidney_left=80.0, tumour_1=390.0)
    now = table(tumours=100.0, tumours_left=100.0, kidney_left=90.0, tumour_1=100.0)
    changed = with_changes(now, read_previous(write(tmp_path, before)))
    assert value_of(changed, "tumours", "change_ml") == -300
    assert value_of(changed, "tumours_left", "change_percent") == -75
    assert value_of(changed, "kidney_left", "change_percent") == 12.5
    # Instances are numbered by size: they need not be the same tumour.
    assert not (changed[changed.structure == "tumour_1"].measure == "change_ml").any()
    assert changed[changed.measure == "change_ml"].note[4] == "400.0 ml before"
    assert changed.columns.tolist() == now.columns.tolist()


def test_no_percent_of_nothing():
    changed = with_changes(table(tumours=12.0), table(tumours=0.0))
    assert value_of(changed, "tumours", "change_ml") == 12
    assert not (changed.measure == "change_percent").any()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": {"measures.csv": 3}}'])
def test_no_result(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(SurgeryError, match="of a complete output folder"):
        read_previous(path)


def test_a_table_that_was_changed(tmp_path):
    result = write(tmp_path, table(tumours=400.0))
    (tmp_path / "measures.csv").write_text("other")
    with pytest.raises(SurgeryError, match="Give a folder that was not changed"):
        read_previous(result)
