"""The whole estimate, as text and as JSON, and the warning before the first job."""

import json
from types import SimpleNamespace

import pytest

from deeprac.cli import main
from deeprac.estimate.disk import Disk, Kind
from deeprac.estimate.estimate import Estimate, as_json, text, warning
from deeprac.estimate.hours import Pace
from deeprac.estimate.jobs import Jobs
from support.cohort_sizes import write_sizes
from support.toy_cohort import small_networks, write_config

GB = 10**9
SLICES = Kind("slices on fine", 14 * GB, 2 * GB, "at most")
UNKNOWN = Kind("predictions", None, 0, "known later")


def found(*, wall=90_000.0, predict=60.0, free=20 * GB, kinds=(SLICES, UNKNOWN)):
    return Estimate(
        results="results/own",
        disk=Disk(kinds, free),
        jobs=(Jobs("train_fold", 5, 32000, "slices"), Jobs("tables", 1, 2000, "")),
        paces=(Pace("fine_stn", "STN", 5, 3, 3600.0, predict, "2 finished", (1.0,)),),
        gpus=2,
        wall_seconds=wall,
    )


def test_the_text_has_disk_jobs_and_time():
    lines = text(found()).splitlines()
    assert lines == [
        "Disk of results/own",
        "                    whole   there  to come",
        "  slices on fine  14.0 GB  2.0 GB  12.0 GB  at most",
        "  predictions     unknown  0.0 MB  unknown  known later",
        "  to come: 12.0 GB and what is unknown; free: 20.0 GB",
        "",
        "Jobs of a whole run, and the memory that each asks for",
        "  rule        jobs     MB  why",
        "  train_fold     5  32000  slices",
        "  tables         1   2000",
        "  6 jobs",
        "",
        "Time of trainings and predictions, as they went so far",
        "  experiment  to train   training  prediction  by",
        "  fine_stn      3 of 5  1 h 0 min   1 min 0 s  2 finished",
        "  all of it, with 2 runs at a time: 1 d 1 h",
    ]


def test_what_is_not_known_is_said_to_be_unknown():
    assert "without predictions whose time is unknown" in text(found(predict=None))
    assert "at a time: unknown; train one fold of each" in text(found(wall=None))


def test_a_disk_that_will_not_suffice_is_said_with_what_takes_most():
    weights = Kind("final weights", 15 * GB, 0, "")
    few = found(free=26 * GB, kinds=(SLICES, UNKNOWN, weights))
    said = warning(few.disk, few.results)
    assert said is not None
    assert said.startswith(
        "The disk of results/own will not suffice: 27.0 GB are to come (final weights "
        "15.0 GB, slices on fine 12.0 GB), and 26.0 GB are free. Free space"
    )
    assert said in text(few)
    assert warning(found().disk, "results/own") is None


def test_json_has_the_sums_too():
    content = json.loads(json.dumps(as_json(found())))
    assert content["disk"]["needed_bytes"] == 12 * GB
    assert content["disk"]["kinds"][0]["needed_bytes"] == 12 * GB
    assert content["disk"]["kinds"][1]["bytes"] is None
    assert content["paces"][0]["left_seconds"] == [1.0]


@pytest.fixture
def toy(tmp_path):
    """Its configuration; nnU-Net's environment is put back afterwards."""
    with small_networks():
        yield write_config(tmp_path)


def test_the_verb_prints_text_or_json(toy, capsys):
    from deeprac.config import load_config  # noqa: PLC0415
    from deeprac.layout import Layout  # noqa: PLC0415

    write_sizes(Layout.of(load_config([toy])))
    assert main(["estimate", str(toy), "--gpus", "2"]) == 0
    shown = capsys.readouterr().out
    assert "train_fold" in shown
    assert "with 2 runs at a time: unknown" in shown
    assert main(["estimate", str(toy), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["gpus"] == 1
    assert {one["rule"]: one["jobs"] for one in content["jobs"]}["train_fold"] == 8


@pytest.mark.parametrize("free", [0, 10**15])
def test_only_a_disk_that_will_not_suffice_is_worth_a_warning(
    toy, monkeypatch, capsys, caplog, free
):
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    assert main(["estimate", str(toy), "--only-warn"]) == 0
    assert capsys.readouterr().out == ""
    assert ("will not suffice" in caplog.text) == (free == 0)


def test_there_is_one_training_at_a_time_at_least(toy, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["estimate", str(toy), "--gpus", "0"])
    assert "0 is below 1" in capsys.readouterr().err


def test_released_metrics_have_nothing_to_estimate(tmp_path, capsys):
    path = write_config(tmp_path, {"metrics": "released"})
    assert main(["estimate", str(path)]) == 1
    assert "metrics is released: nothing is trained" in capsys.readouterr().err
