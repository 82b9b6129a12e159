"""A training that was stopped anywhere ends as if it had not been."""

import os
import signal
import threading
import time

import pandas as pd
import psutil
import pytest
import torch

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.training import resident, resuming
from deeprac.training.checkpoint import read_checkpoint
from deeprac.training.resuming import (
    LATEST,
    PREVIOUS,
    random_state,
    restore_random_state,
)
from deeprac.training.stop import SIGNALS, StopSignals
from deeprac.training.trainer import DeepracTrainer, seed_everything
from support.toy_cohort import (
    copy_toy,
    run_arguments,
    small_networks,
    verb,
    write_config,
)

PLAIN, AUGMENTED, STN = (
    *("coarse_nnunet", "coarse_nnunet_augment"),
    "fine_stn_crop_half",
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture
def fresh(prepared_toy, tmp_path):
    return copy_toy(prepared_toy, tmp_path)


def train(path, name):
    return main(["train", "--config", str(path), *run_arguments(name)])


def assert_as_undisturbed(path, trained_toy, name):
    """The run equals that of the session, whose training nothing disturbed."""
    folder, whole = (
        Layout.of(load_config([one])).run(name, 0, 0)
        for one in (path, trained_toy / "toy.yaml")
    )
    mine, other = (
        read_checkpoint(one / "checkpoint_final.pth")["network_weights"]
        for one in (folder, whole)
    )
    assert all(torch.equal(mine[key], other[key]) for key in other)
    curves = [pd.read_csv(one / "training.csv") for one in (folder, whole)]
    for column in ("train_loss", "val_loss", "learning_rate", "localiser_gradient"):
        pd.testing.assert_series_equal(*(curve[column] for curve in curves))
    return read_json(folder / "run.json"), curves[0]


@pytest.fixture
def send(monkeypatch):
    """Send a signal within the n-th step of a kind, and never again."""

    def when(kind, number, one):
        taken, original = [], getattr(DeepracTrainer, kind)

        def stepped(self, batch):
            taken.append(1)
            if len(taken) == number:
                os.kill(os.getpid(), one)
            return original(self, batch)

        monkeypatch.setattr(DeepracTrainer, kind, stepped)

    return when


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sent", "where"),
    [
        (PLAIN, ("train_step", 1, signal.SIGTERM), (0, 1)),
        (STN, ("train_step", 3, signal.SIGUSR1), (1, 1)),
        (AUGMENTED, ("train_step", 3, signal.SIGINT), (1, 1)),
        (STN, ("validation_step", 1, signal.SIGTERM), (0, 2)),
    ],
)
def test_a_signal_saves_and_the_run_goes_on_where_it_was(
    fresh, trained_toy, send, name, sent, where
):
    send(*sent)
    one = sent[2]
    assert train(fresh, name) == 128 + one
    epoch, step = where
    assert train(fresh, name) == 0
    record, curve = assert_as_undisturbed(fresh, trained_toy, name)
    assert record["interruptions"] == [
        {"epoch": epoch, "step": step, "cause": one.name}
    ]
    assert curve["seconds"].sum() == pytest.approx(record["cost"]["training_seconds"])


@pytest.mark.slow
def test_a_killed_training_goes_on_from_the_last_minutes_checkpoint(
    fresh, trained_toy, monkeypatch
):
    write_config(fresh.parent, checkpoint_minutes=1e-9, checkpoint_every=100)
    taken, original = [], DeepracTrainer.train_step

    def killed(self, batch):
        taken.append(1)
        if len(taken) == 4:
            raise SystemExit(9)  # as if by kill -9: nothing is saved any more
        return original(self, batch)

    monkeypatch.setattr(DeepracTrainer, "train_step", killed)
    with pytest.raises(SystemExit):
        train(fresh, STN)
    assert train(fresh, STN) == 0
    record, _ = assert_as_undisturbed(fresh, trained_toy, STN)
    (found,) = record["interruptions"]
    assert found["cause"].startswith("not known")
    assert (found["epoch"], found["step"]) == (1, 1)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    fresh, trained_toy, send, caplog
):
    write_config(fresh.parent, checkpoint_minutes=1e-9)
    send("train_step", 3, signal.SIGTERM)
    assert train(fresh, PLAIN) == 128 + signal.SIGTERM
    workspace = Layout.of(load_config([fresh])).checkpoints(PLAIN, 0, 0)
    (latest,) = workspace.rglob(LATEST)
    (previous,) = workspace.rglob(PREVIOUS)
    latest.write_bytes(latest.read_bytes()[:1000])
    assert train(fresh, PLAIN) == 0
    assert f"{latest} cannot be read: it is cut short or damaged" in caplog.text
    assert_as_undisturbed(fresh, trained_toy, PLAIN)
    assert not previous.exists()


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 1000])
def test_without_a_sound_checkpoint_nothing_is_begun_anew(fresh, send, capsys, left):
    send("train_step", 1, signal.SIGTERM)
    train(fresh, PLAIN)
    workspace = Layout.of(load_config([fresh])).checkpoints(PLAIN, 0, 0)
    (latest,) = workspace.rglob(LATEST)
    latest.write_bytes(latest.read_bytes()[:left])
    capsys.readouterr()
    assert train(fresh, PLAIN) == 1
    message = capsys.readouterr().err
    assert f"{latest} cannot be read" in message
    assert "delete it and train the fold again" in message


@pytest.mark.slow
@pytest.mark.filterwarnings(
    # batchgenerators' threads raise the same error beside the training.
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)
def test_a_killed_loader_is_named_with_its_likely_cause(fresh, monkeypatch, capsys):
    # More steps than loaders make in advance: these are trained with before it shows.
    write_config(fresh.parent, data_workers=1, iterations_per_epoch=40)
    verb(fresh, "plan", "--experiment", PLAIN)
    monkeypatch.setattr(resident, "place_for", lambda needed, device: None)
    original = DeepracTrainer.on_train_epoch_start

    def killing(self):
        for child in psutil.Process().children(recursive=True):
            child.kill()
        original(self)

    monkeypatch.setattr(DeepracTrainer, "on_train_epoch_start", killing)
    assert train(fresh, PLAIN) == 1
    message = capsys.readouterr().err
    assert "a process that loads slices was killed" in message
    assert "training.data_workers" in message
    for thread in threading.enumerate():  # their errors are no later test's
        if "results_loop" in thread.name:
            thread.join()


@pytest.mark.slow
def test_a_clock_set_back_changes_no_time(fresh, monkeypatch):
    """nnU-Net's own times are those of the clock on the wall."""
    walls = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(
        "nnunetv2.training.nnUNetTrainer.nnUNetTrainer.time", lambda: next(walls)
    )
    start = time.monotonic()
    assert train(fresh, PLAIN) == 0
    folder = Layout.of(load_config([fresh])).run(PLAIN, 0, 0)
    seconds = pd.read_csv(folder / "training.csv")["seconds"]
    assert (seconds > 0).all()
    assert seconds.sum() < time.monotonic() - start


@pytest.mark.slow
def test_who_stops_a_training_is_told_what_is_saved(fresh, send, capsys):
    before = signal.getsignal(signal.SIGTERM)
    send("train_step", 1, signal.SIGTERM)
    train(fresh, PLAIN)
    message = "SIGTERM asked to stop. It is saved after 1 steps of epoch 0; run the"
    assert message in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_interrupt_ends_at_once():
    before = [signal.getsignal(one) for one in SIGNALS]
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(one) for one in SIGNALS] == before


def test_all_random_numbers_go_on():
    cpu = torch.device("cpu")

    def draw():
        numpy, python = resuming.np.random.uniform(), resuming.random.random()
        return numpy, python, torch.rand(1).item()

    seed_everything(5)
    draw()
    state = random_state(cpu)
    expected = draw()
    seed_everything(6)
    restore_random_state(state, cpu)
    assert draw() == expected
