"""The platform's layout: one volume in, the label map and the flags out."""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac import commands
from deeprac.commands import grand_challenge
from deeprac.errors import BundleError, SurgeryError


@pytest.fixture
def platform(tmp_path):
    """The three folders of the platform."""
    images = tmp_path / "input" / "images" / "ct"
    images.mkdir(parents=True)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bundle.zip").write_bytes(b"PK")
    volume = sitk.GetImageFromArray(np.zeros((5, 7, 9), np.int16))
    volume.SetSpacing((0.7, 0.7, 3.0))
    volume.SetOrigin((-40.0, 10.0, 5.0))
    sitk.WriteImage(volume, str(images / "0d3b.mha"))
    return tmp_path


@pytest.fixture
def segment(monkeypatch):
    """A stand-in for the verb ``segment``, which keeps its arguments."""
    verb = ModuleType("deeprac.commands.segment")
    verb.given = []

    def add_arguments(parser):
        parser.add_argument("input")
        for name in ("--bundle", "--out", "--device"):
            parser.add_argument(name)

    def run(args):
        verb.given.append(args)
        out = Path(args.out)
        out.mkdir()
        labels = sitk.Cast(sitk.ReadImage(args.input), sitk.sitkUInt8) + 2
        sitk.WriteImage(labels, str(out / "labels.nii.gz"))
        result = {"overall": "look", "flags": [{"code": "x"}], "structures": [], "a": 1}
        (out / "result.json").write_text(json.dumps(result))

    verb.add_arguments, verb.run = add_arguments, run
    monkeypatch.setitem(sys.modules, verb.__name__, verb)
    monkeypatch.setattr(commands, "segment", verb, raising=False)
    return verb


def call(platform, *options):
    parser = argparse.ArgumentParser()
    grand_challenge.add_arguments(parser)
    folders = [
        *("--input", str(platform / "input"), "--output", str(platform / "output")),
        *("--model", str(platform / "model")),
    ]
    grand_challenge.run(parser.parse_args([*folders, *options]))


def test_the_label_map_and_the_flags_lie_where_the_platform_seeks_them(
    platform, segment
):
    call(platform, "--slug", "kidney", "--device", "cpu")
    labels = sitk.ReadImage(str(platform / "output" / "images" / "kidney/output.mha"))
    assert labels.GetSpacing() == pytest.approx((0.7, 0.7, 3.0))
    assert labels.GetOrigin() == pytest.approx((-40.0, 10.0, 5.0))
    assert sitk.GetArrayFromImage(labels).min() == 2
    flags = json.loads((platform / "output" / "quality-flags.json").read_text())
    assert flags == {"overall": "look", "flags": [{"code": "x"}], "structures": []}
    (given,) = segment.given
    assert given.bundle == str(platform / "model" / "bundle.zip")
    assert given.device == "cpu"


def test_nothing_else_is_written(platform, segment):
    call(platform)
    written = [path.name for path in (platform / "output").rglob("*") if path.is_file()]
    assert sorted(written) == ["output.mha", "quality-flags.json"]


def test_no_volume_or_two_are_refused(platform, segment):
    images = platform / "input" / "images" / "ct"
    (images / "second.mha").write_bytes((images / "0d3b.mha").read_bytes())
    with pytest.raises(SurgeryError, match="got 2"):
        call(platform)
    for path in images.iterdir():
        path.unlink()
    with pytest.raises(SurgeryError, match="got 0"):
        call(platform)


def test_a_missing_bundle_is_refused(platform, segment):
    (platform / "model" / "bundle.zip").unlink()
    with pytest.raises(BundleError, match="not there"):
        call(platform)
