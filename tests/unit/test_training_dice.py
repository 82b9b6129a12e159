"""Dice on slices of training patients, by networks whose answers are known."""

from pathlib import Path

import pytest
import torch
from torch import nn

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.training.resuming import FINAL
from deeprac.training.trainer import DeepracTrainer, build_trainer
from deeprac.training.training_dice import SLICES, training_dice
from support.toy_cohort import CASES, HELD_OUT, TRAIN, TRAINED, small_networks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


def initialised(folder: Path, experiment: str) -> DeepracTrainer:
    layout = Layout.of(load_config([folder / "toy.yaml"]))
    configure_nnunet(layout, workspace=layout.root / "scratch", data_workers=0)
    model = layout.model(experiment, 0)
    plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
    trainer = build_trainer(plans, dataset, 0, torch.device("cpu"))
    trainer.initialize()
    return trainer


class Answer(nn.Module):
    """Answers every pixel with one class, and keeps what it was asked."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.label = label
        self.asked: list[torch.Tensor] = []

    def forward(self, slices: torch.Tensor) -> list[torch.Tensor]:
        self.asked.append(slices)
        logits = torch.zeros(len(slices), 3, *slices.shape[2:])
        logits[:, self.label] = 1
        return [logits] * 2


@pytest.fixture
def asked(prepared_toy, monkeypatch):
    """Ask a network that sees kidney everywhere, and keep the batches."""
    batches = []
    trainer = initialised(prepared_toy, "coarse_nnunet")
    trainer.network, trainer.loss = Answer(1), lambda *_: torch.tensor(0.0)
    step = trainer.validation_step

    def kept(batch):
        batches.append(batch)
        return step(batch)

    monkeypatch.setattr(trainer, "validation_step", kept)
    monkeypatch.setattr("deeprac.training.training_dice.SLICES", SLICES)
    return trainer, batches


def test_dice_of_a_known_answer_over_all_pixels_together(asked):
    trainer, batches = asked
    found = training_dice(trainer)
    labels = torch.cat([batch["target"][0] for batch in batches])
    kidney = int((labels == 1).sum())
    # All pixels are answered with kidney: 2 x hits / (answered + kidney's own).
    assert found["kidney"] == pytest.approx(2 * kidney / (labels.numel() + kidney))
    assert found["tumour"] == 0
    assert 0 < kidney < labels.numel()


def test_slices_are_labelled_and_of_training_patients(asked):
    trainer, batches = asked
    training_dice(trainer)
    labels = torch.cat([batch["target"][0] for batch in batches])
    assert len(labels) == SLICES
    assert (labels > 0).flatten(1).any(1).all()
    assert {case for batch in batches for case in batch["keys"]} == set(TRAIN)
    # All labels are as likely: about half of the slices were drawn for a tumour.
    assert (labels == 2).flatten(1).any(1).sum() > SLICES / 4


def test_a_label_that_no_slice_shows_is_not_judged(asked, monkeypatch):
    trainer, _ = asked
    monkeypatch.setattr(trainer, "do_split", lambda: (list(HELD_OUT), [CASES[0]]))
    found = training_dice(trainer)
    assert found["tumour"] is None
    assert found["kidney"] > 0


def test_the_slices_are_the_same_in_all_methods_and_again(prepared_toy):
    def slices(experiment, seed=0):
        trainer = initialised(prepared_toy, experiment)
        trainer.settings["seed"] = seed
        batches = []
        counts = {f"{name}_hard": [1, 1] for name in ("tp", "fp", "fn")}
        trainer.validation_step = lambda batch: batches.append(batch) or counts
        training_dice(trainer)
        return torch.cat([batch["data"] for batch in batches])

    first = slices("coarse_nnunet")
    assert torch.equal(first, slices("coarse_nnunet"))
    assert torch.equal(first, slices("coarse_nnunet_augment", seed=7))


@pytest.mark.parametrize("experiment", TRAINED)
def test_run_json_has_that_of_the_final_network(trained_toy, experiment):
    """And none of its weights is changed by it."""
    trainer = initialised(trained_toy, experiment)
    run = Layout.of(load_config([trained_toy / "toy.yaml"])).run(experiment, 0, 0)
    trainer.load_checkpoint(str(run / FINAL))
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    found = training_dice(trainer)
    assert found == read_json(run / "run.json")["training_dice"]
    assert list(found) == ["kidney", "tumour"]
    assert all(0 <= dice <= 1 for dice in found.values())
    after = trainer.network.state_dict()
    assert all(before[key].equal(after[key]) for key in before)
