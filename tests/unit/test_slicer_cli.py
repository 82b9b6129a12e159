"""The second door: the module for Slicer's own command lines."""

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from support import fake_engine

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "slicer" / "DeePRAC" / "CLI"
SCRIPT = FOLDER / "DeePRACCLI.py"
STAND_IN = [sys.executable, str(fake_engine.STAND_IN)]


@pytest.fixture
def place(tmp_path):
    fake_engine.install(tmp_path / "bin", STAND_IN, tmp_path / "engine")
    volume = sitk.GetImageFromArray(np.zeros((5, 7, 9), np.int16))
    volume.SetSpacing((0.7, 0.7, 3.0))
    volume.SetOrigin((-40.0, 10.0, 5.0))
    sitk.WriteImage(volume, str(tmp_path / "ABCD_volume.nrrd"))
    (tmp_path / "bundle.zip").write_bytes(b"PK")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def start(place, *options, behaviour=""):
    path = f"{place / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    return subprocess.Popen(
        [
            *(sys.executable, str(SCRIPT), "--bundle", str(place / "bundle.zip")),
            *("--image", "deeprac:1", *options),
            *(str(place / "ABCD_volume.nrrd"), str(place / "labels.nii.gz")),
        ],
        env=os.environ
        | {"PATH": path, "STAND_IN": behaviour, "TMPDIR": str(place / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(place):
    containers = list((place / "engine" / "containers").iterdir())
    return [*containers, *(place / "tmp").iterdir()]


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_progress_is_told_and_the_labels_are_where_slicer_seeks_them(place):
    process = start(place, "--folds", "0,1")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "<filter-progress>0.1</filter-progress>" in out
    assert sitk.ReadImage(str(place / "labels.nii.gz")).GetSize() == (9, 7, 5)
    (call,) = fake_engine.calls(place / "engine", "run")
    assert "--slicer-cli" in call
    assert call[call.index("--folds") + 1 :][:2] == ["0", "1"]
    until(lambda: not left(place))


@pytest.mark.parametrize(
    ("options", "behaviour", "words"),
    [
        ((), "error", "the volume is no CT"),
        ((), "cuda", "GPU's memory is full"),
        ((), "wrong grid", "another grid"),
        (("--folds", "all"), "", "got 'all'"),
        (("--image", "a b"), "", "An image has a name"),
    ],
)
def test_the_cause_of_a_failure_is_told(place, options, behaviour, words):
    process = start(place, *options, behaviour=behaviour)
    _, err = process.communicate()
    assert process.returncode == 1
    assert words in err
    assert not (place / "labels.nii.gz").exists()
    until(lambda: not left(place))


def test_slicer_cancels_by_killing_and_nothing_is_left(place):
    process = start(place, behaviour="deaf")
    until(lambda: "filter-progress" in process.stdout.readline())
    assert left(place)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: not left(place))


def test_a_file_that_is_no_nrrd_is_refused(place):
    (place / "ABCD_volume.nrrd").write_bytes(b"\x00 no NRRD\n\n")
    process = start(place)
    _, err = process.communicate()
    assert process.returncode == 1
    assert "no NRRD file" in err


def test_description_and_script_agree():
    tree = ET.parse(SCRIPT.with_suffix(".xml")).getroot()
    flags = {one.text for one in tree.iter("longflag")}
    usage = subprocess.run(
        [sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(flag in usage for flag in flags)
    assert [one.text for one in tree.iter("index")] == ["0", "1"]
    printed = subprocess.run(
        [sys.executable, SCRIPT, "--xml"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == SCRIPT.with_suffix(".xml").read_text()


def test_slicer_finds_script_and_description_under_one_name():
    assert os.access(SCRIPT, os.X_OK)
    assert SCRIPT.read_text().startswith("#!/usr/bin/env python3\n")
    assert {one.stem for one in FOLDER.iterdir() if one.is_file()} == {"DeePRACCLI"}
