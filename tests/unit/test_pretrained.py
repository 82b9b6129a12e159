"""Scratch, zero-shot and fine-tuning, from a toy cohort to another scan of it."""

from copy import deepcopy

import pandas as pd
import pytest
import torch
from nnunetv2.run.load_pretrained_weights import load_pretrained_weights
from torch import nn

from deeprac.bundle.card import limits_of
from deeprac.bundle.make import Model
from deeprac.bundle.training import training_section
from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.errors import BundleError, RunError
from deeprac.files import read_json, write_csv
from deeprac.layout import Layout
from deeprac.pretraining import INTENSITIES
from deeprac.records.runs import PRETRAINING, TRAINING_DICE
from deeprac.training.checkpoint import WEIGHTS, read_checkpoint
from deeprac.training.pretrained import HEADS, load_pretrained
from deeprac.training.trainer import build_trainer
from support.toy_cohort import (
    make_cohort,
    run_arguments,
    small_networks,
    verb,
)

pytestmark = pytest.mark.slow

PLAIN, STN = "coarse_nnunet", "fine_stn"
"""Experiments of the adults."""


def method(**keys):
    return {"label": "x", "description": "x", **keys}


SCHEDULES = {
    "scratch": method(),
    "zero_shot": method(pretrain=PLAIN, zero_shot=True),
    "fine_tune": method(pretrain=PLAIN, learning_rate_factor=0.1),
    "stn_zero_shot": method(normaliser="stn", pretrain=STN, zero_shot=True),
    "stn_fine_tune": method(normaliser="stn", pretrain=STN, learning_rate_factor=0.1),
}


@pytest.fixture(scope="module")
def adults(trained_toy):
    return Layout(trained_toy / "toy")


@pytest.fixture(scope="module")
def children(adults, tmp_path_factory):
    """Layout of the children: every schedule is planned, trained and has predicted."""
    sections = {
        "cohort": {"name": "children"},
        "methods": SCHEDULES,
        "experiments": [
            {"experiment": name, "matrix": "coarse", "method": name}
            for name in SCHEDULES
        ],
        "statistics": {"comparisons": []},
        "pretraining": {"results": str(adults.root)},
    }
    with small_networks():
        folder = tmp_path_factory.mktemp("children")
        config, path = make_cohort(folder, sections, scan=100)
        for name in SCHEDULES:
            verb(path, "plan", "--experiment", name)
            verb(path, "train", *run_arguments(name))
            verb(path, "predict", *run_arguments(name))
        yield Layout.of(config)


def weights(layout, experiment):
    path = layout.run(experiment, 0, 0) / "checkpoint_final.pth"
    return read_checkpoint(path)[WEIGHTS]


def record(layout, experiment):
    return read_json(layout.run(experiment, 0, 0) / "run.json")


@pytest.mark.parametrize(
    ("source", "name"), [(PLAIN, "zero_shot"), (STN, "stn_zero_shot")]
)
def test_zero_shot_is_the_network_of_the_adults_and_trains_nothing(
    adults, children, source, name
):
    given, own = weights(adults, source), weights(children, name)
    assert given.keys() == own.keys()
    assert all(torch.equal(given[key], own[key]) for key in given)
    run, theirs = record(children, name), record(adults, source)
    assert run["cost"]["training_seconds"] == 0
    assert run["settings"]["epochs"] == run["settings"]["training_patients"] == 0
    assert run["segments"] == []
    assert pd.read_csv(children.run(name, 0, 0) / "training.csv").empty
    # Whether it learned is a question about the patients that it was trained on.
    assert run[TRAINING_DICE] == theirs[TRAINING_DICE]


def test_slices_reach_the_network_as_those_of_the_adults_did(adults, children):
    """One normalisation for all experiments: by the adults' fingerprint."""
    theirs = read_json(adults.model(PLAIN, 0) / "plans.json")
    assert read_json(children.fingerprint)[INTENSITIES] == theirs[INTENSITIES]
    for name in ("scratch", "zero_shot", "fine_tune"):
        ours = read_json(children.model(name, 0) / "plans.json")
        for key in (INTENSITIES, "configurations"):
            assert ours[key] == theirs[key], (name, key)
        air = [plans["deeprac"]["normalised_air"] for plans in (ours, theirs)]
        assert air[0] == air[1]


@pytest.mark.parametrize(
    ("source", "name"), [(PLAIN, "fine_tune"), (STN, "stn_fine_tune")]
)
def test_fine_tuning_goes_on_at_a_tenth_of_the_rate(adults, children, source, name):
    curve = pd.read_csv(children.run(name, 0, 0) / "training.csv")
    assert curve.learning_rate[0] == pytest.approx(0.0003)
    run = record(children, name)
    assert run["settings"]["learning_rate"] == pytest.approx(0.0003)
    assert run["settings"]["training_patients"] == 3
    given, own = weights(adults, source), weights(children, name)
    moved = {key: (given[key] - own[key]).abs().max() for key in given}
    # Four steps of AdamW move a weight by about four times the rate at most; heads
    # start elsewhere.
    assert all(far < 5 * 0.0003 for key, far in moved.items() if HEADS not in key)
    assert any(far > 5 * 0.0003 for key, far in moved.items() if HEADS in key)
    assert any(far > 0 for key, far in moved.items() if HEADS not in key)


def test_the_localiser_comes_along(adults, children):
    given, own = weights(adults, STN), weights(children, "stn_fine_tune")
    (key,) = [key for key in given if key.endswith("hidden.weight")]
    assert given[key].std() > 0.01 > 5 * 0.0003 > (given[key] - own[key]).abs().max()


def test_the_record_names_what_it_was_pretrained_on(adults, children):
    theirs, ours = record(adults, PLAIN), record(children, "fine_tune")
    named = ours[PRETRAINING]
    assert named["config_sha256"] == theirs["config_sha256"]
    assert named["commit"] == theirs["git"]["commit"]
    assert {key: named[key] for key in ("cohort", "experiment", "seed", "fold")} == {
        "cohort": "toy", "experiment": PLAIN, "seed": 0, "fold": 0,
    }  # fmt: skip
    assert len(named["weights_sha256"]) == 64
    assert PRETRAINING not in record(children, "scratch")
    assert ours["config_sha256"] != record(children, "scratch")["config_sha256"]


def test_a_finished_training_is_not_repeated(children):
    path = children.root.parent / "toy.yaml"
    for name in ("zero_shot", "fine_tune"):
        before = weights(children, name)
        verb(path, "train", *run_arguments(name))
        after = weights(children, name)
        assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.fixture
def networks(adults):
    """Two networks of one architecture, and the file of other weights."""
    configure_nnunet(adults, workspace=adults.root, data_workers=0)
    model = adults.model(PLAIN, 0)
    plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
    trainer = build_trainer(plans, dataset, 0, torch.device("cpu"))
    trainer.initialize()
    path = adults.run(PLAIN, 0, 0) / "checkpoint_final.pth"
    return trainer.network, deepcopy(trainer.network), path


def test_it_loads_what_nnunet_itself_loads(networks, capsys):
    ours, theirs, path = networks
    fresh = deepcopy(ours.state_dict())
    load_pretrained(ours, path, heads=False)
    load_pretrained_weights(theirs, path)
    expected = theirs.state_dict()
    assert all(torch.equal(w, expected[key]) for key, w in ours.state_dict().items())
    heads = [key for key in fresh if HEADS in key]
    assert heads
    assert all(torch.equal(fresh[key], ours.state_dict()[key]) for key in heads)


def test_heads_come_along_where_they_are_asked_for(networks):
    ours, _, path = networks
    load_pretrained(ours, path, heads=True)
    given = read_checkpoint(path)[WEIGHTS]
    assert all(torch.equal(w, given[key]) for key, w in ours.state_dict().items())


def test_weights_of_another_dimension_or_architecture_are_refused(networks):
    ours, deeper, path = networks
    stem = next(m for m in ours.modules() if isinstance(m, nn.Conv2d))
    stem.weight = nn.Parameter(stem.weight[..., None])
    with pytest.raises(RunError, match=r"weights of the same architecture.*-> "):
        load_pretrained(ours, path, heads=False)
    deeper.add_module("more", nn.Linear(2, 3))
    with pytest.raises(RunError, match=r"differ in 2: more\.bias in one only"):
        load_pretrained(deeper, path, heads=False)


def test_a_bundle_says_what_it_started_from_and_is_never_zero_shot(children):
    config = load_config([children.root.parent / "toy.yaml"])
    more = ("size_x", "spacing_x_mm", "spacing_z_mm", "age_years")
    more += ("kidney_ml", "tumour_ml")
    table = pd.read_csv(children.cases_csv)
    write_csv(children.cases_csv, table.assign(**dict.fromkeys(more, 1.0)))
    tuned = training_section(config, [0], [record(children, "fine_tune")])
    assert tuned["pretraining"] == ["toy"]
    (limit,) = [one for one in limits_of({"training": tuned}) if "started" in one]
    assert "weights of toy" in limit
    fresh = training_section(config, [0], [record(children, "scratch")])
    assert "pretraining" not in fresh
    with pytest.raises(BundleError, match=f"Bundle {PLAIN} of .*toy"):
        Model(config, "zero_shot", 0, (0,)).plans()
