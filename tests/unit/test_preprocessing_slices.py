"""Preprocessing goes on where it was interrupted, and takes several cases at a time."""

import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.files import read_json, write_json
from deeprac.layout import ENDINGS, Layout
from deeprac.lease import held
from deeprac.preprocessing.slices import Slices
from deeprac.records.cases import read_cases
from support.toy_cohort import copy_toy, verb

pytestmark = pytest.mark.slow


@pytest.fixture
def toy(prepared_toy, tmp_path):
    """Configuration and layout of a cohort that is on its matrices."""
    path = copy_toy(prepared_toy, tmp_path)
    return path, Layout.of(load_config([path]))


def preprocess(path, *options):
    verb(path, "preprocess", "--matrix", "coarse", *options)


@pytest.fixture
def made(monkeypatch):
    """Names of the cases that were brought onto the matrix, in this order."""
    names, make = [], Slices.make

    def recorded(self, row):
        make(self, row)
        names.append(row.case)

    monkeypatch.setattr(Slices, "make", recorded)
    return names


def content(layout):
    """Bytes of all slices by file name."""
    folder = layout.matrix("coarse") / "slices"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_finished_cases_are_kept_and_the_rest_is_the_same(toy, made, monkeypatch):
    path, layout = toy
    whole = content(layout)
    cases = list(read_cases(layout.cases_csv).case)
    assert whole.keys() == {case + ending for case in cases for ending in ENDINGS}
    layout.matrix("coarse").joinpath("cases.json").unlink()
    done = layout.matrix("coarse") / ".done"
    (done / f"{cases[1]}.json").unlink()
    cut = layout.matrix("coarse") / "slices" / f"{cases[1]}.b2nd"
    cut.write_bytes(cut.read_bytes()[:100])
    preprocess(path)
    assert made == [cases[1]]
    assert content(layout) == whole
    assert layout.matrix("coarse").joinpath("cases.json").exists()


def test_what_stops_a_pass_loses_no_finished_case(toy, monkeypatch, capsys):
    path, layout = toy
    whole = content(layout)
    cases = list(read_cases(layout.cases_csv).case)
    for sidecar in (layout.matrix("coarse") / ".done").iterdir():
        sidecar.unlink()
    make, started = Slices.make, []

    def failing(self, row):
        started.append(row.case)
        if len(started) == 3:
            raise OSError("No space left on device")
        make(self, row)

    monkeypatch.setattr(Slices, "make", failing)
    arguments = ["preprocess", "--config", str(path), "--matrix", "coarse"]
    assert main(arguments) == 1
    assert "No space left on device" in capsys.readouterr().err
    preprocess(path)
    assert started.count(cases[2]) == 2
    assert [case for case in started if case != cases[2]] == [*cases[:2], *cases[3:]]
    assert content(layout) == whole


def test_several_at_a_time_make_the_same_slices(toy, made):
    path, layout = toy
    whole = content(layout)
    for sidecar in (layout.matrix("coarse") / ".done").iterdir():
        sidecar.unlink()
    preprocess(path, "--workers", "3")
    assert sorted(made) == sorted(read_cases(layout.cases_csv).case)
    assert content(layout) == whole


def test_other_settings_make_all_cases_again(toy, made):
    path, layout = toy
    preprocess(path)
    assert made == []
    fingerprint = read_json(layout.fingerprint)
    fingerprint["foreground_intensity_properties_per_channel"]["0"]["mean"] += 1
    write_json(layout.fingerprint, fingerprint)
    preprocess(path)
    assert len(made) == len(read_cases(layout.cases_csv))


def test_slices_of_cases_that_are_no_more_are_deleted(toy):
    path, layout = toy
    folder = layout.matrix("coarse") / "slices"
    for ending in ENDINGS:
        (folder / f"stranger{ending}").write_bytes(b"of another cohort")
    preprocess(path)
    assert not list(folder.glob("stranger*"))


def test_a_second_pass_at_the_same_time_is_refused(toy, capsys):
    path, layout = toy
    lease = layout.matrix("coarse") / "preprocess.lease"
    with held(lease, "a pass"):
        assert main(["preprocess", "--config", str(path), "--matrix", "coarse"]) == 1
    assert "Preprocessing of coarse is being computed" in capsys.readouterr().err
