"""The panel in Qt: buttons pressed, texts read, screenshots written.

PySide6, which stands in for Slicer's Qt, is fetched by pip into a folder of this test;
Slicer itself is replaced by ``support/slicer_stubs.py``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

SUPPORT = Path(__file__).parents[1] / "support"
PYSIDE = "PySide6-Essentials>=6.8"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of a program that may import PySide6."""
    folder = tmp_path_factory.mktemp("pyside")
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, PYSIDE],
        capture_output=True,
        text=True,
        check=False,
    )
    if pip.returncode:
        pytest.skip(f"pip could not install PySide6: {pip.stderr[-300:]}")
    return os.environ | {
        "PYTHONPATH": str(folder),
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_CONFIG_HOME": str(folder / "config"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def program(environment, *arguments):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def pressed(environment, tmp_path_factory):
    """The folder with the pictures, and what was read."""
    folder = tmp_path_factory.mktemp("panel")
    program(environment, SUPPORT / "slicer_panel.py", folder)
    return folder, json.loads((folder / "said.json").read_text())


def test_the_module_runs_wholly(environment, tmp_path):
    script = tmp_path / "whole.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SUPPORT.parent)!r})\n"
        "import support.slicer_stubs\n"
        f"sys.path.insert(0, {str(SUPPORT.parents[1] / 'slicer' / 'DeePRAC')!r})\n"
        "from DeePRAC import DeePRACTest\n"
        "DeePRACTest().runTest()\n"
    )
    program(environment, script)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("run_without_settings", "An image has a name"),
        ("run_without_volume", "No CT is chosen."),
        ("run_under_transform", "Harden transform"),
        ("check_daemon_off", "systemctl start docker"),
        ("check_socket_denied", "Add the user to the engine's group"),
        ("check_image_missing", "docker load -i FILE"),
        ("check_folder_unseen", "home folder"),
        ("check_no_engine", "There is no program docker"),
        ("check_no_gpu", "choose cpu as device"),
        ("check_no_room_for_settings", "The bundle is not there."),
        ("check_bad_bundle", "the bundle is no zip."),
        ("run_cuda", "The GPU's memory is full."),
        ("run_error", "the volume is no CT"),
        ("run_wrong_grid", "another grid"),
        ("run_changed", "bytes of measures.csv"),
        ("run_good", "One kidney was found instead of two."),
        ("measured", "One kidney was found instead of two."),
    ],
)
def test_the_window_says_what_is_wrong(pressed, picture, words):
    folder, seen = pressed
    assert words in seen["said"][picture]["report"]
    assert (folder / f"{picture}.png").stat().st_size > 5000


def test_check_says_whether_all_is_well(pressed):
    said = pressed[1]["said"]
    assert said["check_good"]["stage"] == "Ready to run."
    failed = [one for name, one in said.items() if name.startswith("check_")]
    assert [one["stage"] for one in failed].count("Not ready.") == len(failed) - 1


def test_device_stage_and_time_left_are_shown_while_it_runs(pressed):
    during = pressed[1]["said"]["run_cancelled_during"]
    assert during["stage"] == "network, 1 min left"
    assert "Device: cpu (asked for auto, no GPU)" in during["report"]
    assert during["button"] == "Cancel"
    assert len(during["left"]) == 1


def test_cancel_leaves_nothing(pressed):
    after = pressed[1]["said"]["run_cancelled"]
    assert after["stage"] == "Cancelled. Left behind: nothing."
    assert (after["left"], after["containers"], after["button"]) == ([], 0, "Run")


def test_a_result_is_loaded_beside_its_volume_and_shown(pressed):
    seen = pressed[1]
    assert seen["nodes"].count("DeePRAC segmentation") == 1
    assert "SetReferenceImageGeometryParameterFromVolumeNode" in seen["calls"]
    assert "CreateClosedSurfaceRepresentation" in seen["calls"]
    assert seen["centred"] == ["resetFocalPoint"]
    assert {"report.html", "result.json", "measures.csv"} <= set(seen["kept"])


def test_no_numbers_of_an_earlier_run_stand_beside_a_failure(pressed):
    said = pressed[1]["said"]
    shown = {name for name, one in said.items() if one["measures"]}
    assert shown == {"run_good", "measured"}


def test_the_window_never_waits_for_the_run(pressed):
    assert pressed[1]["longest_s"] < 2
