"""Curves of trainings that still run, drawn from their progress alone."""

import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import RunError
from deeprac.layout import Layout
from deeprac.lease import held
from deeprac.records.progress import Epoch, append_progress
from deeprac.records.run_key import selected_runs
from deeprac.reporting.figures import running
from support.toy_cohort import write_config


@pytest.fixture
def stn(tmp_path):
    """Path of a configuration of two experiments with two runs, and the runs."""
    run = {"experiments": ["fine_nnunet", "fine_stn"], "folds": [0, 1]}
    path = write_config(tmp_path, {"run": run})
    config = load_config([path])
    return path, config, list(selected_runs(config))


def train(config, run, *losses):
    layout = Layout.of(config)
    for number, loss in enumerate(losses):
        dice = {"kidney": 0.5, "tumour": 0.1 * number}
        epoch = Epoch(number, 10, 1e9, 2.0, loss, loss + 1, dice)
        append_progress(layout.checkpoints(*run.parts), epoch)


def drawn(monkeypatch, config, target):
    """Draw, and return the figure."""
    figures = []
    keep = running.save_as
    monkeypatch.setattr(
        running,
        "save_as",
        lambda figure, path: figures.append(figure) or keep(figure, path),
    )
    running.draw_running(config, target)
    (figure,) = figures
    return figure


def test_curves_are_those_of_the_progress(stn, tmp_path, monkeypatch):
    _, config, runs = stn
    train(config, runs[2], 3.0, 2.0, 1.0)  # fold 0 of fine_stn
    train(config, runs[3], 5.0)  # fold 1
    lease = Layout.of(config).checkpoints(*runs[2].parts).with_suffix(".lease")
    with held(lease, "a run"):
        figure = drawn(monkeypatch, config, tmp_path / "curves.svg")
    # fine_nnunet has not begun and has no block.
    loss, dice, with_front_end = figure.axes
    lines = {line.get_label(): line.get_ydata().tolist() for line in loss.lines}
    # Mean of the runs that have got there.
    assert lines["validation loss"] == [5, 3, 2]
    (line,) = with_front_end.lines  # an STN's holds more than the U-Net's loss
    assert line.get_ydata().tolist() == [4, 2, 1]
    lines = {line.get_label(): line.get_ydata().tolist() for line in dice.lines}
    assert lines["kidney"] == [50, 50, 50]
    assert lines["tumour"] == pytest.approx([0, 10, 20])
    assert loss.get_title().endswith("\n1 running, 1 interrupted")
    assert "n = 2 runs" in figure.get_supxlabel()


def test_the_verb_draws_one_file(stn, tmp_path, capsys):
    path, config, runs = stn
    train(config, runs[0], 3.0, 2.0)
    for name, start in (("a.svg", b"<?xml"), ("b.png", b"\x89PNG")):
        assert main(["status", str(path), "--figure", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(start)
    assert "1 interrupted" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["status", str(path), "--figure", str(tmp_path / "c.pdf")])
    assert "does not end with .svg or .png" in capsys.readouterr().err


def test_before_the_first_epoch_there_is_nothing_to_draw(stn, tmp_path):
    _, config, _ = stn
    with pytest.raises(RunError, match="has finished an epoch, so that there is no"):
        running.draw_running(config, tmp_path / "curves.svg")
    assert not (tmp_path / "curves.svg").exists()
