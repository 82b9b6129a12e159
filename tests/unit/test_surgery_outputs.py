"""The folder of a result: complete, or nothing."""

import errno
import hashlib
import os
import re
import resource
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import cc3d
import numpy as np
import pytest
import SimpleITK as sitk
import trimesh

from deeprac import files
from deeprac.cohort.grid import Grid
from deeprac.errors import SurgeryError
from deeprac.surgery import outputs
from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.outputs import (
    WORKING,
    result_folder,
    write_study,
    written_flags,
)
from deeprac.surgery.result import read_result
from deeprac.surgery.surfaces import surfaces
from support.studies import (
    LEFT,
    a_study,
    an_anatomy,
    boxes,
    lps_grid,
    write_series,
)

ALL = {
    "changes.csv", "labels.nii.gz", "measures.csv", "models", "preview", "protocol.csv",
    "report.html", "result.json", "segmentation.seg.nrrd",
}  # fmt: skip


def names(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.fixture
def quick(monkeypatch):
    """Without pictures and the page, which take longest."""
    monkeypatch.setattr(outputs, "write_preview", lambda *_: None)
    monkeypatch.setattr(outputs, "write_page", lambda *_: None)


QUICK = ALL - {"preview", "report.html"}
ALONE = Structure(1, Kind.TUMOUR, BodySide.UNKNOWN, 1)


@pytest.mark.slow
def test_everything_is_there_and_sealed(tmp_path):
    write_study(a_study(), tmp_path / "out")
    assert names(tmp_path / "out") == ALL
    result = read_result(tmp_path / "out" / "result.json")
    inside = {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert set(result.files) == inside - {"result.json"}
    for name, seal in result.files.items():
        content = (tmp_path / "out" / name).read_bytes()
        assert seal["bytes"] == len(content)
        assert seal["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.slow
def test_the_same_study_gives_the_same_bytes(tmp_path):
    for folder in "ab":
        write_study(a_study(), tmp_path / folder)
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes(), path.name


def test_dicom_seg_on_demand(tmp_path, quick):
    anatomy = boxes()
    paths = write_series(tmp_path / "ct", anatomy.grid, patient="Jane_Doe")
    study = a_study(anatomy, image=False)
    write_study(study, tmp_path / "out", dicom=paths)
    assert names(tmp_path / "out") == QUICK | {"segmentation.dcm"}
    # Nothing else knows the patient.
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            assert b"Jane" not in path.read_bytes(), path.name


def test_no_structure_at_all(tmp_path):
    grid = lps_grid(size=(16, 15, 14))
    empty = Anatomy(np.zeros((14, 15, 16), np.uint8), grid, ())
    paths = write_series(tmp_path / "ct", grid)
    write_study(a_study(empty), tmp_path / "out", dicom=paths)
    assert names(tmp_path / "out") == ALL - {"models", "preview"}
    assert "There is no structure to show" in (tmp_path / "out/report.html").read_text()
    codes = [flag["code"] for flag in read_result(tmp_path / "out/result.json").flags]
    assert codes == ["kidney_count", "no_dicom_seg"]


@pytest.mark.slow
def test_one_tumour_fills_the_whole_volume(tmp_path):
    grid = lps_grid(size=(27, 18, 16), spacing_mm=(0.8, 0.9, 2.5))
    full = Anatomy(np.ones((16, 18, 27), np.uint8), grid, (ALONE,))
    write_study(a_study(full, image=False), tmp_path / "out")
    assert names(tmp_path / "out") == ALL
    (one,) = read_result(tmp_path / "out/result.json").structures
    assert one["volume_ml"] == pytest.approx(27 * 18 * 16 * 0.8 * 0.9 * 2.5 / 1000)
    assert one["surface_ml"] == pytest.approx(one["volume_ml"], rel=0.01)


def test_an_empty_folder_is_taken_and_another_refused(tmp_path, quick):
    (tmp_path / "out").mkdir()
    write_study(a_study(boxes()), tmp_path / "out")
    assert names(tmp_path / "out") == QUICK
    with pytest.raises(SurgeryError, match=r"not empty\. Give another"):
        write_study(a_study(boxes()), tmp_path / "out")
    with (
        pytest.raises(SurgeryError, match="not empty"),
        result_folder(tmp_path / "out"),
    ):
        pass
    assert names(tmp_path / "out") == QUICK


def test_a_folder_is_held_from_the_start_and_left_as_it_was(tmp_path):
    """Two runs into one folder: the second ends before its work."""
    out = tmp_path / "out"
    with result_folder(out):
        with pytest.raises(SurgeryError, match="another run writes into"):
            write_study(a_study(boxes()), out)
        assert names(out) == {WORKING}
    assert not out.exists()
    out.mkdir()
    with pytest.raises(OSError, match="of the work"), result_folder(out):
        raise OSError("of the work")
    assert out.exists()
    assert names(out) == set()


def test_a_file_in_its_place(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(SurgeryError, match="it is a file"):
        write_study(a_study(boxes()), tmp_path / "out")
    assert (tmp_path / "out").is_file()


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "Jane_Doe")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(SurgeryError, match=r"Permission denied\. Give") as caught:
        write_study(a_study(boxes()), tmp_path / "out")
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("write_models", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "Jane_Doe")),
        ("write_labels", OSError("Jane_Doe could not be written to its end")),
        ("_move", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
    ],
)
def test_a_full_disk_is_one_message_and_no_half_result(
    tmp_path, monkeypatch, quick, where, error
):
    def full(*_):
        raise error

    monkeypatch.setattr(outputs, where, full)
    with pytest.raises(SurgeryError, match="completely or not at all") as caught:
        write_study(a_study(boxes()), tmp_path / "out")
    assert re.search("No space left|may be full", str(caught.value))
    assert "Jane" not in str(caught.value)
    assert names(tmp_path / "out") == set()


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), SurgeryError),
        (SystemExit(143), SystemExit),  # SIGTERM
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_was_moved_goes_when_the_rest_cannot(
    tmp_path, monkeypatch, quick, error, seen, at
):
    real, calls = os.replace, []

    def ended(source, target):
        real(source, target)
        # Files are made by the same function, but inside the hidden folder.
        if Path(target).parent.name == "out":
            calls.append(target)
            if len(calls) == at:
                raise error

    monkeypatch.setattr(os, "replace", ended)
    with pytest.raises(seen):
        write_study(a_study(boxes()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_seal_is_moved_last(tmp_path, monkeypatch, quick):
    moved, real = [], os.replace

    def spy(source, target):
        if Path(target).parent.name == "out":
            moved.append(Path(target).name)
        real(source, target)

    monkeypatch.setattr(os, "replace", spy)
    write_study(a_study(boxes()), tmp_path / "out")
    assert moved[-1] == "result.json"
    assert set(moved) == QUICK


def test_of_two_runs_one_wins(tmp_path, monkeypatch, quick):
    started, go_on = threading.Event(), threading.Event()
    real = files.write_csv

    def slowly(*arguments):
        started.set()
        assert go_on.wait(30)
        real(*arguments)

    monkeypatch.setattr(outputs.files, "write_csv", slowly)
    first = threading.Thread(
        target=write_study, args=(a_study(boxes()), tmp_path / "out")
    )
    first.start()
    assert started.wait(30)
    with pytest.raises(SurgeryError, match="another run writes into"):
        write_study(a_study(boxes()), tmp_path / "out")
    go_on.set()
    first.join()
    assert names(tmp_path / "out") == QUICK


@pytest.mark.parametrize("most_bytes", [100, 3000, 20_000, 200_000])
def test_writers_of_every_kind_stop_where_the_disk_does(tmp_path, most_bytes):
    """No file may grow beyond a limit, as on a disk without room."""
    study = a_study()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, usual[1]))
    try:
        with pytest.raises(SurgeryError, match="completely or not at all"):
            write_study(study, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not (tmp_path / "out").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from deeprac.surgery import outputs
from support.studies import a_study, boxes
outputs.write_preview = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
outputs.write_study(a_study(boxes()), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_result(tmp_path):
    root = Path(__file__).parents[2]
    path = f"{root / 'src'}{os.pathsep}{root / 'tests'}"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "out")],
        env=os.environ | {"PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert killed.returncode == -9
    assert names(tmp_path / "out") == {WORKING}
    with pytest.raises(SurgeryError, match=f"remove {re.escape(WORKING)} from it"):
        write_study(a_study(boxes()), tmp_path / "out")


def test_surfaces_that_stray_are_flagged():
    good = surfaces(an_anatomy())
    assert written_flags(good, dicom_seg=True) == ()
    # 2 % of 20 ml are too much.
    large = replace(good[0], voxel_ml=good[0].volume_ml / 1.02)
    (flag,) = written_flags([large, *good[1:]], dicom_seg=False)
    assert (flag.code, flag.structure) == ("mesh_volume", LEFT.name)
    assert flag.value == pytest.approx(2)
    assert flag.message.startswith("left kidney: its 3D model has")


def test_its_flags_are_in_the_seal_and_on_the_page(tmp_path, monkeypatch):
    def halved(anatomy):
        return tuple(
            replace(one, voxel_ml=2 * one.voxel_ml) for one in surfaces(anatomy)
        )

    monkeypatch.setattr(outputs, "surfaces", halved)
    write_study(a_study(boxes(), image=False), tmp_path / "out")
    codes = [flag["code"] for flag in read_result(tmp_path / "out/result.json").flags]
    assert codes == ["kidney_count", *["small_mesh_volume"] * 3]
    assert "its 3D model has" in (tmp_path / "out/report.html").read_text()


def by_component(path):
    """The structures of a real label map: both kidneys, and the largest tumour."""
    volume = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    label = sitk.GetArrayFromImage(volume)
    numbers = np.zeros(label.shape, np.uint8)
    parts = cc3d.connected_components(label == 1)
    sizes = np.bincount(parts.ravel())[1:]
    two = np.argsort(sizes)[-2:] + 1
    left, right = sorted(two, key=lambda n: -np.nonzero(parts == n)[2].mean())
    numbers[parts == left], numbers[parts == right] = 1, 2
    numbers[cc3d.largest_k(label == 2, k=1) > 0] = 3
    return an_anatomy(Grid.of(volume), numbers)


def test_a_real_patient(shared_data, tmp_path):
    cohort = shared_data / "real_ct_nnunet"
    path = cohort / "labelsTr" / "ircad_07.nii.gz"
    anatomy = by_component(path)
    ct = sitk.ReadImage(str(cohort / "imagesTr" / "ircad_07_0000.nii.gz"))
    image = sitk.GetArrayFromImage(sitk.DICOMOrient(ct, "LPS")).astype(np.float32)
    source = Grid.of(sitk.ReadImage(str(path)))
    study = replace(a_study(anatomy, source=source, image=False), image=image)
    write_study(study, tmp_path / "out")
    result = read_result(tmp_path / "out" / "result.json")
    assert [flag["code"] for flag in result.flags] == ["kidney_count"]
    for one in result.structures:
        assert one["surface_ml"] == pytest.approx(one["volume_ml"], rel=0.01)
        mesh = trimesh.load(tmp_path / "out" / "models" / f"{one['name']}.stl")
        assert mesh.is_watertight
        assert mesh.volume / 1000 == pytest.approx(one["volume_ml"], rel=0.01)
    assert (tmp_path / "out" / "report.html").stat().st_size <= 15e6
