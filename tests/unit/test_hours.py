"""Time of trainings and predictions, from what others took."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeprac.config import load_config
from deeprac.estimate.hours import NOTHING, Pace, paces, wall_seconds
from deeprac.layout import Layout
from deeprac.records.progress import Epoch, append_progress
from deeprac.records.run_key import selected_runs
from deeprac.settings.effective import run_settings
from support.toy_cohort import write_config


@pytest.fixture
def stn(tmp_path):
    """A configuration of four runs of one experiment, its layout and the runs."""
    run = {"experiments": ["fine_stn"], "folds": [0, 1], "seeds": [0, 1]}
    config = load_config([write_config(tmp_path, {"run": run})])
    return config, Layout.of(config), list(selected_runs(config))


def finish(config, layout, run, seconds, **settings):
    """Leave the record of a training."""
    own = run_settings(config, config.experiment(run.experiment)) | settings
    record = {"run_settings": own, "cost": {"training_seconds": seconds}}
    folder = run.folder(layout)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record))


def predict(layout, run, *seconds):
    """Leave the cost of a prediction, by case."""
    rows = [f"c{index},4,{value}," for index, value in enumerate(seconds)]
    lines = ["case,slices,seconds,gpu_peak_gib", *rows]
    (run.folder(layout) / "inference.csv").write_text("\n".join(lines) + "\n")


def train(layout, run, epochs, seconds, whole=10):
    for number in range(epochs):
        epoch = Epoch(number, whole, 1e9, seconds, 1.5, 1.75, {"kidney": 0.5})
        append_progress(layout.checkpoints(*run.parts), epoch)


def test_nothing_is_known_before_anything_ran(stn):
    config, _, _ = stn
    (pace,) = paces(config)
    assert (pace.runs, pace.to_train) == (4, 4)
    assert pace.train_seconds is pace.predict_seconds is None
    assert pace.source == NOTHING
    assert pace.left_seconds == (None,) * 4
    assert wall_seconds([pace], 1) is None


def test_finished_runs_stand_for_the_others(stn):
    config, layout, runs = stn
    finish(config, layout, runs[0], 100.0)
    finish(config, layout, runs[1], 140.0)
    predict(layout, runs[0], 2.0, 3.0)
    (pace,) = paces(config)
    assert (pace.train_seconds, pace.predict_seconds) == (120.0, 5.0)
    assert pace.source == "2 finished"
    assert pace.to_train == 2
    # The first has predicted, the second has not, two are not begun.
    assert pace.left_seconds == (5.0, 125.0, 125.0)
    assert wall_seconds([pace], 1) == 255.0
    assert wall_seconds([pace], 2) == 130.0


def test_runs_of_other_settings_say_nothing(stn):
    config, layout, runs = stn
    finish(config, layout, runs[0], 100.0, air=-900)
    (pace,) = paces(config)
    assert pace.train_seconds is None


def test_epochs_of_a_begun_training_stand_for_the_others(stn):
    config, layout, runs = stn
    train(layout, runs[0], 4, 3.0)
    (pace,) = paces(config)
    assert (pace.train_seconds, pace.source) == (30.0, "4 epochs")
    # The begun one has 6 of its 10 epochs left. Predictions are not known.
    assert pace.left_seconds == pytest.approx((18.0, 30.0, 30.0, 30.0))


def test_one_experiment_that_is_not_known_leaves_the_whole_unknown(stn):
    known = Pace("a", "A", 1, 1, 9.0, 1.0, "", (10.0,))
    unknown = Pace("b", "B", 1, 1, None, None, NOTHING, (None,))
    assert wall_seconds([known], 3) == 10.0
    assert wall_seconds([known, unknown], 3) is None
    assert wall_seconds([], 3) == 0.0


@given(
    st.lists(st.floats(0.1, 100), min_size=1, max_size=12), st.integers(1, 5)
)  # fmt: skip
def test_gpus_share_the_runs(seconds, gpus):
    pace = Pace("a", "A", len(seconds), 0, None, None, "", tuple(seconds))
    wall = wall_seconds([pace], gpus)
    share, longest = sum(seconds) / gpus, max(seconds)
    assert max(share, longest) - 1e-9 <= wall <= share + longest + 1e-9
    assert wall_seconds([pace], 1) == pytest.approx(sum(seconds))
