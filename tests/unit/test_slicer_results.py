"""Results: verified file by file, on the volume's own grid, or refused."""

import hashlib
import json

import numpy as np
import pytest
from DeePRACLib.errors import ProblemError
from DeePRACLib.results import Grid, read_result

from deeprac.cohort.grid import Grid as PackageGrid

GRID = Grid(
    (9, 7, 5), (0.8, 0.8, 3.0), (-40.0, 12.5, 7.0), (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8)
)


def write(output, **changed):
    folder = output / "result"
    (folder / "models").mkdir(parents=True)
    files = {
        "segmentation.seg.nrrd": b"NRRD",
        "measures.csv": b"structure,measure,value\nkidney_left,volume_ml,100\n",
        "models/kidney_left.stl": b"solid",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    stated = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in files.items()
    }
    content = {
        "schema": 1,
        "overall": "look",
        "flags": [{"message": "m", "remedy": "r"}],
        "files": stated,
        "grid": {
            "size": list(GRID.size),
            "spacing_mm": list(GRID.spacing_mm),
            "origin_mm": list(GRID.origin_mm),
            "direction": list(GRID.direction),
        },
    } | changed
    (folder / "result.json").write_text(json.dumps(content))
    return folder


def test_a_good_result(tmp_path):
    write(tmp_path)
    result = read_result(str(tmp_path), GRID)
    assert result.overall == "look"
    assert result.has("models/kidney_left.stl")
    assert result.measures() == [
        {"structure": "kidney_left", "measure": "volume_ml", "value": "100"}
    ]


def test_no_result(tmp_path):
    with pytest.raises(ProblemError, match="without a result"):
        read_result(str(tmp_path), GRID)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"schema": 2}, "schema 1; got 2"),
        ({"schema": None}, "schema 1; got None"),
        ({"files": {}}, "lacks segmentation.seg.nrrd and measures.csv"),
        ({"files": []}, "no files"),
        ({"flags": ["x"]}, "flag is none"),
        ({"overall": "fine"}, "verdict is 'fine'"),
    ],
)
def test_another_result_json_is_refused(tmp_path, changed, words):
    write(tmp_path, **changed)
    with pytest.raises(ProblemError, match=words):
        read_result(str(tmp_path), GRID)


def test_broken_json_is_refused(tmp_path):
    (write(tmp_path) / "result.json").write_text("{")
    with pytest.raises(ProblemError, match="cannot be read"):
        read_result(str(tmp_path), GRID)


def test_a_changed_byte_is_noticed_in_any_file(tmp_path):
    for name in ("segmentation.seg.nrrd", "measures.csv", "models/kidney_left.stl"):
        output = tmp_path / name.replace("/", "_")
        folder = write(output)
        (folder / name).write_bytes(b"x" + (folder / name).read_bytes()[1:])
        with pytest.raises(ProblemError, match=f"bytes of {name}"):
            read_result(str(output), GRID)


def test_a_missing_file_is_noticed(tmp_path):
    (write(tmp_path) / "models" / "kidney_left.stl").unlink()
    with pytest.raises(ProblemError, match=r"kidney_left\.stl is missing"):
        read_result(str(tmp_path), GRID)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a//b", "a\\b", "link"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    folder = write(tmp_path)
    content = json.loads((folder / "result.json").read_text())
    (tmp_path / "secret").write_bytes(b"NRRD")
    (folder / "link").symlink_to(tmp_path / "secret")
    content["files"][name] = content["files"]["segmentation.seg.nrrd"]
    (folder / "result.json").write_text(json.dumps(content))
    with pytest.raises(ProblemError, match="leads out of its folder"):
        read_result(str(tmp_path), GRID)


@pytest.mark.parametrize(
    "other",
    [
        Grid((9, 5, 7), *list(GRID.__dict__.values())[1:]),
        Grid(GRID.size, (0.8, 0.8, 3.1), GRID.origin_mm, GRID.direction),
        Grid(GRID.size, GRID.spacing_mm, (40.0, 12.5, 7.0), GRID.direction),
        Grid(GRID.size, GRID.spacing_mm, GRID.origin_mm, (1, 0, 0, 0, 1, 0, 0, 0, 1)),
    ],
)
def test_the_result_of_another_volume_is_refused(tmp_path, other):
    write(tmp_path)
    with pytest.raises(ProblemError, match="another grid"):
        read_result(str(tmp_path), other)


def test_convention_slicers_matrix_is_ras_and_the_result_lps():
    # The package's own grid gives LPS from voxels; x and y turned, it is RAS.
    theirs = PackageGrid(GRID.size, GRID.spacing_mm, GRID.origin_mm, GRID.direction)
    ras = np.vstack([np.diag([-1, -1, 1]) @ theirs.lps_from_voxel_mm, [0, 0, 0, 1]])
    assert Grid.from_ijk_to_ras(ras.tolist(), GRID.size).is_same_as(GRID)
    assert Grid.from_json(theirs.as_json()) == GRID
