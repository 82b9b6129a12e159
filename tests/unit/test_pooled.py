"""Batches of the slices of two cohorts, from a toy cohort and another scan of it."""

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deeprac.bundle.card import limits_of
from deeprac.bundle.training import training_section
from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.config_files import read_raw, resolve
from deeprac.files import read_json, write_csv, write_json
from deeprac.layout import Layout
from deeprac.other_cases import OtherCases, other_cases_of
from deeprac.records.case_poses import CASE_POSE_COLUMNS
from deeprac.records.run_key import RunKey
from deeprac.release.contents import objections, stripped_run
from deeprac.training.pooled import PooledDataset, repeats
from deeprac.training.resident import ResidentLoader
from deeprac.training.stepping import SteppingTrainer
from deeprac.training.trainer import build_trainer, seed_everything
from deeprac.training.training_dice import training_dice
from support.toy_cohort import (
    TRAIN,
    copy_toy,
    make_cohort,
    run_arguments,
    small_networks,
    verb,
)

POOLED, REHEARSAL = "pooled", "stn_rehearsal"
METHODS = {
    POOLED: {"other_share": 0.25},
    REHEARSAL: {"normaliser": "stn", "pretrain": "fine_stn", "other_share": 0.75},
}
THEIRS = {f"toy/{case}" for case in TRAIN}
"""The same names as those of this cohort, of other patients."""


@given(own=st.integers(1, 200), theirs=st.integers(1, 200), part=st.integers(1, 99))
def test_the_share_is_exact_whatever_the_cohorts_sizes(own, theirs, part):
    once, more = repeats(own, theirs, part / 100)
    assert Fraction(theirs * more, own * once + theirs * more) == Fraction(part, 100)


def test_a_third_is_a_third():
    """To a hundredth, so that the list stays short: 2 x 3 + 1 x 3 entries."""
    assert repeats(3, 3, 0.3333333333) == (2, 1)


def test_every_case_is_read_where_it_lies():
    def stored(what):
        return SimpleNamespace(identifiers=["a", "b"], load_case=lambda c: (what, c))

    others = OtherCases(Layout(Path("results/adults")), 0, "fine", 0.75, False)
    pooled = PooledDataset(stored("own"), stored("theirs"), others)
    assert pooled.load_case("a") == ("own", "a")
    assert pooled.load_case("adults/a") == ("theirs", "a")
    names, counts = np.unique(pooled.identifiers.astype(str), return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {
        "a": 1, "b": 1, "adults/a": 3, "adults/b": 3,
    }  # fmt: skip


@pytest.fixture(scope="module")
def adults(trained_toy, tmp_path_factory):
    """Layout of the other cohort, whose poses nobody can take for the children's."""
    path = copy_toy(trained_toy, tmp_path_factory.mktemp("adults"))
    layout = Layout.of(load_config([path]))
    write_json(layout.config, resolve(read_raw([path])))
    poses = pd.read_csv(layout.case_poses)
    poses[list(CASE_POSE_COLUMNS)] *= 1.5
    write_csv(layout.case_poses, poses)
    return layout


@pytest.fixture(scope="module")
def children(adults, tmp_path_factory):
    """Configuration file of the cohort whose experiments draw from the adults too."""
    sections = {
        "cohort": {"name": "children"},
        "methods": {
            name: {"label": "x", "description": "x", **keys}
            for name, keys in METHODS.items()
        },
        "experiments": [
            {"experiment": name, "matrix": "coarse", "method": name} for name in METHODS
        ],
        "statistics": {"comparisons": []},
        "pretraining": {"results": str(adults.root)},
    }
    with small_networks():
        _, path = make_cohort(tmp_path_factory.mktemp("children"), sections, scan=100)
        for name in METHODS:
            verb(path, "plan", "--experiment", name)
        yield path


@pytest.fixture
def opened(children):
    """Opens an initialised trainer as a training does."""
    config = load_config([children])
    layout = Layout.of(config)
    configure_nnunet(layout, workspace=layout.root / "scratch", data_workers=0)

    def build(name):
        model = layout.model(name, 0)
        plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
        trainer = build_trainer(plans, dataset, 0, torch.device("cpu"))
        trainer.others = other_cases_of(config, RunKey("children", name, 0, 0))
        trainer.initialize()
        return trainer

    return build


def drawn(loader, batches):
    seed_everything(3)
    return [next(loader) for _ in range(batches)]


def keys(batches):
    return [case for batch in batches for case in batch["keys"]]


@pytest.mark.slow
def test_the_share_of_the_slices_is_drawn(opened):
    trainer = opened(POOLED)
    loader, held_out = trainer.get_dataloaders()
    found = keys(drawn(loader, 400))
    # Nobody held out, there or here.
    assert set(found) == {*TRAIN, *THEIRS}
    share = np.mean([case in THEIRS for case in found])
    assert abs(share - 0.25) < 3 * (0.25 * 0.75 / len(found)) ** 0.5
    # Of every place in a batch, those whose label is enforced too.
    for place in range(2):
        own = [case in THEIRS for case in found[place::2]]
        assert abs(np.mean(own) - 0.25) < 4 * (0.25 * 0.75 / len(own)) ** 0.5
    assert found == keys(drawn(loader, 400))
    assert THEIRS.isdisjoint(keys(drawn(held_out, 20)))


@pytest.mark.slow
def test_slices_are_those_of_the_cohort_that_the_name_is_of(opened, adults, children):
    """Nothing but noise tells the scans apart."""
    trainer = opened(POOLED)
    loader, _ = trainer.get_dataloaders()
    own = Layout.of(load_config([children]))
    stored = {
        f"{prefix}{case}": trainer.dataset_class(str(folder), [case]).load_case(case)
        for prefix, folder in (
            ("", own.slices("coarse")),
            ("toy/", adults.slices("coarse")),
        )
        for case in TRAIN
    }
    batches = drawn(loader, 10)
    assert {case in THEIRS for case in keys(batches)} == {True, False}
    for batch in batches:
        for index, case in enumerate(batch["keys"]):
            data, labels, _, _ = stored[case]
            same = (np.asarray(data[0]) == batch["data"][index, 0].numpy()).all((1, 2))
            (place,) = np.flatnonzero(same)
            shown = batch["target"][0][index, 0].numpy()
            assert (np.asarray(labels[0])[place] == shown).all()


@pytest.mark.slow
def test_nnunets_own_loader_draws_the_same(opened):
    """As volumes, and slices that do not fit into memory, reach a training."""
    trainer = opened(POOLED)
    own, _ = trainer.get_dataloaders()
    assert isinstance(own.data_loader, ResidentLoader)
    theirs, _ = super(SteppingTrainer, trainer).get_dataloaders()
    for one, two in zip(drawn(own, 8), drawn(theirs, 8), strict=True):
        assert list(one["keys"]) == list(two["keys"])
        assert torch.equal(one["data"], two["data"])


@pytest.mark.slow
def test_what_is_known_of_a_slice_comes_along(opened, adults, children):
    trainer = opened(REHEARSAL)
    layouts = Layout.of(load_config([children])), adults
    tables = [pd.read_csv(one.case_poses).set_index("case") for one in layouts]
    expected = [table[list(CASE_POSE_COLUMNS)].to_numpy(float) for table in tables]
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    for case in TRAIN:
        for name, table in zip((case, f"toy/{case}"), tables, strict=True):
            pose = table.loc[case, list(CASE_POSE_COLUMNS)].to_numpy(float)
            known = trainer.case_poses[name].image_from_canonical
            np.testing.assert_allclose(known.ravel(), pose)
    loader, _ = trainer.get_dataloaders()
    slices, poses, outlines, *_ = trainer.step_tensors(next(loader))
    assert len(slices) == len(poses) == len(outlines) == 2


@pytest.mark.slow
def test_trainings_are_judged_by_patients_of_this_cohort(opened, monkeypatch):
    trainer, asked = opened(POOLED), []
    counts = {f"{name}_hard": [1, 1] for name in ("tp", "fp", "fn")}
    monkeypatch.setattr(
        trainer, "validation_step", lambda batch: asked.append(batch) or counts
    )
    monkeypatch.setattr("deeprac.training.training_dice.SLICES", 64)
    training_dice(trainer)
    assert set(keys(asked)) == set(TRAIN)
    assert trainer.do_split()[0] == list(TRAIN)  # who a crop is calibrated on


@pytest.mark.slow
def test_a_training_says_whose_slices_it_drew(adults, children):
    verb(children, "train", *run_arguments(REHEARSAL))
    config = load_config([children])
    layout = Layout.of(config)
    run = read_json(layout.run(REHEARSAL, 0, 0) / "run.json")
    found = other_cases_of(config, RunKey("children", REHEARSAL, 0, 0)).identity()
    assert run["other_cases"] == found
    assert (found["cohort"], found["patients"]) == ("toy", 3)
    assert run["pretraining"]["experiment"] == "fine_stn"
    assert run["run_settings"]["method"]["other_share"] == 0.75
    assert run["settings"]["training_patients"] == 3
    file = {"run.json": json.dumps(stripped_run(run, 1)).encode()}
    assert not [one for one in objections(file) if "other_cases" in one]
    curve = pd.read_csv(layout.run(REHEARSAL, 0, 0) / "training.csv")
    assert np.isfinite(curve.train_loss).all()

    more = ("size_x", "spacing_x_mm", "spacing_z_mm", "age_years")
    more += ("kidney_ml", "tumour_ml")
    table = pd.read_csv(layout.cases_csv)
    write_csv(layout.cases_csv, table.assign(**dict.fromkeys(more, 1.0)))
    section = training_section(config, [0], [run])
    assert section["other_cases"] == ["toy"]
    assert any("drew from cases as well of toy" in one for one in
               limits_of({"training": section}))  # fmt: skip
