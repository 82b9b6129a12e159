"""Finished runs stay, unless training them again is asked for."""

from dataclasses import replace

import pytest

from deeprac.config import load_config
from deeprac.errors import RunError
from deeprac.files import write_json
from deeprac.layout import Layout
from deeprac.records.run_key import selected_runs
from deeprac.replacing import refuse_retraining
from deeprac.settings.effective import run_settings
from support.toy_cohort import write_config


@pytest.fixture
def finished(tmp_path):
    """A configuration and its runs, all trained with it."""
    config = load_config([write_config(tmp_path)])
    layout, runs = Layout.of(config), list(selected_runs(config))
    for run in runs:
        settings = run_settings(config, config.experiment(run.experiment))
        write_json(run.folder(layout) / "run.json", {"run_settings": settings})
        weights = layout.checkpoints(*run.parts) / "checkpoint_final.pth"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(b"weights")
    return config, layout, runs


def with_training(config, **keys):
    return replace(config, training=replace(config.training, **keys))


def test_runs_of_the_same_settings_may_be_published_again(finished):
    config, layout, runs = finished
    refuse_retraining(config, runs)
    assert all((run.folder(layout) / "run.json").exists() for run in runs)


def test_runs_of_other_settings_are_refused_with_what_differs(finished):
    config, layout, runs = finished
    changed = with_training(config, epochs=9, learning_rate=0.5)
    with pytest.raises(RunError) as caught:
        refuse_retraining(changed, runs)
    message = str(caught.value)
    assert message.startswith(f"{len(runs)} finished runs would be trained again")
    first = f"{runs[0]}: training.epochs: 2 -> 9; training.learning_rate: 0.003 -> 0.5"
    assert first in message
    assert str(runs[2]) in message
    assert str(runs[3]) not in message
    assert f"and {len(runs) - 3} more" in message
    assert "set training.retrain to true" in message
    assert all((run.folder(layout) / "run.json").exists() for run in runs)


def test_only_planned_runs_count(finished):
    config, _, _ = finished
    refuse_retraining(with_training(config, epochs=9), [])


def test_asked_for_the_old_runs_move_out_of_the_way(finished):
    config, layout, runs = finished
    refuse_retraining(with_training(config, epochs=9, retrain=True), runs[:1])
    assert not runs[0].folder(layout).exists()
    assert not layout.checkpoints(*runs[0].parts).exists()
    (kept,) = layout.replaced(*runs[0].parts).iterdir()
    assert (kept / "run" / "run.json").exists()
    assert (kept / "checkpoints" / "checkpoint_final.pth").read_bytes() == b"weights"
    assert (runs[1].folder(layout) / "run.json").exists()


def test_runs_of_older_versions_are_not_judged(finished):
    config, layout, runs = finished
    write_json(runs[0].folder(layout) / "run.json", {"schema": 1})
    refuse_retraining(with_training(config, epochs=9), runs[:1])
