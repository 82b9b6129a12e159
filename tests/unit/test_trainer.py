"""Whole trainings of one fold, on a toy cohort and a network of a few features."""

import json
import math
import shutil
import time
from copy import deepcopy
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from test_checkpoint import Payload

from deeprac.cli import main
from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.errors import SplitError
from deeprac.files import read_json
from deeprac.geometry.similarity import (
    compose,
    identity,
    invert,
    similarity,
    transform_points,
)
from deeprac.layout import Layout
from deeprac.lease import held
from deeprac.networks.stn_unet import STNUNet
from deeprac.training.augmentation import split_target
from deeprac.training.checkpoint import read_checkpoint
from deeprac.training.stn import STNTrainer
from deeprac.training.trainer import DeepracTrainer, build_trainer
from support.toy_cohort import (
    HELD_OUT,
    TRAIN,
    copy_toy,
    run_arguments,
    small_networks,
    verb,
    write_config,
)

pytestmark = pytest.mark.slow

METHODS = ("coarse_nnunet", "coarse_nnunet_augment", "fine_stn_crop_half")
PLAIN, STN = METHODS[0], METHODS[2]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture
def cohort(prepared_toy):
    """Folder of a prepared toy cohort with plans of the methods."""
    return prepared_toy


@pytest.fixture
def fresh(cohort, tmp_path):
    """A copy of the cohort for tests that leave something behind."""
    return copy_toy(cohort, tmp_path)


@pytest.fixture(scope="module")
def trained(trained_toy):
    """Run folders of the uninterrupted trainings, by experiment."""
    layout = Layout.of(load_config([trained_toy / "toy.yaml"]))
    return {name: layout.run(name, 0, 0) for name in METHODS}


def train(path: Path, experiment: str, **arguments: int) -> int:
    return main(
        ["train", "--config", str(path), *run_arguments(experiment, **arguments)]
    )


def checkpoint(folder: Path) -> dict:
    return read_checkpoint(folder / "checkpoint_final.pth")


def assert_same_weights(one: Path, two: Path) -> None:
    first, second = (checkpoint(f)["network_weights"] for f in (one, two))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name


def run_folder(path: Path, experiment: str, seed: int = 0) -> Path:
    return Layout.of(load_config([path])).run(experiment, seed, 0)


@pytest.mark.parametrize("experiment", METHODS)
def test_a_run_leaves_its_files_and_no_others(trained, experiment):
    names = {path.name for path in trained[experiment].iterdir()}
    assert {n for n in names if not n.startswith("training_log_")} == {
        "checkpoint_final.pth",
        "run.json",
        "training.csv",
    }
    layout = Layout(trained[experiment].parents[2])
    assert layout.run(experiment, 0, 0) == trained[experiment]
    for pattern in ("checkpoint_best.pth", "checkpoint_latest.pth", ".tmp-*"):
        assert not list(layout.root.rglob(pattern))


@pytest.mark.parametrize("experiment", METHODS)
def test_training_curve(trained, experiment):
    curve = pd.read_csv(trained[experiment] / "training.csv")
    assert list(curve) == [
        "epoch",
        "learning_rate",
        "train_loss",
        "val_loss",
        "val_dice_kidney",
        "val_dice_tumour",
        "seconds",
        "data_wait_seconds",
        "segment",
        "localiser_gradient",
    ]
    if "stn" in experiment:
        assert (curve["localiser_gradient"] > 0).all()
    else:
        assert curve["localiser_gradient"].isna().all()
    assert curve["epoch"].tolist() == [0, 1]
    assert curve["segment"].tolist() == [0, 0]
    assert curve["learning_rate"].tolist() == pytest.approx([0.003, 0.003 * 0.5**0.9])
    assert (curve["seconds"] > curve["data_wait_seconds"]).all()
    assert (curve["data_wait_seconds"] > 0).all()


@pytest.mark.parametrize("experiment", METHODS)
def test_run_record(trained, experiment):
    record = read_json(trained[experiment] / "run.json")
    assert list(record) == [
        *("schema", "cohort", "experiment", "method", "matrix", "seed", "fold"),
        *("device", "host", "software", "git", "argv", "config_sha256"),
        *("run_settings", "settings", "segments", "interruptions"),
        *("training_dice", "cost"),
    ]
    assert (record["experiment"], record["fold"]) == (experiment, 0)
    assert record["device"]["type"] == "cpu"
    half = experiment.endswith("half")
    expected = {
        "epochs": 2,
        "iterations_per_epoch": 2,
        "batch_size": 2,
        "matrix_size": 32,
        "network_input_size": 16 if half else 32,
        "optimiser": "adamw",
        "learning_rate": 0.003,
        "augment": experiment.endswith("augment"),
        "training_patients": len(TRAIN),
    }
    assert expected.items() <= record["settings"].items()
    (segment,) = record["segments"]
    assert (segment["first_epoch"], segment["last_epoch"]) == (0, 1)
    cost = record["cost"]
    assert set(cost) == {
        *("training_seconds", "epoch_seconds_median", "data_wait_share"),
        *("gpu_peak_allocated_gib", "gpu_peak_reserved_gib", "host_peak_gib"),
        *("step_flops", "step_saved_bytes", "step_precision", "parameters"),
    }
    assert cost["gpu_peak_allocated_gib"] is cost["gpu_peak_reserved_gib"] is None
    assert 0 < cost["data_wait_share"] < 1
    assert 0.05 < cost["host_peak_gib"] < 16
    curve = pd.read_csv(trained[experiment] / "training.csv")
    assert cost["training_seconds"] == pytest.approx(curve["seconds"].sum())


@pytest.mark.parametrize("experiment", METHODS)
def test_the_same_seed_gives_the_same_weights(trained, fresh, experiment):
    assert train(fresh, experiment) == 0
    assert_same_weights(trained[experiment], run_folder(fresh, experiment))


def test_a_finished_training_is_published_again_and_not_repeated(fresh, monkeypatch):
    """Snakemake deletes the outputs of a job whose end it did not see."""
    assert train(fresh, STN) == 0
    folder = run_folder(fresh, STN)
    kept = folder.with_name("kept")
    folder.rename(kept)

    def step(trainer, batch):
        raise AssertionError("trained again")

    monkeypatch.setattr(DeepracTrainer, "train_step", step)
    assert train(fresh, STN) == 0
    assert_same_weights(kept, folder)
    one, two = (read_json(f / "run.json") for f in (kept, folder))
    assert one["segments"] == two["segments"]
    assert one["cost"] == two["cost"]


def test_another_seed_gives_other_weights(trained, fresh):
    verb(fresh, "plan", "--experiment", PLAIN, "--seed", "1")
    assert train(fresh, PLAIN, seed=1) == 0
    other = checkpoint(run_folder(fresh, PLAIN, seed=1))["network_weights"]
    same = checkpoint(trained[PLAIN])["network_weights"]
    assert any(not torch.equal(other[name], same[name]) for name in same)


class PowerCutError(Exception):
    """Ends a training between two epochs."""


@pytest.fixture
def power_cut(monkeypatch):
    """End the training after the first epoch, its checkpoint saved."""
    original = nnUNetTrainer.on_epoch_end

    def cut(trainer):
        original(trainer)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(nnUNetTrainer, "on_epoch_end", cut)
        yield patch


@pytest.mark.parametrize("experiment", METHODS)
def test_a_resumed_run_equals_the_uninterrupted_one(
    trained, fresh, power_cut, experiment
):
    assert train(fresh, experiment) == 3  # an unknown error, as far as we know
    folder = run_folder(fresh, experiment)
    assert not folder.exists()
    workspace = Layout(folder.parents[2]).checkpoints(experiment, 0, 0)
    kept = [path.name for path in workspace.rglob("*.pth")]
    assert kept == ["checkpoint_latest.pth"]
    power_cut.undo()
    assert train(fresh, experiment) == 0
    assert_same_weights(trained[experiment], folder)
    record, curve = read_json(folder / "run.json"), pd.read_csv(folder / "training.csv")
    assert [s["first_epoch"] for s in record["segments"]] == [0, 1]
    assert [s["last_epoch"] for s in record["segments"]] == [0, 1]
    assert curve["segment"].tolist() == [0, 1]
    assert len(list(folder.glob("training_log_*.txt"))) >= 1
    seconds = record["cost"]["training_seconds"]
    assert seconds == pytest.approx(curve["seconds"].sum())
    assert seconds > curve["seconds"].max()
    whole = pd.read_csv(trained[experiment] / "training.csv")
    for name in ("train_loss", "val_loss", "learning_rate"):
        assert curve[name].tolist() == whole[name].tolist()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda kept, flag: kept | {"logging": Payload(flag)}, "other than weights"),
        (lambda kept, flag: {"network_weights": {}}, "it has no logging, _best_ema"),
        (lambda kept, flag: kept | {"network_weights": {}}, "does not fit the plans"),
        (lambda kept, flag: kept | {"optimizer_state": {}}, "does not fit the plans"),
    ],
)
def test_a_foreign_checkpoint_is_not_resumed_nor_run(
    fresh, power_cut, capsys, content, words
):
    assert train(fresh, PLAIN) == 3
    power_cut.undo()
    (latest,) = Layout.of(load_config([fresh])).root.rglob("checkpoint_latest.pth")
    flag = fresh.with_name("was_run")
    kept = torch.load(latest, weights_only=False)
    torch.save(content(kept, flag), latest)
    capsys.readouterr()
    assert train(fresh, PLAIN) == 1
    assert not flag.exists()
    assert words in capsys.readouterr().err


def test_nnunet_itself_resumes_our_checkpoints_and_we_its_own(
    fresh, power_cut, tmp_path
):
    assert train(fresh, PLAIN) == 3
    power_cut.undo()
    (ours,) = Layout.of(load_config([fresh])).root.rglob("checkpoint_latest.pth")
    trainer = initialised(fresh, PLAIN)
    nnUNetTrainer.load_checkpoint(trainer, str(ours))
    assert trainer.current_epoch == 1
    logged = deepcopy(trainer.logged)
    assert logged["segment"] == [0]
    theirs = tmp_path / "checkpoint_latest.pth"
    trainer.current_epoch = 0  # which it writes plus 1
    nnUNetTrainer.save_checkpoint(trainer, str(theirs))
    again = initialised(fresh, PLAIN)
    again.load_checkpoint(str(theirs))
    assert again.logged == logged
    assert again._best_ema == trainer._best_ema
    for one, two in zip(
        again.network.parameters(), trainer.network.parameters(), strict=True
    ):
        assert torch.equal(one, two)
    state, kept = again.optimizer.state_dict(), trainer.optimizer.state_dict()
    assert state["param_groups"] == kept["param_groups"]
    for number, moments in kept["state"].items():
        for name, moment in moments.items():
            assert torch.equal(state["state"][number][name], moment)


def test_finished_weights_are_small_and_hold_nothing_but_data(fresh, power_cut):
    assert train(fresh, PLAIN) == 3
    (latest,) = Layout.of(load_config([fresh])).root.rglob("checkpoint_latest.pth")
    to_go_on = latest.stat().st_size
    power_cut.undo()
    assert train(fresh, PLAIN) == 0
    path = run_folder(fresh, PLAIN) / "checkpoint_final.pth"
    assert path.stat().st_size < 0.6 * to_go_on
    content = torch.load(path, weights_only=True)
    assert content.keys().isdisjoint({"optimizer_state", "grad_scaler_state"})
    # What nnU-Net's own predictor reads.
    needed = {"network_weights", "trainer_name", "init_args"}
    assert needed | {"inference_allowed_mirroring_axes"} <= content.keys()
    workspace = Layout.of(load_config([fresh])).checkpoints(PLAIN, 0, 0)
    (kept,) = workspace.rglob("checkpoint_final.pth")
    assert kept.read_bytes() == path.read_bytes()


def test_a_checkpoint_of_other_settings_is_refused(fresh, power_cut, capsys):
    assert train(fresh, PLAIN) == 3
    power_cut.undo()
    changed = write_config(fresh.parent, learning_rate=0.001)
    verb(changed, "plan", "--experiment", PLAIN)
    capsys.readouterr()
    assert train(changed, PLAIN) == 1
    message = capsys.readouterr().err
    workspace = Layout.of(load_config([changed])).checkpoints(PLAIN, 0, 0)
    assert f"error: {workspace} holds the weights" in message
    assert "settings.training.learning_rate: 0.003 -> 0.001" in message
    assert "delete the folder" in message
    shutil.rmtree(workspace)
    assert train(changed, PLAIN) == 0


def test_settings_of_the_machine_may_change_between_segments(fresh, power_cut):
    assert train(fresh, PLAIN) == 3
    power_cut.undo()
    assert train(write_config(fresh.parent, checkpoint_every=7), PLAIN) == 0
    record = read_json(run_folder(fresh, PLAIN) / "run.json")
    assert len(record["segments"]) == 2


def lease_of(path, experiment):
    layout = Layout.of(load_config([path]))
    return layout.checkpoints(experiment, 0, 0).with_suffix(".lease")


def test_a_second_trainer_of_a_run_is_refused(fresh, capsys):
    with held(lease_of(fresh, PLAIN), "the run"):
        assert train(fresh, PLAIN) == 1
    message = capsys.readouterr().err
    assert f"{PLAIN}, seed 0, fold 0 is being computed by process" in message
    assert not (run_folder(fresh, PLAIN) / "run.json").exists()
    assert train(fresh, PLAIN) == 0
    assert not lease_of(fresh, PLAIN).exists()


def test_a_trainer_that_lost_its_run_writes_nothing(fresh, monkeypatch, capsys):
    """As on a cluster, where another job took over what seemed dead."""
    on_epoch_end = DeepracTrainer.on_epoch_end

    def lost(trainer):
        lease_of(fresh, PLAIN).write_text("{}")
        on_epoch_end(trainer)

    monkeypatch.setattr(DeepracTrainer, "on_epoch_end", lost)
    assert train(fresh, PLAIN) == 1
    assert "is no longer this process's" in capsys.readouterr().err
    folder = lease_of(fresh, PLAIN).with_suffix("")
    assert not any(folder.rglob("*.pth"))
    assert not (run_folder(fresh, PLAIN) / "run.json").exists()


def test_a_loss_that_is_no_number_ends_the_training(fresh, monkeypatch, capsys):
    nothing = {"loss": torch.tensor(float("nan"))}
    monkeypatch.setattr(DeepracTrainer, "train_step", lambda trainer, batch: nothing)
    assert train(fresh, PLAIN) == 1
    message = capsys.readouterr().err
    assert f"{PLAIN}, fold 0: the training loss is nan in epoch 0" in message
    assert "training.learning_rate" in message


def test_a_full_disk_ends_the_training_and_keeps_the_last_checkpoint(
    fresh, monkeypatch, capsys
):
    save, calls = torch.save, []

    def fill(content, path):
        calls.append(path)
        if len(calls) > 1:
            Path(path).write_bytes(b"half")
            raise RuntimeError("PytorchStreamWriter failed writing file: 28")
        save(content, path)

    monkeypatch.setattr(torch, "save", fill)
    assert train(fresh, PLAIN) == 1
    message = capsys.readouterr().err
    assert "checkpoint_final.pth cannot be written" in message
    assert "Free disk space" in message
    workspace = Layout.of(load_config([fresh])).checkpoints(PLAIN, 0, 0)
    (kept,) = workspace.rglob("*.pth")
    assert kept.name == "checkpoint_latest.pth"
    monkeypatch.undo()
    assert train(fresh, PLAIN) == 0


def test_a_missing_gpu_is_known_before_anything_is_written(fresh, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    path = write_config(fresh.parent, device="cuda")
    assert train(path, PLAIN) == 1
    assert "training.device is 'cuda'" in capsys.readouterr().err
    assert not Layout.of(load_config([path])).checkpoints(PLAIN, 0, 0).exists()


def test_an_unknown_fold_is_an_error(fresh, capsys):
    assert train(fresh, PLAIN, fold=5) == 1
    message = capsys.readouterr().err
    assert "Fold 5 does not exist" in message
    assert "has 2 folds" in message


def test_the_crop_is_calibrated_on_the_training_patients(fresh):
    half_sides = []
    for case in TRAIN:
        trainer = initialised(fresh, STN)
        known = trainer.supervision([case], identity(1))
        canonical = transform_points(
            invert(known.image_from_canonical), known.outline
        ).numpy()
        half_sides.append(np.ptp(canonical, axis=1).max() / 2)
    expected = 1.15 * np.quantile(half_sides, 0.975)
    assert train(fresh, STN) == 0
    weights = checkpoint(run_folder(fresh, STN))["network_weights"]
    # The tallest labels are rows 7 to 18 or 19 of bodies of 12 to 14 by 11 pixels, a
    # radius of sqrt((12**2 + 11**2) / 8) / 17 = 0.34 at least: half of 13 rows of 17,
    # enlarged to a radius of 0.4.
    assert expected == pytest.approx(1.15 * 6.5 / 17 * 0.4 / 0.36, rel=0.1)
    assert weights["crop.half_side"].item() == pytest.approx(expected, rel=1e-5)


def test_calibration_does_not_see_the_held_out_case(fresh):
    trainer = initialised(fresh, STN)
    seen = []
    trainer.network.calibrate = seen.append
    trainer.on_train_start()
    trainer.on_epoch_start()
    (known,) = seen
    expected = trainer.supervision(TRAIN, identity(3)).outline
    torch.testing.assert_close(known.outline, expected, rtol=0, atol=0)


def test_calibration_runs_once_and_its_time_counts(fresh, power_cut, monkeypatch):
    calls, original = [], STNUNet.calibrate

    def calibrate(network, cases):
        calls.append(network)
        time.sleep(2)
        original(network, cases)

    monkeypatch.setattr(STNUNet, "calibrate", calibrate)
    assert train(fresh, STN) == 3
    power_cut.undo()
    assert train(fresh, STN) == 0  # resumes with epoch 1
    assert len(calls) == 1
    folder = run_folder(fresh, STN)
    first, second = pd.read_csv(folder / "training.csv")["seconds"]
    assert first > 2
    cost = read_json(folder / "run.json")["cost"]
    assert cost["training_seconds"] == pytest.approx(first + second)


def test_the_localiser_has_its_own_learning_rate(fresh):
    trainer = initialised(fresh, STN)
    trainer.lr_scheduler.step(1)
    groups = trainer.optimizer.param_groups
    # localiser.learning_rate_factor is 0.1, in every epoch.
    assert [group["lr"] for group in groups] == pytest.approx(
        [0.003 * 0.5**0.9, 0.0003 * 0.5**0.9]
    )


def test_rates_and_clip_of_the_front_end_are_configured(fresh):
    trainer = initialised(fresh, STN)
    settings = trainer.front_end["settings"]
    settings |= {"coarse_learning_rate_factor": 0.5, "max_gradient": 3.0}
    network = trainer.network
    pose, crop = network.pose_parameters(), list(network.crop.parameters())
    rest, *own = trainer.parameter_groups()
    assert [(len(group["params"]), group["lr"]) for group in own] == [
        (len(pose), pytest.approx(0.0003)),
        (len(crop), pytest.approx(0.0015)),
    ]
    assert len(rest["params"]) == len(list(network.unet.parameters()))
    assert trainer.clipped_parts()[-1][1] == 3.0


def initialised(path: Path, experiment: str) -> DeepracTrainer:
    layout = Layout.of(load_config([path]))
    configure_nnunet(layout, workspace=layout.root / "scratch", data_workers=0)
    model = layout.model(experiment, 0)
    plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
    trainer = build_trainer(plans, dataset, 0, torch.device("cpu"))
    trainer.initialize()
    return trainer


def test_a_localiser_without_gradient_does_not_stop_the_training(fresh):
    """For example where its losses are off and every slice of a batch is air."""
    trainer = initialised(fresh, STN)
    for parameter in trainer.network.pose_parameters():
        parameter.grad = torch.zeros_like(parameter)
    trainer.clip_gradients()
    trainer.optimizer.step()
    assert trainer.localiser_gradient() == 0


def test_the_localisers_gradient_is_clipped_on_its_own(fresh):
    trainer = initialised(fresh, STN)
    bias = trainer.network.normaliser.localiser.output.bias
    bias.grad = torch.tensor([30.0, 0.0, -40.0, 0.0])
    other = trainer.network.unet.decoder.seg_layers[0].bias
    other.grad = torch.full_like(other, 50.0)
    trainer.clip_gradients()
    assert bias.grad.tolist() == pytest.approx([0.6, 0.0, -0.8, 0.0], abs=1e-5)
    # nnU-Net's norm of 12, not shared with the localiser: three equal parts of it.
    assert other.grad.tolist() == pytest.approx([12 / math.sqrt(3)] * 3, rel=1e-5)
    for length in (2.0, 7.0):
        bias.grad = torch.tensor([0.0, length, 0.0, 0.0])
        trainer.clip_gradients()
    # Norms before clipping of 50, 2 and 7: the median, once.
    assert trainer.localiser_gradient() == pytest.approx(7)
    assert trainer.localiser_gradient() is None


def test_a_training_step_clips(fresh):
    """With losses of any size, no step is longer than the clipped norms allow."""
    trainer = initialised(fresh, STN)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    batch = next(trainer.dataloader_train)
    build = trainer.loss.forward
    trainer.loss.forward = lambda *args: 1e4 * build(*args)
    trainer.train_step(batch)
    network = trainer.network
    parts = (network.unet, 12.0), (network.crop, 12.0), (network.normaliser, 1.0)
    assert sum(len(part) for part, _ in trainer.clips) == len([*network.parameters()])
    for part, norm in parts:
        grads = [p.grad.flatten() for p in part.parameters() if p.grad is not None]
        assert torch.cat(grads).norm() == pytest.approx(norm, rel=1e-3)


def parts(transform):
    """All transforms that a transform holds."""
    yield transform
    children = getattr(transform, "transforms", getattr(transform, "transform", []))
    for child in children if isinstance(children, list) else [children]:
        yield from parts(child)


def test_augmentation_is_nnunets_without_what_depends_on_timing(fresh):
    trainer = initialised(fresh, METHODS[1])
    transforms = trainer.slice_transforms()
    found = {type(part).__name__: part for part in parts(transforms)}
    assert {"SpatialTransform", "GammaTransform", "MirrorTransform"} <= found.keys()
    assert found["GaussianBlurTransform"].benchmark is False
    spatial = found["SpatialTransform"]
    assert spatial.scaling == (0.7, 1.4)
    assert spatial.padding_value_image == trainer.settings["normalised_air"]


@pytest.mark.parametrize("experiment", [PLAIN, STN])
def test_without_augmentation_slices_arrive_as_they_are_stored(fresh, experiment):
    """Also those that are oversampled for their foreground: the last of each batch."""
    trainer = initialised(fresh, experiment)
    loader, _ = trainer.get_dataloaders()
    assert trainer.batched_augmentation() is None
    dataset, _ = trainer.get_tr_and_val_datasets()
    for _ in range(8):
        batch = next(loader)
        for image, case in zip(batch["data"], batch["keys"], strict=True):
            stored = torch.from_numpy(dataset.load_case(case)[0][0])
            assert any(torch.equal(image[0], one) for one in stored)
        assert (batch["target"][0][-1] > 0).any()
        if experiment == STN:
            labels, image_from_sample = split_target(batch["target"])
            assert [tuple(level.shape[-2:]) for level in labels] == [(32, 32), (16, 16)]
            assert torch.equal(image_from_sample, identity(2))


MOVED = similarity(
    torch.tensor([0.2]), torch.tensor([0.4]), torch.tensor([[0.1, -0.2]])
)


@pytest.mark.parametrize(
    "signs", [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0)], ids=["turned", "in x", "in y"]
)
def test_supervision_follows_the_augmentation(fresh, signs):
    trainer = initialised(fresh, STN)
    flip = torch.tensor(signs)[:, None] * identity(1)
    image_from_sample = compose(MOVED, flip)
    still = trainer.supervision(["a1", "a2"], identity(2))
    known = trainer.supervision(["a1", "a2"], image_from_sample.expand(2, 2, 3))
    torch.testing.assert_close(
        transform_points(image_from_sample, known.outline), still.outline
    )
    # Centre and size, and where the patient's back is, are those of the patient.
    landmarks = torch.tensor([[[0.0, 0.0], [0.0, 0.7]]])
    torch.testing.assert_close(
        transform_points(
            image_from_sample, transform_points(known.image_from_canonical, landmarks)
        ),
        transform_points(still.image_from_canonical, landmarks),
        atol=1e-5,
        rtol=0,
    )
    assert (torch.linalg.det(known.image_from_canonical[:, :, :2]) > 0).all()
    if signs == (1.0, 1.0):
        torch.testing.assert_close(
            compose(image_from_sample, known.image_from_canonical),
            still.image_from_canonical,
            atol=1e-5,
            rtol=0,
        )


def test_each_slice_of_a_batch_is_supervised_by_its_own_patient(fresh):
    trainer = initialised(fresh, STN)
    batch = trainer.supervision(["a3", "a1"], torch.cat([identity(1), MOVED]))
    for index, (case, moved) in enumerate((("a3", identity(1)), ("a1", MOVED))):
        alone = trainer.supervision([case], moved)
        torch.testing.assert_close(batch.outline[index], alone.outline[0])
        torch.testing.assert_close(
            batch.image_from_canonical[index], alone.image_from_canonical[0]
        )


def test_a_step_is_supervised_by_what_its_batch_went_through(fresh, monkeypatch):
    trainer = initialised(fresh, STN)
    forward, seen = trainer.network.forward, []

    def spy(image, supervision=None):
        seen.append(supervision)
        return forward(image, supervision)

    monkeypatch.setattr(trainer.network, "forward", spy)
    trainer.on_train_start()
    trainer.on_epoch_start()
    batch = next(trainer.dataloader_train)
    batch["target"][-1] = MOVED.expand(2, 2, 3)
    trainer.network.train()
    trainer.train_step(batch)
    expected = trainer.supervision(batch["keys"], MOVED.expand(2, 2, 3))
    (used,) = seen
    assert torch.equal(used.image_from_canonical, expected.image_from_canonical)
    assert torch.equal(used.outline, expected.outline)
    # Validation slices have not moved.
    batch = next(trainer.dataloader_val)
    trainer.network.eval()
    trainer.validation_step(batch)
    expected = trainer.supervision(batch["keys"], identity(2))
    assert torch.equal(seen[-1].outline, expected.outline)


@pytest.mark.parametrize("trainer", [DeepracTrainer, STNTrainer])
def test_convention_trainers_keep_nnunets_constructor(trainer):
    """nnU-Net restores trainers by these names."""
    assert list(signature(trainer).parameters) == list(
        signature(nnUNetTrainer).parameters
    )


def test_only_the_chosen_number_of_patients_is_trained_on(cohort, tmp_path):
    shutil.copytree(cohort, tmp_path, dirs_exist_ok=True)
    layout = Layout.of(load_config([write_config(tmp_path)]))
    table = pd.read_csv(layout.cases_csv)
    table.assign(tumour_ml=[1.0, 2, 3, 0], side="left").to_csv(layout.cases_csv)

    def split(count, seed=0):
        trainer = object.__new__(DeepracTrainer)
        trainer.fold, trainer.splits_file = 0, layout.splits
        trainer.settings = {"experiment": "e", "seed": seed, "training_patients": count}
        return trainer.do_split()

    assert split(None) == split(3) == (list(TRAIN), list(HELD_OUT))
    (one, held_out), (two, _) = split(1), split(2)
    assert set(one) < set(two) < set(TRAIN)
    assert held_out == list(HELD_OUT)
    assert split(2, seed=5)[0] == two
    with pytest.raises(SplitError, match="e, fold 0: training_patients is 4"):
        split(4)


def test_run_json_is_plain_json(trained):
    json.loads((trained[STN] / "run.json").read_text(), parse_constant=pytest.fail)
