import json
from pathlib import Path

import pytest
import torch
from torch import nn

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.training.cost import step_cost
from deeprac.training.plans import build_plans, dataset_json
from deeprac.training.step import (
    NOMINAL_FINGERPRINT,
    dry_copy,
    experiment_costs,
    format_costs,
    measure_step,
)
from deeprac.training.trainer import build_trainer
from support.toy_cohort import small_networks, write_config

REPO = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nnunet(tmp_path):
    with small_networks():
        configure_nnunet(Layout(tmp_path / "toy"), workspace=tmp_path, data_workers=0)
        yield


def mean_square(network, image):
    return lambda: network(image).square().mean()


def test_one_convolution_by_hand():
    convolution = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    cost = step_cost(convolution, mean_square(convolution, torch.rand(2, 3, 8, 6)))
    # A multiplication and an addition per weight and output pixel: 2 * 2 images *
    # 8 * 6 pixels * 5 * 3 * 3 * 3 weights forward; the same for the weights'
    # gradient; the image needs none.
    forward = 2 * 2 * 8 * 6 * 5 * 3 * 9
    assert cost.step_flops == 2 * forward
    # The convolution keeps its input, the square its own; the weights do not count.
    assert cost.step_saved_bytes == 4 * (2 * 3 * 48 + 2 * 5 * 48)
    assert cost.parameters == 5 * 3 * 9


def test_a_second_convolution_also_needs_the_gradient_of_its_input():
    network = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1))
    cost = step_cost(network, mean_square(network, torch.rand(1, 1, 5, 7)))
    assert cost.step_flops == 2 * (2 * 35 * 4) + 3 * (2 * 35 * 8)
    # Image, first output (input of the second), second output (input of the square).
    assert cost.step_saved_bytes == 4 * 35 * (1 + 4 + 2)


def test_a_tensor_that_is_kept_twice_counts_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, image):
            scaled = image * self.weight  # keeps the image
            return scaled * scaled  # keeps its argument twice

    image = torch.rand(1, 1, 4, 4)
    twice = Twice()
    cost = step_cost(twice, lambda: twice(image).sum())
    assert cost.step_saved_bytes == 2 * 4 * 16


def test_counting_leaves_no_gradient_behind():
    convolution = nn.Conv2d(1, 1, 3)
    step_cost(convolution, mean_square(convolution, torch.rand(1, 1, 4, 4)))
    assert convolution.weight.grad is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment", ["fine_nnunet", "fine_stn", "fine_stn_crop", "fine_stn_crop_half"]
)
def test_tensors_without_values_cost_what_real_ones_do(tmp_path, experiment):
    config = load_config([write_config(tmp_path)])
    plans = build_plans(config, config.experiment(experiment), 0, NOMINAL_FINGERPRINT)
    trainer = build_trainer(plans, dataset_json(config, 1), 0, torch.device("cpu"))
    counted = measure_step(trainer)
    real = dry_copy(trainer)
    image, *others = real.empty_step()
    assert image.shape == (*others[-1].shape[:2], 32, 32) == (2, 1, 32, 32)
    image = torch.rand_like(image)
    found = step_cost(real.network, lambda: real.loss_of(image, *others))
    assert counted == found
    assert counted.step_flops > 1e5
    # Measuring does not touch the trained network.
    assert measure_step(real) == counted
    assert all(p.isfinite().all() for p in real.network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["fine_nnunet", "fine_stn_crop"])
def test_a_training_on_a_gpu_is_counted_in_half_precision(tmp_path, experiment):
    """Without one: only its name is known, and nothing is made there."""
    config = load_config([write_config(tmp_path)])
    plans = build_plans(config, config.experiment(experiment), 0, NOMINAL_FINGERPRINT)
    trainer = build_trainer(plans, dataset_json(config, 1), 0, torch.device("cpu"))
    expected = measure_step(trainer, mixed_precision=True)
    trainer.device = torch.device("cuda", 0)
    assert measure_step(trainer) == expected
    assert trainer.device.type == "cuda"


@pytest.mark.slow
def test_half_the_input_costs_a_quarter_at_the_papers_sizes(monkeypatch):
    monkeypatch.chdir(REPO)
    config = load_config([Path("config/config.yaml")])
    names = ("fine_nnunet", "fine_stn_crop", "fine_stn_crop_half")
    records = experiment_costs(config, [config.experiment(name) for name in names])
    plain, whole, half = records
    assert (plain["matrix_size"], plain["batch_size"]) == (512, 12)
    assert (whole["network_input_size"], half["network_input_size"]) == (512, 256)
    assert plain["step_flops_ratio"] == plain["step_saved_bytes_ratio"] == 1
    assert 0.24 <= half["step_flops_ratio"] <= 0.30
    assert 0.24 <= half["step_saved_bytes_ratio"] <= 0.33
    assert 1 < whole["step_flops_ratio"] < 1.05
    # 119 GFLOP forward per image (knowledge/integration.md), about three times that
    # with the backward pass, twelve images.
    assert plain["step_flops"] == pytest.approx(3 * 12 * 119e9, rel=0.05)
    # In half precision fewer bytes are kept, but the front end's stay in float32.
    assert half["step_saved_bytes_ratio"] < half["step_saved_bytes_mixed_ratio"] < 0.40
    for record in records:
        saved = record["step_saved_bytes_mixed"] / record["step_saved_bytes"]
        assert 0.5 < saved < 0.65
    table = format_costs(records)
    assert len(table.splitlines()) == 3 + 3
    for ratio in ("step_flops", "step_saved_bytes", "step_saved_bytes_mixed"):
        assert f"{half[f'{ratio}_ratio']:.3f}" in table


@pytest.mark.slow
def test_on_volumes_the_front_end_adds_little_to_a_step(monkeypatch):
    """The counts of docs/perspectives.md, made again, within the bounds set."""
    monkeypatch.chdir(REPO)
    config = load_config([Path("config/perspectives/3d_costs.yaml")])
    experiments = [config.experiment(name) for name in config.experiments]
    counted = json.loads(json.dumps(experiment_costs(config, experiments)))
    assert counted == read_json(Path("resources/released/volume_costs.json"))["costs"]
    (stn,) = (one for one in counted if one["experiment"] == "stn")
    assert stn["matrix_size"] == [128, 128, 128]
    assert 1 < stn["step_flops_ratio"] <= 1.05
    assert 1 < stn["step_saved_bytes_ratio"] <= 1.10
    assert 1 < stn["step_saved_bytes_mixed_ratio"] <= 1.10


def test_the_precision_of_a_count_is_named():
    """A convolution keeps its input in half, 2 bytes of 4; its float32 is not kept."""
    convolution = nn.Conv2d(3, 5, 1, bias=False)

    def loss():
        return convolution(torch.rand(2, 3, 8, 6)).float().sum()

    single = step_cost(convolution, loss)
    mixed = step_cost(convolution, loss, mixed_precision=True)
    assert (single.step_precision, mixed.step_precision) == ("float32", "mixed")
    assert single.step_saved_bytes == 4 * 2 * 3 * 48
    # The input and a copy of the weights, which are parameters in float32 alone.
    assert mixed.step_saved_bytes == 2 * (2 * 3 * 48 + 3 * 5)


def test_without_the_plain_row_there_is_no_ratio(tmp_path):
    config = load_config([write_config(tmp_path)])
    records = experiment_costs(config, [config.experiment("fine_stn")])
    assert records[0]["step_flops_ratio"] is None
    assert "-" in format_costs(records).splitlines()[-1]
