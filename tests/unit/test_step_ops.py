"""Operations of a training step must not grow unnoticed: each costs a GPU time."""

import importlib.util
from pathlib import Path

import pytest
import torch

from deeprac.config import load_config
from support.toy_cohort import small_networks

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def step_ops():
    path = REPO / "benchmarks" / "step_ops.py"
    spec = importlib.util.spec_from_file_location("step_ops", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "most"),
    [
        ("coarse_nnunet", 680),
        ("coarse_stn", 1100),
        ("fine_stn", 1350),
        ("fine_stn_crop", 2000),
        ("fine_stn_crop_half", 1800),
    ],
)
def test_operations_of_an_arm_stay_few(step_ops, monkeypatch, experiment, most):
    monkeypatch.chdir(REPO)
    with small_networks():
        found = step_ops.count(load_config([step_ops.CONFIG]), experiment)
    assert 500 < found.total() <= most
    # What is frozen, or measured, has no backward pass.
    assert found["normaliser", "backward"] < 10


@pytest.mark.slow
def test_a_count_leaves_nothing_without_values_behind(step_ops, monkeypatch):
    """Points of pixels that are kept for all would be empty ones afterwards."""
    from deeprac.geometry.pixels import homogeneous_centres  # noqa: PLC0415

    monkeypatch.chdir(REPO)
    with small_networks():
        step_ops.count(load_config([step_ops.CONFIG]), "coarse_stn")
    device = torch.device("cpu")
    points = homogeneous_centres(((2, 2),), device)
    assert points.tolist()[0] == [-0.5, 0.5, -0.5, 0.5]
