"""The released transformers and the U-Net, trained one after the other on toy cases."""

import shutil
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from deeprac.cli import main
from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.files import read_json
from deeprac.front_ends import FRONT_ENDS
from deeprac.geometry.similarity import identity
from deeprac.layout import Layout
from deeprac.networks.labarbera import LaBarberaUNet
from deeprac.training.labarbera import (
    LaBarberaTrainer,
    Phase,
    label_window,
    reference_loss,
    reference_mask,
    window_loss,
)
from deeprac.training.trainer import build_trainer
from deeprac.volumes import read_volume
from support.toy_cohort import (
    TRAIN,
    assert_known_losses,
    copy_toy,
    run_arguments,
    small_networks,
    verb,
)

pytestmark = pytest.mark.slow

EXPERIMENTS = {"pose": "stn_labarbera", "both": "stn_labarbera_crop", "half": "half"}
METHODS = {
    "stn_labarbera": {"normaliser": "stn_labarbera"},
    "stn_labarbera_crop": {"normaliser": "stn_labarbera", "crop": "stn_labarbera"},
    "half": {
        "normaliser": "stn_labarbera",
        "crop": "stn_labarbera",
        "network_input": 0.5,
    },
}
EPOCHS = 2
"""Of each transformer, and of the U-Net."""
RATE = 0.05


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


def write_released(folder: Path) -> Path:
    """Write the toy configuration with the released methods; return its path."""
    content = yaml.safe_load((folder / "toy.yaml").read_text())
    content |= {
        "results": str(folder),
        "methods": {
            name: {"label": name, "description": name} | method
            for name, method in METHODS.items()
        },
        "experiments": [
            {"experiment": name, "matrix": "fine", "method": method}
            for name, method in EXPERIMENTS.items()
        ],
        "statistics": {"comparisons": []},
        "labarbera": {"epochs": EPOCHS, "learning_rate": RATE},
        "training": content["training"] | {"epochs": EPOCHS},
    }
    path = folder / "released.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def cohort(prepared_toy, tmp_path_factory):
    """Folder of a prepared toy cohort with plans of the released methods."""
    folder = tmp_path_factory.mktemp("prepared")
    copy_toy(prepared_toy, folder)
    path = write_released(folder)
    for name in EXPERIMENTS:
        verb(path, "plan", "--experiment", name)
    return folder


@pytest.fixture
def fresh(cohort, tmp_path):
    """A copy of the cohort for tests that leave something behind."""
    shutil.copytree(cohort, tmp_path, dirs_exist_ok=True)
    return write_released(tmp_path)


@pytest.fixture(scope="module")
def trained(cohort, tmp_path_factory):
    """Configuration under which all released methods are trained."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(cohort, folder, dirs_exist_ok=True)
    path = write_released(folder)
    for name in EXPERIMENTS:
        verb(path, "train", *run_arguments(name))
    return path


def run_folder(path: Path, experiment: str) -> Path:
    return Layout.of(load_config([path])).run(experiment, 0, 0)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    content = torch.load(folder / "checkpoint_final.pth", weights_only=False)
    return content["network_weights"]


def initialised(path: Path, experiment: str) -> LaBarberaTrainer:
    layout = Layout.of(load_config([path]))
    configure_nnunet(layout, workspace=layout.root / "scratch", data_workers=0)
    model = layout.model(experiment, 0)
    plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
    trainer = build_trainer(plans, dataset, 0, torch.device("cpu"))
    trainer.initialize()
    return trainer


def test_the_plans_choose_network_and_trainer(fresh):
    trainer = initialised(fresh, "half")
    assert type(trainer) is LaBarberaTrainer
    assert isinstance(trainer.network, LaBarberaUNet)
    plans = read_json(Layout.of(load_config([fresh])).model("half", 0) / "plans.json")
    assert plans["deeprac"]["front_end"] == {
        "normaliser": "stn_labarbera",
        "crop": "stn_labarbera",
        "labarbera": True,
        "settings": {"epochs": EPOCHS, "learning_rate": RATE},
    }
    architecture = plans["configurations"]["2d"]["architecture"]
    assert architecture["network_class_name"] == FRONT_ENDS["labarbera"].network
    kwargs = architecture["arch_kwargs"]
    assert (kwargs["matrix_size"], kwargs["network_input_size"]) == (32, 16)
    assert kwargs["normalise"] is kwargs["crop"] is True


def test_convention_the_trainer_keeps_nnunets_constructor():
    assert list(signature(LaBarberaTrainer).parameters) == list(
        signature(nnUNetTrainer).parameters
    )


@pytest.mark.parametrize(
    ("experiment", "phases"),
    [
        ("pose", [Phase.POSE] * 2 + [Phase.UNET] * 2),
        ("both", [Phase.POSE] * 2 + [Phase.CROP] * 2 + [Phase.UNET] * 2),
    ],
)
def test_phases_follow_each_other(fresh, experiment, phases):
    trainer = initialised(fresh, experiment)
    assert trainer.num_epochs == len(phases)
    for epoch, phase in enumerate(phases):
        trainer.current_epoch = epoch
        assert trainer.phase is phase


def test_each_phase_trains_its_own_network_and_no_other(fresh):
    trainer = initialised(fresh, "both")
    loader, _ = trainer.get_dataloaders()
    trainer.network.reference.copy_(
        torch.from_numpy(reference_mask(trainer._reference_slice()))
    )
    for epoch, name in ((0, "pose"), (EPOCHS, "window"), (2 * EPOCHS, "unet")):
        trainer.current_epoch = epoch
        before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
        for _ in range(2):
            trainer.train_step(next(loader))
        after = trainer.network.state_dict()
        changed = {k.split(".")[0] for k in after if not after[k].equal(before[k])}
        assert changed == {name}


def test_no_gradient_of_a_transformer_counts_when_the_u_nets_is_clipped(fresh):
    trainer = initialised(fresh, "both")
    loader, _ = trainer.get_dataloaders()
    for epoch in (0, EPOCHS):
        trainer.current_epoch = epoch
        trainer.train_step(next(loader))
        assert all(p.grad is None for p in trainer.network.parameters())


def test_learning_curve(trained):
    curve = pd.read_csv(run_folder(trained, "both") / "training.csv")
    assert curve["epoch"].tolist() == list(range(3 * EPOCHS))
    poly = [0.003, 0.003 * 0.5**0.9]
    assert curve["learning_rate"].tolist() == pytest.approx([RATE] * 4 + poly)
    losses = curve[["train_loss", "val_loss"]].to_numpy()
    assert np.isfinite(losses).all()
    assert ((losses[:2] > 0) & (losses[:2] < 1)).all()  # one minus Dice
    assert (losses[2:4] > 0).all()  # a distance
    dice = curve[["val_dice_kidney", "val_dice_tumour"]]
    assert dice[:4].isna().all(axis=None)
    assert dice[4:]["val_dice_kidney"].notna().all()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_training_goes_as_it_always_did(trained, experiment):
    curve = pd.read_csv(run_folder(trained, experiment) / "training.csv")
    assert_known_losses(curve, experiment)


def losses_of_one_batch(trainer: LaBarberaTrainer, steps: int = 20) -> list[float]:
    batch = next(trainer.get_dataloaders()[0])
    return [float(trainer.train_step(batch)["loss"]) for _ in range(steps)]


def test_size_and_pose_learn(fresh):
    trainer = initialised(fresh, "both")
    mask = reference_mask(trainer._reference_slice())
    trainer.network.reference.copy_(torch.from_numpy(mask).roll(2, 1))
    losses = losses_of_one_batch(trainer)
    assert losses[-1] < 0.95 * losses[0]


def test_the_crop_hardly_moves(fresh):
    """Corners are in pixels, so a step of the rate is divided by the matrix twice."""
    trainer = initialised(fresh, "both")
    trainer.current_epoch = EPOCHS
    losses = losses_of_one_batch(trainer)
    assert losses[-1] < losses[0]
    corners = trainer.network.window.output.bias.detach()
    start = torch.tensor([8.0, 24.0, 8.0, 24.0])
    assert 0 < (corners - start).abs().max() < 20 * RATE * 2 / 32


def test_time_of_all_phases_counts(trained):
    folder = run_folder(trained, "both")
    cost = read_json(folder / "run.json")["cost"]
    seconds = pd.read_csv(folder / "training.csv")["seconds"]
    assert cost["training_seconds"] == pytest.approx(seconds.sum())
    assert cost["step_flops"] > 0
    net = initialised(trained, "both").network
    assert cost["parameters"] == sum(p.numel() for p in net.parameters())


def test_the_reference_is_a_slice_of_the_first_training_case(trained, fresh):
    trainer = initialised(fresh, "pose")
    dataset, _ = trainer.get_tr_and_val_datasets()
    data, seg, _, _ = dataset.load_case(TRAIN[0])
    chosen = trainer._reference_slice()
    (index,) = [i for i, one in enumerate(data[0]) if np.array_equal(one, chosen)]
    kidney = (np.asarray(seg[:])[0] == 1).sum((1, 2))
    assert kidney[index] == kidney.max() > 0
    stored = weights(run_folder(trained, "pose"))["reference"]
    assert np.array_equal(stored[0, 0].numpy(), reference_mask(chosen))


class PowerCutError(Exception):
    """Ends a training between two epochs."""


@pytest.mark.parametrize("epochs_done", [1, 3, 5])
def test_a_resumed_run_equals_the_uninterrupted_one(
    trained, fresh, monkeypatch, epochs_done
):
    """Interrupted within size and pose, within the crop, and within the U-Net."""
    original = nnUNetTrainer.on_epoch_end

    def cut(trainer):
        original(trainer)
        if trainer.current_epoch == epochs_done:
            raise PowerCutError

    arguments = ["train", "--config", str(fresh), *run_arguments("both")]
    with monkeypatch.context() as patch:
        patch.setattr(nnUNetTrainer, "on_epoch_end", cut)
        assert main(arguments) == 3
    assert main(arguments) == 0
    whole, resumed = (run_folder(path, "both") for path in (trained, fresh))
    first, second = weights(whole), weights(resumed)
    assert first.keys() == second.keys()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name
    one, two = (pd.read_csv(folder / "training.csv") for folder in (whole, resumed))
    pd.testing.assert_series_equal(one["train_loss"], two["train_loss"])
    assert two["segment"].tolist() == [0] * epochs_done + [1] * (6 - epochs_done)


def test_a_loss_that_is_no_number_names_the_rate_to_lower(fresh, monkeypatch, capsys):
    nothing = torch.tensor(float("nan"), requires_grad=True)
    monkeypatch.setattr(LaBarberaTrainer, "_front_end_loss", lambda *_: nothing)
    assert main(["train", "--config", str(fresh), *run_arguments("pose")]) == 1
    message = capsys.readouterr().err
    assert "the loss of the transformer of size and pose is nan in epoch 0" in message
    assert "Lower labarbera.learning_rate" in message


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_trained_run_predicts(trained, experiment):
    verb(trained, "predict", *run_arguments(experiment))
    layout = Layout.of(load_config([trained]))
    (path,) = (run_folder(trained, experiment) / "predictions").glob("*.nii.gz")
    labels, _ = read_volume(path)
    image, _ = read_volume(layout.cohort / "imagesTr" / f"{path.name[:-7]}_0000.nii.gz")
    assert labels.shape == image.shape
    assert set(np.unique(labels)) <= {0, 1, 2}


def labelled(*boxes, size=40):
    """One slice per box (x0, x1, y0, y1), ends included; None is an empty slice."""
    labels = torch.zeros(len(boxes), 1, size, size)
    for index, box in enumerate(boxes):
        if box is not None:
            x0, x1, y0, y1 = box
            labels[index, 0, y0 : y1 + 1, x0 : x1 + 1] = 2
    return labels


@pytest.mark.parametrize(
    ("box", "side", "centre"),
    [
        ((10, 30, 14, 22), 20, (20, 18)),  # wide: as high as it is wide
        ((18, 22, 8, 28), 20, (20, 18)),
        ((18, 21, 16, 20), 10, (19.5, 18)),  # small: a quarter of the frame
        ((0, 3, 33, 39), 10, (5, 35)),  # moved inside the frame
        ((2, 38, 1, 5), 36, (20, 18)),  # flat and long
    ],
)
def test_known_label_windows(box, side, centre):
    expected = [
        [side / 40, 0, 2 * centre[0] / 40 - 1],
        [0, side / 40, 2 * centre[1] / 40 - 1],
    ]
    torch.testing.assert_close(label_window(labelled(box))[0], torch.tensor(expected))


def test_a_slice_without_labels_gets_the_whole_frame():
    windows = label_window(labelled(None, (7, 7, 3, 30), (10, 30, 14, 22)))
    # One column of labels has no extent, which the authors treat as no label.
    torch.testing.assert_close(windows[:2], identity(2).clone())
    assert windows[2, 0, 0] == 0.5


def test_kidney_and_tumour_share_a_window():
    labels = labelled((4, 8, 4, 8))
    labels[0, 0, 30:33, 30:35] = 1
    assert label_window(labels)[0, 0, 0].item() == pytest.approx((34 - 4) / 40)


def test_window_loss_has_a_gradient_at_its_minimum():
    target = identity(2).clone()
    window = target.clone().requires_grad_()
    window_loss(window, target).backward()
    assert window.grad.isfinite().all()
    moved = target.clone()
    moved[0, 0, 2] = 0.6
    assert window_loss(moved, target).item() == pytest.approx((0.36 / 12) ** 0.5)


def test_reference_loss_is_one_minus_dice():
    reference = torch.zeros(1, 1, 8, 8)
    reference[..., :4] = 1
    half, apart = torch.zeros_like(reference), torch.zeros_like(reference)
    half[..., 2:6] = 1
    apart[..., 4:] = 1
    for body, loss in ((reference, 0), (half, 0.5), (apart, 1)):
        assert reference_loss(body, reference).item() == pytest.approx(loss, abs=1e-5)
    both = torch.cat([reference, apart])
    assert reference_loss(both, reference).item() == pytest.approx(0.5, abs=1e-5)


def test_reference_mask_is_the_largest_part_filled():
    image = np.full((30, 40), -1.0, np.float32)
    image[8:20, 10:24] = 0.5
    image[12:16, 14:20] = -1.0  # a hole
    image[27, 33] = 2.0  # something apart
    # Two dilations by a cross cut 3 pixels off each corner of the box grown by 2.
    mask = reference_mask(image)
    assert mask[8:20, 10:24].all()
    assert mask[6:22, 8:26].sum() == mask.sum() == 16 * 18 - 12
    assert not mask[27, 33]


def test_a_reference_without_contrast_is_empty():
    assert not reference_mask(np.full((8, 8), 3.0, np.float32)).any()
