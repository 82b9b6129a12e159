"""How far every run is, as its files say."""

import json
import os
import time

import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.layout import Layout
from deeprac.lease import held
from deeprac.records.progress import (
    PROGRESS,
    Epoch,
    append_progress,
    note_failure,
    read_progress,
)
from deeprac.records.run_key import selected_runs
from deeprac.status import State, all_runs, run_status, text
from support.toy_cohort import write_config


@pytest.fixture
def five(tmp_path):
    """A configuration of five runs, its layout and the runs."""
    path = write_config(tmp_path)
    config = load_config([path])
    return path, Layout.of(config), list(selected_runs(config))[:5]


def epoch(number, seconds=2.0, tumour=0.25):
    dice = {"kidney": 0.5, "tumour": tumour}
    return Epoch(number, 10, 1e9, seconds, 1.5, 1.75, dice)


def test_progress_of_a_repeated_epoch_is_its_last(tmp_path):
    for number, seconds in ((0, 1.0), (1, 1.0), (2, 1.0), (1, 7.0)):
        append_progress(tmp_path, epoch(number, seconds))
    with (tmp_path / PROGRESS).open("a") as stream:
        stream.write('{"epoch": 3, "epo')  # being written
    found = read_progress(tmp_path)
    assert [(one.epoch, one.seconds) for one in found] == [(0, 1), (1, 7), (2, 1)]
    assert read_progress(tmp_path / "nowhere") == []


def test_one_run_of_each_state(five):
    _, layout, runs = five
    _, running, interrupted, failed, done = runs
    for run in (running, interrupted, failed):
        for number in range(4):
            append_progress(layout.checkpoints(*run.parts), epoch(number))
    note_failure(layout.checkpoints(*failed.parts), "the GPU's memory is too small")
    done.folder(layout).mkdir(parents=True)
    (done.folder(layout) / "run.json").write_text("{}")
    (done.folder(layout) / "checkpoint_final.pth").write_text("")
    with held(layout.checkpoints(*running.parts).with_suffix(".lease"), "a run"):
        found = [run_status(layout, run) for run in runs]
    assert [one.state for one in found] == list(State)
    assert [one.epoch for one in found] == [0, 4, 4, 4, 0]
    assert found[1].seconds_left == pytest.approx(6 * 2.0)
    assert found[1].silent_seconds < 10
    assert f"process {os.getpid()}" in found[1].where
    assert found[2].seconds_left is None
    assert found[3].remark == "the GPU's memory is too small"
    shown = text(found, now=0)
    assert "epoch 4 of 10; 2.0 s each; 12 s left; loss 1.500, held-out 1.750" in shown
    assert "Dice kidney 0.50, tumour 0.25" in shown
    total = "5 runs: 1 waiting, 1 running, 1 interrupted, 1 failed, 1 done."
    end = time.strftime("%Y-%m-%d %H:%M", time.localtime(12))
    assert f"{total} What is running ends about {end}; 3 more are to come." in shown


def test_a_dead_process_leaves_an_interrupted_run(five):
    _, layout, runs = five
    workspace = layout.checkpoints(*runs[0].parts)
    append_progress(workspace, epoch(0))
    lease = workspace.with_suffix(".lease")
    with held(lease, "a run"):
        owner = json.loads(lease.read_text())
    lease.write_text(json.dumps(owner | {"born": owner["born"] - 100}))
    assert run_status(layout, runs[0]).state is State.INTERRUPTED


def test_what_is_gone_of_a_finished_run_is_named(five):
    _, layout, runs = five
    folder = runs[0].folder(layout)
    folder.mkdir(parents=True)
    for name in ("run.json", "metrics.csv"):
        (folder / name).write_text("{}")
    assert run_status(layout, runs[0]).remark == "missing: weights and predictions"


def test_a_label_that_was_not_seen_has_no_dice(five):
    _, layout, runs = five
    append_progress(layout.checkpoints(*runs[0].parts), epoch(0, tumour=float("nan")))
    found = run_status(layout, runs[0])
    assert found.dice == {"kidney": 0.5, "tumour": None}
    assert "tumour -" in text([found])


def test_the_verb_prints_a_table_or_json(five, capsys):
    path, _, _ = five
    assert main(["status", str(path)]) == 0
    count = len(all_runs(load_config([path])))
    assert f"{count} runs: {count} waiting." in capsys.readouterr().out
    assert main(["status", str(path), "--json"]) == 0
    (first, *rest) = json.loads(capsys.readouterr().out)
    assert (first["state"], len(rest)) == ("waiting", count - 1)


@pytest.mark.slow
def test_a_training_says_how_far_it_is(trained_toy):
    config = load_config([trained_toy / "toy.yaml"])
    workspace = Layout.of(config).checkpoints("fine_stn_crop_half", 0, 0)
    first, second = read_progress(workspace)
    assert (first.epoch, second.epoch, second.epochs) == (0, 1, 2)
    assert set(second.dice) == {"kidney", "tumour"}
    assert second.seconds > 0
