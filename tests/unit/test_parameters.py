"""Numbers of a network, made or planned; and what they take on the disk."""

from pathlib import Path

import pytest
import torch
from torch import nn

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.layout import Layout
from deeprac.space import COPIES, FILES, checkpoints_bytes, weights_bytes
from deeprac.training.parameters import planned_numbers, stored_numbers
from deeprac.training.plans import NOMINAL_FINGERPRINT, build_plans
from deeprac.training.resuming import FINAL, LATEST
from deeprac.training.step import dry_copy, nominal_trainer
from support.toy_cohort import small_networks, write_config

REPO = Path(__file__).parents[2]
OVERHEAD = 600_000
"""Bytes of a checkpoint beside its numbers: names, settings, logs."""


@pytest.fixture(autouse=True)
def nnunet(tmp_path):
    with small_networks():
        configure_nnunet(Layout(tmp_path / "toy"), workspace=tmp_path, data_workers=0)
        yield


def test_parameters_and_buffers_count_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = self.second = nn.Linear(3, 5)
            self.register_buffer("reference", torch.zeros(7))

    assert stored_numbers(Twice()) == 3 * 5 + 5 + 7


def test_the_papers_u_net_by_hand(monkeypatch):
    """Two convolutions a stage, halved to 4 pixels: features as nnU-Net has them."""
    monkeypatch.chdir(REPO)
    config = load_config([Path("config/config.yaml")])
    experiment = config.experiment("fine_nnunet")
    features = [32, 64, 128, 256, 512, 512, 512, 512]

    def block(inputs, outputs):
        # 3 x 3 weights, bias, and scale and shift of the normalisation
        return 9 * inputs * outputs + outputs + 2 * outputs

    count = 0
    for inputs, outputs in zip([1, *features], features, strict=False):
        count += block(inputs, outputs) + block(outputs, outputs)
    for below, skip in zip(features[:0:-1], features[-2::-1], strict=True):
        count += 4 * below * skip + skip  # transposed, 2 x 2
        count += block(2 * skip, skip) + block(skip, skip)
        count += 3 * skip + 3  # logits of three classes
    plans = build_plans(config, experiment, 0, NOMINAL_FINGERPRINT)
    assert planned_numbers(plans, 3) == count == 46_326_581
    # Below what it is to reach, 190 MB, and as it was with the momentum.
    assert weights_bytes(count) / COPIES < 190e6
    assert checkpoints_bytes(count, "sgd") / FILES > 370e6


@pytest.mark.slow
def test_every_method_has_as_many_numbers_as_planned(tmp_path):
    config = load_config([write_config(tmp_path)])
    for experiment in config.experiments.values():
        trainer = nominal_trainer(config, experiment)
        plans = build_plans(config, experiment, 0, NOMINAL_FINGERPRINT)
        made = stored_numbers(dry_copy(trainer).network)
        assert planned_numbers(plans, 3) == made, experiment.name


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["fine_nnunet", "fine_stn_crop"])
def test_saved_files_are_as_large_as_said(monkeypatch, tmp_path, experiment):
    """The paper's networks at 512 x 512, saved once while they train and at the end."""
    monkeypatch.chdir(REPO)
    config = load_config([Path("config/config.yaml")])
    trainer = dry_copy(nominal_trainer(config, config.experiment(experiment)))
    for parameter in trainer.network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trainer.optimizer.step()
    sizes = {}
    for name in (LATEST, FINAL):
        trainer._save(tmp_path / name, epoch=0, part={})
        sizes[name] = (tmp_path / name).stat().st_size
        (tmp_path / name).unlink()
    count = stored_numbers(trainer.network)
    optimiser = config.training.optimiser
    assert 0 < sizes[FINAL] - weights_bytes(count) / COPIES < OVERHEAD
    assert 0 < sizes[LATEST] - checkpoints_bytes(count, optimiser) / FILES < OVERHEAD
    assert sizes[FINAL] < 190e6
