"""Methods and matrices that do not go together."""

import pytest

from deeprac.config import load_config
from deeprac.errors import ConfigError
from support.toy_cohort import write_config


def load(tmp_path, method="nnunet", **matrix):
    volumes = {"dimensions": 3, "size": [32, 48, 48], "batch_size": 2} | matrix
    row = {"experiment": "one", "matrix": "volumes", "method": method}
    sections = {"matrices": {"volumes": volumes}, "experiments": [row]}
    return load_config([write_config(tmp_path, sections)])


@pytest.mark.parametrize(
    "method", ["nnunet", "nnunet_augment", "moments", "stn", "stn_crop"]
)
def test_methods_that_work_on_volumes(tmp_path, method):
    config = load(tmp_path, method)
    assert config.matrices["volumes"].sides == (32, 48, 48)
    assert load(tmp_path, size=32).matrices["volumes"].sides == (32, 32, 32)


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ("stn_coarse_crop", "crop coarse"),
        ("stn_oracle_crop", "crop oracle"),
        ("stn_labarbera", "normaliser stn_labarbera"),
        ("sham", "normaliser sham"),
        ("nnunet_augment_svf", "augment svf"),
    ],
)
def test_what_volumes_have_not_is_refused(tmp_path, method, named):
    with pytest.raises(ConfigError, match=rf"there is no {named} yet.*of slices"):
        load(tmp_path, method)


def test_the_input_of_a_crop_is_halved_as_well(tmp_path):
    load(tmp_path, "stn_crop_half")
    # Halves of 16, 24 and 40 voxels: the first cannot be halved to 4 any more.
    with pytest.raises(ConfigError, match=r"a side of 12 voxels .*0.5.*evenly|of 6 vo"):
        load(tmp_path, "stn_crop_half", size=[12, 24, 24])


@pytest.mark.parametrize("method", ["nnunet", "nnunet_augment"])
def test_nnunets_own_plan_of_volumes(tmp_path, method):
    assert load(tmp_path, method, size="planned").matrices["volumes"].dimensions == 3


def test_patches_of_volumes_are_normalised_by_no_method(tmp_path):
    with pytest.raises(ConfigError, match="volumes into patches, but method stn needs"):
        load(tmp_path, "stn", size="planned")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ({"size": [30, 48, 48]}, r"30 voxels cannot be halved evenly .* Use 32|Use 28"),
        ({"size": [8, 48, 48]}, r"the depth, .* at least a third"),
        ({"dimensions": 2}, r"\[32, 48, 48\] with dimensions 2: slices have one side"),
        ({"size": [32, 48]}, r"matrices.volumes.size is \[32, 48\]"),
        ({"dimensions": 4}, r"dimensions is 4: it must be an integer"),
    ],
)
def test_sizes_that_no_network_takes_are_refused(tmp_path, matrix, message):
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, **matrix)


def test_what_is_told_the_pose_of_volumes_cannot_be_moved(tmp_path):
    sections = {
        "matrices": {"volumes": {"dimensions": 3, "size": 32, "batch_size": 2}},
        "experiments": [
            {"experiment": "told", "matrix": "volumes", "method": "case_pose"}
        ],
        "run": {"experiments": ["told"]},
        "stress": {"experiments": ["told"], "truncations": [0.3]},
    }
    with pytest.raises(ConfigError, match=r"told is told .*stress.angles_deg.*to \[\]"):
        load_config([write_config(tmp_path, sections)])
    still = {"angles_deg": [], "scales": [], "shifts": []}
    sections["stress"] |= still
    config = load_config([write_config(tmp_path, sections)])
    assert config.stress.truncations == (0.3,)
