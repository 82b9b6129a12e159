import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from deeprac.config import load_config
from deeprac.errors import RunError
from deeprac.files import write_json
from deeprac.networks.stn_unet import STNUNet
from deeprac.preprocessing.intensity import normalised, normalised_air
from deeprac.preprocessing.matrices import CONFIGURATION
from deeprac.settings.effective import run_settings
from deeprac.training.plans import (
    NOMINAL_FINGERPRINT,
    build_plans,
    dataset_json,
    read_plans,
)
from support.toy_cohort import write_config

FINGERPRINT = {
    "foreground_intensity_properties_per_channel": {
        "0": {
            "mean": 100.0,
            "median": 99.0,
            "std": 50.0,
            "min": -80.0,
            "max": 400.0,
            "percentile_00_5": -50.0,
            "percentile_99_5": 300.0,
        }
    }
}


@pytest.fixture
def config(tmp_path):
    return load_config([write_config(tmp_path)])


def plans_of(config, name, seed=0):
    built = build_plans(config, config.experiment(name), seed, FINGERPRINT)
    return json.loads(json.dumps(built))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("coarse_nnunet", [32, 16, 8]),
        # A front end keeps the lowest level, which has no weight in the loss.
        ("fine_stn", [32, 16]),
        ("fine_stn_crop", [32, 16]),
        ("fine_stn_crop_half", [32]),
    ],
)
def test_nnunet_builds_the_network_of_the_plans(config, name, sizes):
    manager = PlansManager(plans_of(config, name)).get_configuration(CONFIGURATION)
    network = get_network_from_plans(
        manager.network_arch_class_name,
        manager.network_arch_init_kwargs,
        manager.network_arch_init_kwargs_req_import,
        1,
        3,
        deep_supervision=True,
    )
    assert isinstance(network, STNUNet) == ("stn" in name)
    outputs = network(torch.zeros(2, 1, 32, 32))
    assert [level.shape[-1] for level in outputs] == sizes
    # nnU-Net derives the sizes of its targets from the strides.
    strides = manager.pool_op_kernel_sizes
    assert len(strides) - 1 == len(sizes) + ("stn" in name)


def test_air_is_what_normalisation_makes_of_it():
    # Clipped at -50: (-50 - 100) / 50.
    assert normalised_air(FINGERPRINT, -1000) == -3.0


@pytest.mark.parametrize(
    ("air", "normalised"),
    # Within the foreground's percentiles, -50 to 300, it is kept; beyond, clipped.
    [(-50, -3.0), (-25, -2.5), (50, -1.0), (1000, 4.0)],
)
def test_air_need_not_be_the_darkest(air, normalised):
    assert normalised_air(FINGERPRINT, air) == normalised


def test_normalisation_by_hand():
    # Clipped to -50..300, less 100, over 50.
    found = normalised(np.array([[-1000, 0], [100, 900]], np.int16), FINGERPRINT)
    assert found.dtype == np.float32
    assert found.tolist() == [[-3.0, -2.0], [0.0, 4.0]]


def test_air_of_a_constant_foreground_is_finite():
    channel = FINGERPRINT["foreground_intensity_properties_per_channel"]["0"]
    flat = dict.fromkeys(channel, 100.0) | {"std": 0.0}
    fingerprint = {"foreground_intensity_properties_per_channel": {"0": flat}}
    assert normalised_air(fingerprint, -1000) == 0.0


def test_plans_hold_everything_that_a_run_needs(config):
    plans = plans_of(config, "fine_stn_crop_half", seed=3)
    ours = plans["deeprac"]
    assert ours["seed"] == 3
    assert (ours["method"], ours["matrix"]) == ("stn_crop_half", "fine")
    assert ours["network_input_size"] == 16
    assert ours["augment"] is False
    assert ours["augment_scale"] == [0.7, 1.4]
    assert ours["training_patients"] is None
    assert ours["normalised_air"] == -3.0
    front_end = ours["front_end"]
    assert (front_end["normaliser"], front_end["crop"]) == ("stn", "stn")
    assert front_end["labarbera"] is False
    assert front_end["settings"]["crop_margin"] == 0.15
    assert front_end["settings"]["segmentation_gradient"] == 0.1
    two_d = plans["configurations"][CONFIGURATION]
    assert (two_d["patch_size"], two_d["batch_size"]) == ([32, 32], 2)
    assert two_d["data_identifier"] == "fine/slices"
    kwargs = two_d["architecture"]["arch_kwargs"]
    assert (kwargs["normaliser"], kwargs["crop"]) == ("stn", "stn")
    assert kwargs["air"] == -3.0
    assert kwargs["localiser"] == front_end["settings"]


def test_an_experiment_has_a_budget_of_its_own(config):
    """And is the experiment that takes as many from ``training.epochs``."""
    row = config.experiment("coarse_nnunet")
    longer = replace(row, epochs=7)
    by_default = replace(config, training=replace(config.training, epochs=7))
    plans = build_plans(config, longer, 0, NOMINAL_FINGERPRINT)
    assert plans["deeprac"]["training"]["epochs"] == 7
    assert config.training_of(row) == config.training
    assert run_settings(config, longer) == run_settings(by_default, row)
    assert run_settings(config, longer) != run_settings(config, row)


def test_methods_that_see_the_slice_have_no_front_end(config):
    plain = plans_of(config, "coarse_nnunet_augment")["deeprac"]
    assert plain["front_end"] is None
    assert plain["augment"] is True


def test_dataset_json_is_nnunets(config):
    assert dataset_json(config, 7)["labels"] == {
        "background": 0,
        "kidney": 1,
        "tumour": 2,
    }


def test_machine_and_inference_follow_the_configuration_and_nothing_else(tmp_path):
    old = load_config([write_config(tmp_path)])
    write_json(tmp_path / "plans.json", plans_of(old, "fine_stn"))
    path = write_config(tmp_path, data_workers=5, checkpoint_every=9)
    read = read_plans(tmp_path, load_config([path]))["deeprac"]
    assert read["training"]["data_workers"] == 5
    assert read["training"]["checkpoint_every"] == 9
    path = write_config(tmp_path, epochs=77)
    with pytest.raises(RunError, match=r"training.epochs: 2 -> 77. Run `deeprac plan`"):
        read_plans(tmp_path, load_config([path]))
    assert read["inference"] == {"batch_size": 3, "mirroring": False}
