"""What is needed of the disk, by kind: of what is there, and of what is not."""

import json

import pytest

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.estimate.disk import Disk, Kind, estimate_disk
from deeprac.layout import Layout
from deeprac.records.run_key import selected_runs
from deeprac.space import checkpoints_bytes, slices_bytes, weights_bytes
from deeprac.training.parameters import planned_numbers
from deeprac.training.plans import NOMINAL_FINGERPRINT, build_plans
from support.cohort_sizes import write_sizes
from support.toy_cohort import PLANNED_TOY, small_networks, write_config

REAL = {"name": "toy", "format": "nnunet_raw", "path": "ct"}


@pytest.fixture(autouse=True)
def nnunet(tmp_path):
    with small_networks():
        configure_nnunet(Layout(tmp_path / "toy"), workspace=tmp_path, data_workers=0)
        yield


def opened(folder, sections=None):
    config = load_config([write_config(folder, sections)])
    return config, Layout.of(config)


def kinds(config, **options):
    return {kind.name: kind for kind in estimate_disk(config, **options).kinds}


def numbers(config):
    """Of the network of every selected run."""
    plans = {
        name: build_plans(config, config.experiment(name), 0, NOMINAL_FINGERPRINT)
        for name in config.run.experiments
    }
    return [planned_numbers(plans[run.experiment], 3) for run in selected_runs(config)]


def test_a_converted_cohort(tmp_path):
    config, layout = opened(tmp_path, {"run": {"folds": [0, 1], "seeds": [0, 4]}})
    write_sizes(layout)
    found = kinds(config)
    assert found["converted cases"].needed_bytes == 0
    # Slices of 32 x 32 pixels out of larger ones, of 2 cases with 12 of them.
    expected = slices_bytes(12, 32**2, cases=2, labels=2, shrunk=True)
    assert found["slices on coarse"].bytes == found["slices on fine"].bytes == expected
    # Both folds: each of 8 experiments and 2 seeds predicts all cases once.
    assert found["predictions"].bytes == 42 * 8 * 2


def test_larger_slices_than_the_cases_have_are_not_shrunk(tmp_path):
    matrices = {
        "coarse": {"size": 32, "batch_size": 2},
        "fine": {"size": 64, "batch_size": 2},
    }
    config, layout = opened(tmp_path, {"matrices": matrices})
    write_sizes(layout)  # of about 1120 pixels a slice
    fine = slices_bytes(12, 64**2, cases=2, labels=2, shrunk=False)
    assert kinds(config)["slices on fine"].bytes == fine


def test_weights_of_all_runs_and_checkpoints_of_those_that_train(tmp_path):
    config, _ = opened(tmp_path, {"run": {"folds": [0, 1]}})
    count = numbers(config)
    found = kinds(config, gpus=3)
    assert found["final weights"].bytes == sum(map(weights_bytes, count))
    largest = sorted(count)[-3:]
    expected = sum(checkpoints_bytes(one, "adamw") for one in largest)
    assert found["checkpoints"].bytes == expected


def test_what_is_there_is_not_needed_again(tmp_path):
    config, layout = opened(tmp_path, {"run": {"experiments": ["fine_stn"]}})
    (run, other) = selected_runs(config)  # two folds
    once, _ = numbers(config)
    folders = run.folder(layout), layout.checkpoints(*run.parts) / "nnunet/toy"
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "checkpoint_final.pth").write_bytes(bytes(4 * once))
    found = kinds(config, gpus=2)
    assert found["final weights"].needed_bytes == weights_bytes(once)
    assert found["checkpoints"].bytes == checkpoints_bytes(once, "adamw")
    (layout.matrix("fine")).mkdir(parents=True)
    (layout.matrix("fine") / "cases.json").write_text("{}")
    assert kinds(config)["slices on fine"].needed_bytes == 0
    other.folder(layout).mkdir(parents=True)
    (other.folder(layout) / "checkpoint_final.pth").write_bytes(b"")
    assert "checkpoints" not in kinds(config)


def test_before_a_cohort_is_converted_only_weights_are_known(tmp_path):
    config, _ = opened(tmp_path, {"cohort": REAL})
    found = kinds(config)
    unknown = {name for name, kind in found.items() if kind.bytes is None}
    assert unknown == {
        *("converted cases", "slices on coarse", "slices on fine", "predictions"),
    }
    for name in unknown:
        assert found[name].needed_bytes == 0
        assert "when the cohort is converted" in found[name].note
    assert found["final weights"].needed_bytes > 0


def test_a_matrix_that_nnunet_plans_is_known_when_the_cohort_is_measured(tmp_path):
    config, layout = opened(tmp_path, PLANNED_TOY)
    found = kinds(config)
    assert found["slices on planned"].bytes is None
    assert "when the cohort is measured" in found["slices on planned"].note
    note = found["final weights"].note
    assert note.startswith("runs: 1, copies: 2; without planned, planned_augment: kno")
    sizes = {
        "spacings": [[4.0, 0.9, 0.9]] * 2,
        "shapes_after_crop": [[4, 28, 34]] * 2,
        "median_relative_size_after_cropping": 1.0,
    }
    layout.preprocessed.mkdir(parents=True)
    layout.fingerprint.write_text(json.dumps(NOMINAL_FINGERPRINT | sizes))
    write_sizes(layout)
    found = kinds(config)
    assert found["final weights"].note == "runs: 3, copies: 2"
    # At its own spacing a slice keeps its size.
    expected = slices_bytes(12, 28 * 34, cases=2, labels=2, shrunk=True)
    assert found["slices on planned"].bytes == expected


def test_a_disk_suffices_when_what_is_to_come_is_free():
    kinds = (Kind("a", 70, 20, ""), Kind("b", 10, 40, ""), Kind("c", None, 5, ""))
    assert Disk(kinds, 50).needed_bytes == 50
    assert Disk(kinds, 50).suffices
    assert not Disk(kinds, 49).suffices
