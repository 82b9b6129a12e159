"""Slices in memory: the batches of nnU-Net's loader, without reading a file."""

from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.files import read_json
from deeprac.geometry.similarity import identity
from deeprac.geometry.warp import warp
from deeprac.layout import Layout
from deeprac.training import resident
from deeprac.training.augmentation import split_target
from deeprac.training.nnunet import NnunetTrainer
from deeprac.training.resident import ResidentLoader, needed_bytes, place_for
from deeprac.training.stepping import SteppingTrainer
from deeprac.training.trainer import build_trainer, seed_everything
from support.toy_cohort import copy_toy, small_networks

CPU = torch.device("cpu")
PLAIN, STN, AUGMENTED = "coarse_nnunet", "fine_stn", "coarse_nnunet_augment"


@pytest.fixture
def opened(prepared_toy, tmp_path):
    """Opens an initialised trainer of a row of the toy cohort."""
    path = copy_toy(prepared_toy, tmp_path)
    layout = Layout.of(load_config([path]))
    configure_nnunet(layout, workspace=tmp_path / "scratch", data_workers=0)

    def build(name):
        model = layout.model(name, 0)
        plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
        trainer = build_trainer(plans, dataset, 0, CPU)
        trainer.initialize()
        return trainer

    with small_networks():
        yield build


def batches(loaders, count=6):
    seed_everything(3)
    return [next(loader) for loader in loaders for _ in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("name", [PLAIN, STN])
def test_batches_are_those_of_nnunets_loader(opened, name):
    trainer = opened(name)
    own = trainer.get_dataloaders()
    assert trainer.slices_in == "main memory"
    theirs = super(SteppingTrainer, trainer).get_dataloaders()
    for one, two in zip(batches(own), batches(theirs), strict=True):
        assert list(one["keys"]) == list(two["keys"])
        assert torch.equal(one["data"], two["data"])
        assert len(one["target"]) == len(two["target"])
        for level, other in zip(one["target"], two["target"], strict=True):
            assert level.dtype == other.dtype
            assert torch.equal(level, other)


@pytest.mark.slow
def test_slices_that_do_not_fit_are_read_and_it_is_said(opened, monkeypatch):
    trainer = opened(PLAIN)
    monkeypatch.setattr(resident, "place_for", lambda needed, device: None)
    lines = []
    trainer.print_to_log_file = lambda *words, **_: lines.append(" ".join(words))
    loader, _ = trainer.get_dataloaders()
    assert trainer.slices_in == "files"
    assert "The slices do not fit into memory: they are read." in lines
    assert next(loader)["data"].shape[1] == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [AUGMENTED, STN])
def test_batches_of_training_are_augmented_together(opened, name):
    """The same slices as without, changed; labels go where the front end is told."""
    trainer = opened(name)
    trainer.settings["augment"] = False
    stored, _ = trainer.get_dataloaders()
    trainer.settings["augment"] = True
    loader, held_out = trainer.get_dataloaders()
    assert isinstance(loader.data_loader, ResidentLoader)
    assert held_out.data_loader.augmentation is None
    moved = changed = 0
    for seed in range(12):
        seed_everything(seed)
        plain = next(stored)
        seed_everything(seed)
        batch = next(loader)
        assert list(batch["keys"]) == list(plain["keys"])
        assert batch["data"].shape == plain["data"].shape
        changed += not torch.equal(batch["data"], plain["data"])
        target = batch["target"]
        if name == STN:
            target, image_from_sample = split_target(target)
            labels = plain["target"][0].float()
            expected = warp(labels, image_from_sample, labels.shape[2:], fill=0.0)
            # Nearest against linear: a part of the pixels at the borders of organs.
            assert ((expected - target[0]).abs() > 1).float().mean() < 0.03
            moved += not torch.equal(image_from_sample, identity(len(labels)))
        assert [level.shape for level in target] == [
            level.shape for level in plain["target"][: len(target)]
        ]
    assert changed > 6
    assert moved > 6 or name == AUGMENTED


@pytest.mark.slow
def test_augmented_slices_that_do_not_fit_are_read_by_nnunet(opened, monkeypatch):
    monkeypatch.setattr(resident, "place_for", lambda needed, device: None)
    trainer = opened(AUGMENTED)
    loader, _ = trainer.get_dataloaders()
    assert not isinstance(loader.data_loader, ResidentLoader)
    assert trainer.slices_in == "files"


@pytest.mark.slow
def test_memory_is_foreseen(opened):
    trainer = opened(PLAIN)
    loader, _ = trainer.get_dataloaders()
    slices = loader.data_loader.slices
    dataset, _ = trainer.get_tr_and_val_datasets()
    assert 0 < slices.nbytes <= needed_bytes(dataset)


def test_no_more_than_half_of_the_memory_is_filled(monkeypatch):
    free = SimpleNamespace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert place_for(500, CPU) == CPU
    assert place_for(501, CPU) is None


def test_a_small_gpu_leaves_the_slices_in_main_memory(monkeypatch):
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: SimpleNamespace(available=10_000)
    )
    assert place_for(500, gpu) == gpu
    assert place_for(501, gpu) == CPU
    assert place_for(5001, gpu) is None


def test_a_cohort_of_one_slice():
    """Two cases, of which one has a single slice without labels."""
    image = np.random.default_rng(0).normal(size=(1, 1, 4, 4)).astype(np.float32)
    case = image, np.zeros((1, 1, 4, 4), np.int8), None, {"class_locations": {1: []}}
    dataset = SimpleNamespace(identifiers=["a"], load_case=lambda name: case)
    labels = NnunetTrainer.get_validation_transforms([[1.0, 1.0], [0.5, 0.5]])
    slices = resident.ResidentSlices(dataset, labels, CPU)
    data, levels = slices.drawn([0, 0])
    assert torch.equal(data, torch.from_numpy(image).expand(2, 1, 4, 4))
    assert [tuple(level.shape) for level in levels] == [(2, 1, 4, 4), (2, 1, 2, 2)]
