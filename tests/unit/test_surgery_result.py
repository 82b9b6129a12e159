"""The seal of a result."""

import hashlib
import json

import pytest

from deeprac.errors import SurgeryError
from deeprac.files import write_json
from deeprac.surgery.result import read_result, result_of
from deeprac.surgery.surfaces import surfaces
from support.studies import a_study, boxes, source_grid


@pytest.fixture(scope="module")
def study():
    anatomy = boxes(8)
    return a_study(anatomy, source=source_grid(anatomy, "RAS"), image=False)


@pytest.fixture
def content(study, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.stl").write_bytes(b"abc")
    (tmp_path / "measures.csv").write_text("structure\n")
    return result_of(study, surfaces(study.anatomy), tmp_path)


def test_files_with_their_bytes_and_checksums(content):
    assert list(content["files"]) == ["measures.csv", "models/a.stl"]
    assert content["files"]["models/a.stl"] == {
        "bytes": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


def test_what_comes_back(content, study, tmp_path):
    write_json(tmp_path / "result.json", content)
    result = read_result(tmp_path / "result.json")
    assert result.grid == study.source
    assert result.overall == "look"
    assert result.flags[0]["code"] == "kidney_count"
    left = result.structures[0]
    assert {key: left[key] for key in ("number", "name", "kind", "side")} == {
        "number": 1,
        "name": "kidney_left",
        "kind": "kidney",
        "side": "left",
    }
    # 6 x 7 x 9 voxels of 1.8 mm3.
    assert left["volume_ml"] == pytest.approx(378 * 1.8 / 1000)
    assert left["surface_ml"] == pytest.approx(left["volume_ml"], rel=1e-3)
    assert result.structures[2]["instance"] == 1
    assert result.provenance["folds"] == [0, 1]
    assert result.versions["vtk"]


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_refused(content, tmp_path, schema):
    write_json(tmp_path / "result.json", content | {"schema": schema})
    with pytest.raises(SurgeryError, match="Only results of schema 1"):
        read_result(tmp_path / "result.json")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", json.dumps({"schema": 1}), "\udcff"]
)
def test_a_damaged_file_is_refused(tmp_path, text):
    path = tmp_path / "Jane_Doe.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SurgeryError, match="missing or damaged") as caught:
        read_result(path)
    assert "Jane" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SurgeryError, match="missing or damaged"):
        read_result(tmp_path / "result.json")
