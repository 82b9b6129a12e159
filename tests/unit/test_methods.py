"""Every method of the configuration trains, predicts and keeps to what it may know."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.files import read_json, write_csv
from deeprac.front_ends import has_oracle
from deeprac.geometry.warp import warp
from deeprac.layout import Layout
from deeprac.records.case_poses import (
    CASE_POSE_COLUMNS,
    OUTLINE_COLUMNS,
    TRUTH_COLUMNS,
)
from deeprac.training.augmentation import split_target
from deeprac.training.trainer import build_trainer
from deeprac.volumes import read_volume
from support.toy_cohort import (
    HELD_OUT,
    REPO,
    assert_known_losses,
    make_cohort,
    run_arguments,
    small_networks,
    verb,
)

pytestmark = pytest.mark.slow

DESCRIBED = yaml.safe_load((REPO / "config/methods.yaml").read_text())
METHODS = [
    name
    for name in DESCRIBED
    # Those that take from another cohort: test_pretrained.py, test_pooled.py.
    if not name.startswith("stn_labarbera")
    and DESCRIBED[name].keys().isdisjoint({"pretrain", "other_share"})
]
ORACLES = [
    name
    for name in METHODS
    if has_oracle(*(DESCRIBED[name].get(k, "none") for k in ("normaliser", "crop")))
]
AUGMENTED = ["stn_augment", "stn_augment_wide", "stn_oracle_crop_augment"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Configuration file of a toy cohort whose experiments are all methods.

    Its true transforms are the case poses, so that oracles can be trained.
    """
    folder = tmp_path_factory.mktemp("methods")
    table = pd.DataFrame({"experiment": METHODS, "matrix": "main", "method": METHODS})
    table.to_csv(folder / "experiments.tsv", sep="\t", index=False)
    sections = {
        "experiments": str(folder / "experiments.tsv"),
        "matrices": {"main": {"size": 32, "batch_size": 2}},
    }
    config, path = make_cohort(folder, sections)
    poses = pd.read_csv(Layout.of(config).case_poses)
    poses[list(TRUTH_COLUMNS)] = poses[list(CASE_POSE_COLUMNS)]
    write_csv(Layout.of(config).case_poses, poses)
    return path


@pytest.fixture(scope="module")
def layout(cohort):
    return Layout.of(load_config([cohort]))


@pytest.fixture(scope="module", params=METHODS)
def method(request, cohort, layout):
    """Name of a method that has been trained for two epochs of two steps."""
    verb(cohort, "plan", "--experiment", request.param)
    verb(cohort, "train", *run_arguments(request.param))
    verb(cohort, "predict", *run_arguments(request.param))
    return request.param


def results(layout: Layout, method: str) -> tuple[np.ndarray, pd.DataFrame]:
    run = layout.run(method, 0, 0)
    (case,) = HELD_OUT
    labels, _ = read_volume(run / "predictions" / f"{case}.nii.gz")
    return labels, pd.read_csv(run / "transforms.csv")


def matrices(table: pd.DataFrame, letter: str) -> np.ndarray:
    columns = [f"{letter}{row}{column}" for row in (1, 2) for column in (1, 2, 3)]
    return table[columns].to_numpy().reshape(-1, 2, 3)


def test_every_method_trains_and_predicts(layout, method):
    curve = pd.read_csv(layout.run(method, 0, 0) / "training.csv")
    assert np.isfinite(curve[["train_loss", "val_loss"]]).all(axis=None)
    assert_known_losses(curve, method)
    kinds = {key: DESCRIBED[method].get(key, "none") for key in ("normaliser", "crop")}
    learns_pose = kinds["normaliser"] == "stn"
    assert curve["localiser_gradient"].notna().all() == learns_pose
    if learns_pose:
        assert (curve["localiser_gradient"] > 0).all()
    labels, table = results(layout, method)
    assert labels.shape == (4, 28, 34)
    a, c, s = (matrices(table, letter) for letter in "acs")
    for matrix in (a, c, s):
        assert np.isfinite(matrix).all()
        assert (np.linalg.det(matrix[:, :, :2]) > 0).all()
    # One transform and one window for all slices of a case.
    assert (a == a[0]).all()
    assert (c == c[0]).all()
    estimates = kinds["normaliser"].startswith(("stn", "moments"))
    assert (s != s[0]).any() == estimates
    if kinds["normaliser"] == "none":
        assert (c == np.eye(2, 3)).all()
    if kinds["crop"] == "none":
        np.testing.assert_allclose(a, c, atol=1e-6)
    assert (table[["fallback", "at_bound"]] == 0).all(axis=None)


@pytest.fixture
def poisoned(layout):
    """case_poses.csv that says another size, place and outline of every case."""
    original = pd.read_csv(layout.case_poses)
    table = original.copy()
    for columns in (CASE_POSE_COLUMNS, TRUTH_COLUMNS):
        table[list(columns)] = [0.3, -0.1, 0.5, 0.1, 0.3, -0.5]
    table[list(OUTLINE_COLUMNS)] = table[list(OUTLINE_COLUMNS)] * 0.5 - 0.4
    write_csv(layout.case_poses, table)
    yield
    write_csv(layout.case_poses, original)


def test_only_oracles_know_the_targets_at_inference(cohort, layout, method, poisoned):
    labels, table = results(layout, method)
    verb(cohort, "predict", *run_arguments(method))
    after, moved = results(layout, method)
    if method in ORACLES:
        assert np.abs(matrices(moved, "a") - matrices(table, "a")).max() > 0.05
        return
    pd.testing.assert_frame_equal(moved, table, check_exact=True)
    assert np.array_equal(after, labels)


def test_an_oracle_looks_where_it_is_told(cohort, layout):
    """The pose of the case's target, and a window that holds all labels."""
    targets = pd.read_csv(layout.case_poses).set_index("case").loc[HELD_OUT[0]]
    told = targets[list(CASE_POSE_COLUMNS)].to_numpy(float).reshape(2, 3)
    for name in ("oracle", "case_pose", "stn_oracle_crop"):
        verb(cohort, "plan", "--experiment", name)
        verb(cohort, "train", *run_arguments(name))
        verb(cohort, "predict", *run_arguments(name))
    for name in ("oracle", "case_pose"):
        _, table = results(layout, name)
        np.testing.assert_allclose(matrices(table, "c")[0], told, atol=1e-5)
    _, table = results(layout, "stn_oracle_crop")
    a = np.vstack([matrices(table, "a")[0], [0, 0, 1]])
    outline = targets[list(OUTLINE_COLUMNS)].to_numpy(float).reshape(-1, 2)
    seen = (outline - a[:2, 2]) @ np.linalg.inv(a[:2, :2]).T
    assert np.abs(seen).max() <= 1 / 1.1 + 1e-4


def loader_of(cohort: Path, layout: Layout, name: str):
    verb(cohort, "plan", "--experiment", name)
    configure_nnunet(layout, workspace=layout.root / "scratch", data_workers=0)
    model = layout.model(name, 0)
    plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
    trainer = build_trainer(plans, dataset, 0, torch.device("cpu"))
    trainer.initialize()
    loader, _ = trainer.get_dataloaders()
    return trainer, loader


@pytest.mark.parametrize("name", AUGMENTED)
def test_labels_and_matrix_survive_nnunets_loader(cohort, layout, name):
    """Batches of augmented slices, each with the transform of its own slice."""
    trainer, loader = loader_of(cohort, layout, name)
    dataset, _ = trainer.get_tr_and_val_datasets()
    moved, compared = 0, 0
    for _ in range(12):
        batch = next(loader)
        levels, matrix = split_target(batch["target"])
        assert levels[0].shape == (2, 1, 32, 32)
        assert matrix.shape == (2, 2, 3)
        for index, case in enumerate(batch["keys"]):
            shown = levels[0][index, 0] > 0
            moved += bool((matrix[index] != torch.eye(2, 3)).any())
            if shown.sum() < 20:
                continue
            stored = torch.from_numpy(dataset.load_case(case)[1][0] > 0).float()
            expected = warp(
                stored[:, None],
                matrix[index].expand(len(stored), 2, 3),
                (32, 32),
                fill=0.0,
            )[:, 0]
            both = (expected.gt(0.5) & shown).sum((1, 2))
            dice = 2 * both / (expected.gt(0.5).sum((1, 2)) + shown.sum())
            assert dice.max() > 0.9
            compared += 1
    assert moved >= 6
    assert compared >= 6
