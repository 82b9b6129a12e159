"""The verb, without the writing of its outputs, which have tests of their own."""

import argparse
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cli import main
from deeprac.commands.measure import add_arguments
from deeprac.surgery import outputs
from deeprac.surgery.flags import Verdict, overall
from deeprac.surgery.protocol import TimePoint
from deeprac.surgery.rows import value_of
from support.kidney_phantoms import draw


@pytest.fixture
def written(monkeypatch):
    """The studies that were to be written."""
    calls = []
    monkeypatch.setattr(outputs, "write_files", lambda study, _: calls.append(study))
    return calls


@pytest.fixture
def case(tmp_path):
    """A CT in HU and its segmentation, named after a patient."""
    label = draw(3, "plain").label
    numbers = sitk.GetArrayFromImage(label)
    rng = np.random.default_rng(0)
    hounsfield = np.select([numbers == 1, numbers == 2], [180, 90], 40)
    hounsfield[:, :6] = hounsfield[:, -6:] = -1000
    hounsfield[:, 6:12] = -100
    hounsfield = hounsfield + rng.normal(0, 8, numbers.shape)
    ct = sitk.GetImageFromArray(hounsfield.astype(np.int16))
    ct.CopyInformation(label)
    paths = tmp_path / "Doe Jane.nii.gz", tmp_path / "Doe Jane ct.nii.gz"
    for image, path in zip((label, ct), paths, strict=True):
        sitk.WriteImage(image, str(path))
    return paths


def measure(*arguments):
    named = (*arguments, "--labels", "kidney", "tumour")
    return main(["measure", *map(str, named)])


def test_everything_on_one_line(case, written, tmp_path):
    label, ct = case
    assert (
        measure(
            *(label, "--image", ct, "--out", tmp_path / "out", "--age", 6),
            *("--margin", 5, "--timepoint", "after_chemotherapy"),
        )
        == 0
    )
    (study,) = written
    # It has a speck; nothing else is doubtful.
    assert {flag.code for flag in study.flags} == {"tumour_specks"}
    assert study.image is not None
    assert value_of(study.measures, "patient", "kidneys_count") == 2
    assert study.protocol.time_point.tolist() == ["after_chemotherapy"]
    assert study.provenance["margin_mm"] == 5
    assert "Doe" not in str(study.provenance)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in case
    )


def test_a_picture_instead_of_a_ct_is_no_use(case, written, tmp_path):
    label, ct = case
    picture = sitk.RescaleIntensity(sitk.ReadImage(str(ct)), 0, 255)
    sitk.WriteImage(picture, str(ct))
    assert measure(label, "--image", ct, "--out", tmp_path / "out") == 0
    (study,) = written
    (flag,) = [flag for flag in study.flags if flag.code == "not_hu"]
    # No cohort has a configuration here.
    assert "cohort.intensity" not in flag.message


def test_doubts_about_the_ct_are_flags(case, written, tmp_path):
    label, ct = case
    image = sitk.ReadImage(str(ct))
    sitk.WriteImage(sitk.Clamp(image, upperBound=120), str(ct))
    assert measure(label, "--image", ct, "--out", tmp_path / "out") == 0
    (study,) = written
    doubts = [flag for flag in study.flags if flag.code == "input_doubtful"]
    assert [flag.verdict.value for flag in doubts] == ["look"]
    assert "the CT: the largest value is 120" in doubts[0].message
    assert f"warning: {doubts[0].message}" in study.provenance["findings"]


def test_the_output_must_be_empty(case, written, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").touch()
    assert measure(case[0], "--out", tmp_path / "out") == 1
    assert "this one is not empty" in capsys.readouterr().err
    assert not written


def test_a_tumour_that_fills_the_field_of_view(case, written, tmp_path):
    label, ct = case
    image = sitk.ReadImage(str(label))
    sitk.WriteImage(image * 0 + 2, str(label))
    assert measure(label, "--image", ct, "--out", tmp_path / "out") == 0
    (study,) = written
    codes = {flag.code for flag in study.flags}
    assert {"touches_border", "kidney_count"} <= codes
    assert overall(study.flags) is Verdict.DO_NOT_USE


KILLED = """
import os, signal, sys
from deeprac.cli import main
from deeprac.surgery import outputs
outputs.write_files = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
labels = ("--labels", "kidney", "tumour")
sys.exit(main(["measure", sys.argv[1], "--out", sys.argv[2], *labels]))
"""


@pytest.mark.slow
def test_sigterm_leaves_nothing(case, tmp_path):
    command = [sys.executable, "-c", KILLED, str(case[0]), str(tmp_path / "out")]
    assert subprocess.run(command, check=False).returncode == 143
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_leaves_the_users_folder(case, tmp_path):
    (tmp_path / "out").mkdir()
    case[0].unlink()
    assert measure(case[0], "--out", tmp_path / "out") == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bug_of_ours_is_not_the_fault_of_the_file(case, monkeypatch, tmp_path, capfd):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("deeprac.surgery.patient.measure", broken)
    assert measure(case[0], "--out", tmp_path / "out") == 3
    assert "this is a bug in deeprac" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["missing", "cut short", "empty label", "other grid"])
def test_bad_input_is_one_message_without_a_name(what, case, written, tmp_path, capsys):
    label, ct = case
    if what == "missing":
        label.unlink()
    elif what == "cut short":
        label.write_bytes(label.read_bytes()[:-300])
    elif what == "empty label":
        sitk.WriteImage(sitk.ReadImage(str(label)) * 0, str(label))
    else:
        image = sitk.ReadImage(str(label))
        image.SetSpacing((1.0, 1.0, 1.0))
        sitk.WriteImage(image, str(label))
    assert measure(label, "--image", ct, "--out", tmp_path / "out") == 1
    shown = "".join(capsys.readouterr())
    assert shown.count("error:") == 1
    assert "Doe" not in shown
    assert "Traceback" not in shown
    assert not written
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "option", [("--age", "-1"), ("--age", "nan"), ("--margin", "99"), ("--margin", "a")]
)
def test_numbers_that_cannot_be(option, case, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        measure(case[0], "--out", tmp_path / "out", *option)


def test_time_points_are_those_of_the_protocol():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    (option,) = [a for a in parser._actions if a.dest == "timepoint"]
    assert set(option.choices) == set(TimePoint)
