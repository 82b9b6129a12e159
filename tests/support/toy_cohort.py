"""A cohort of four tiny cases, prepared by our own verbs up to the plans.

Slices of 28 x 34 pixels, 4 per case: a body (ellipse), one kidney, and in every case
but the last a tumour touching it; both lie off the centre. The kidney holds a pixel of
fat, without which normalisation would clip the body to the value of air.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import torch
import yaml

from deeprac.cli import main
from deeprac.cohort.build import dataset_json
from deeprac.config import Config, load_config
from deeprac.files import write_csv, write_json
from deeprac.layout import Layout
from deeprac.provenance import digest
from deeprac.training import record, training_dice
from deeprac.training.cost import StepCost
from deeprac.training.step import measure_step
from deeprac.training.trainer import DeepracTrainer

REPO = Path(__file__).parents[2]
SHAPE = (4, 28, 34)
CASES = ("a1", "a2", "a3", "a4")
TRAIN, HELD_OUT = CASES[:3], CASES[3:]
TRAINED = (
    *("coarse_nnunet", "coarse_nnunet_augment"),
    *("fine_stn", "fine_stn_crop_half"),
)
"""Experiments of the toy that tests share, trained."""

TOY = {
    "cohort": {"name": "toy"},
    "methods": str(REPO / "config/methods.yaml"),
    "experiments": str(REPO / "config/experiments.tsv"),
    "splits": {"folds": 2},
    "run": {"folds": [0]},
    "matrices": {
        "coarse": {"size": 32, "batch_size": 2},
        "fine": {"size": 32, "batch_size": 2},
    },
    "network": {"base_features": 4, "max_features": 8, "convs_per_stage": 1},
    "localiser": {"input_size": 32, "base_features": 4},
    "training": {
        "device": "cpu",
        "epochs": 2,
        "iterations_per_epoch": 2,
        "validation_iterations": 1,
        "optimiser": "adamw",
        "learning_rate": 0.003,
        "data_workers": 0,
        "checkpoint_every": 1,
    },
    "inference": {"batch_size": 3},
}

PLANNED_TOY = TOY | {
    "matrices": TOY["matrices"] | {"planned": {"size": "planned", "batch_size": 2}},
    "experiments": [
        {"experiment": "fine_nnunet", "matrix": "fine", "method": "nnunet"},
        {"experiment": "planned", "matrix": "planned", "method": "nnunet"},
        {
            "experiment": "planned_augment",
            "matrix": "planned",
            "method": "nnunet_augment",
        },
    ],
}
"""The same with nnU-Net's own plan, which makes patches of 28 x 36 pixels."""


def arrays(index: int, scan: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """CT in HU and labels (slices, height, width) of a case; scans differ in noise."""
    noise = np.random.default_rng(index + scan).normal(0, 5, SHAPE)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    body = ((x - 16) / (12 + index)) ** 2 + ((y - 13) / 11) ** 2 < 1
    kidney = ((x - 22) / 3) ** 2 + ((y - 15 - index % 2) / 4) ** 2 < 1
    tumour = (x - 21) ** 2 + (y - 9) ** 2 < 8
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:, kidney] = 1
    if index < len(CASES) - 1:
        labels[2:, tumour] = 2
    image = np.where(body, 30 + noise, -1000)
    image = np.where(labels == 1, 180 + noise, image)
    image = np.where(labels == 2, 90 + noise, image)
    image[1:, 15, 20] = -60 + noise[1:, 15, 20]  # fat in the kidney's sinus
    return image.astype(np.int16), labels


def write_config(
    folder: Path, sections: dict | None = None, **training: object
) -> Path:
    """Write the toy configuration with changed sections and training keys.

    Returns:
        Its path.
    """
    content = TOY | (sections or {})
    content |= {
        "results": str(folder),
        "training": content["training"] | training,
    }
    path = folder / "toy.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


@contextmanager
def small_networks() -> Iterator[None]:
    """Put back nnU-Net's environment afterwards, and use one thread meanwhile.

    Threads only wait for each other on networks of this size. What a step costs is
    counted once in a process, and the Dice of training patients taken on few slices:
    both take longer than such a training.
    """
    environment, threads = dict(os.environ), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(record, "measure_step", counted_once)
            patch.setattr(training_dice, "SLICES", 4)
            yield
    finally:
        torch.set_num_threads(threads)
        os.environ.clear()
        os.environ.update(environment)


COUNTED: list[StepCost] = []


def counted_once(trainer: DeepracTrainer) -> StepCost:
    """``measure_step`` of the first trainer of all, with the parameters of this one."""
    if not COUNTED:
        COUNTED.append(measure_step(trainer))
    own = sum(p.numel() for p in trainer.network.parameters() if p.requires_grad)
    return replace(COUNTED[0], parameters=own)


def make_cohort(
    folder: Path, sections: dict | None = None, *, scan: int = 0
) -> tuple[Config, Path]:
    """Write the cohort and prepare it for all matrices."""
    path = write_config(folder, sections)
    config = load_config([path])
    layout = Layout.of(config)
    rows = []
    for index, case in enumerate(CASES):
        row = {"case": case, "patient": f"p{case}"}
        names = {
            "image": f"imagesTr/{case}_0000.nii.gz",
            "label": f"labelsTr/{case}.nii.gz",
        }
        for (kind, name), array in zip(names.items(), arrays(index, scan), strict=True):
            volume = sitk.GetImageFromArray(array)
            volume.SetSpacing((0.9, 0.9, 4.0))
            volume.SetOrigin((-12.0, 7.0, 40.0))
            (layout.cohort / name).parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(volume, str(layout.cohort / name))
            row |= {kind: name, f"{kind}_sha256": digest(array.tolist())}
        rows.append(row)
    write_json(layout.dataset_json, dataset_json(config.cohort.kept_labels, len(rows)))
    write_csv(layout.cases_csv, pd.DataFrame(rows))
    split = {"train": list(TRAIN), "val": list(HELD_OUT)}
    write_json(layout.splits, [split, {"train": split["val"], "val": split["train"]}])
    verb(path, "fingerprint")
    verb(path, "case-poses")
    for matrix in config.matrices:
        verb(path, "preprocess", "--matrix", matrix)
    return config, path


def copy_toy(toy: Path, folder: Path) -> Path:
    """Copy a prepared or trained toy; return the path of its configuration."""
    shutil.copytree(toy, folder, dirs_exist_ok=True)
    return write_config(folder)


def verb(path: Path, name: str, *arguments: str) -> None:
    """Run one verb on a configuration; it has to succeed."""
    assert main([name, "--config", str(path), *arguments]) == 0


def run_arguments(experiment: str, seed: int = 0, fold: int = 0) -> list[str]:
    """Arguments of `train` and `predict`."""
    names = ("--experiment", experiment, "--seed", str(seed), "--fold", str(fold))
    return list(names)


def assert_known_losses(curve: pd.DataFrame, run: str) -> None:
    """A training on the toy cohort goes as it always did: its losses are on record.

    To a thousandth, for the machine's arithmetic. A change that is meant to change
    trainings replaces the rows of ``toy_trainings.csv``; no other may.

    Args:
        curve: content of ``training.csv``.
        run: name in ``toy_trainings.csv``.
    """
    known = pd.read_csv(Path(__file__).with_name("toy_trainings.csv"))
    known = known[known.run == run]
    assert curve["epoch"].tolist() == known["epoch"].tolist()
    for name in ("train_loss", "val_loss"):
        np.testing.assert_allclose(curve[name], known[name], rtol=1e-3, err_msg=name)
