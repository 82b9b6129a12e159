"""Verb stress: a trained run on a toy cohort, and what it refuses."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
import torch

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import SplitError
from deeprac.files import read_json
from deeprac.inference import load
from deeprac.inference.load import load_predictor
from deeprac.inference.stress import LabelledCase, stress_case
from deeprac.inference.stress_fold import stress_fold
from deeprac.labels import KIDNEY_AND_TUMOUR
from deeprac.layout import Layout
from deeprac.networks.front_end import Supervision
from deeprac.records.made_with import MADE_WITH
from deeprac.records.stress import STRESS_COLUMNS, conditions
from support.results_tree import TreeOptions, write_tree
from support.toy_cohort import (
    HELD_OUT,
    arrays,
    copy_toy,
    run_arguments,
    small_networks,
    verb,
)

SPACING_MM = (4.0, 0.9, 0.9)
EXPERIMENT = "coarse_nnunet"


@dataclass
class Threshold:
    """Calls bright pixels kidney; an oracle that knows what ``known`` says."""

    known: Callable = lambda case, slices: None
    received: list = field(default_factory=list)
    batched = True

    def __post_init__(self):
        self.settings = {"air": -1000.0}
        self.labels = KIDNEY_AND_TUMOUR

    def predict(self, image, spacing, oracle_input=None):
        self.received.append(oracle_input)
        labels = ((image > 120) & (image < 250)).astype(np.uint8)
        return type("Found", (), {"labels": labels})()


@pytest.fixture
def tree(tmp_path):
    stress = {"experiments": [EXPERIMENT], "angles_deg": [90], "scales": [2]}
    options = TreeOptions(
        experiments=(EXPERIMENT,),
        settings={
            "stress": stress | {"shifts": []},
            "training": {"device": "cpu"},
        },
    )
    return load_config([write_tree(tmp_path, options)])


def run(config, monkeypatch, network, fold=0):
    monkeypatch.setattr(load, "load_predictor", lambda *_: network)
    monkeypatch.setattr(load, "oracle_input_of", lambda *_: network.known)
    stress_fold(config, EXPERIMENT, 0, fold)
    folder = Layout.of(config).run(EXPERIMENT, 0, fold)
    return pd.read_csv(folder / "stress.csv", keep_default_na=False)


def test_one_row_per_case_condition_and_label(tree, monkeypatch):
    table = run(tree, monkeypatch, Threshold())
    assert tuple(table) == (*STRESS_COLUMNS, MADE_WITH)
    held_out = read_json(Layout.of(tree).splits)[0]["val"]
    assert len(held_out) == 2
    first = table[table.case == held_out[0]]
    assert list(zip(first.kind, first.value, first.label, strict=True)) == [
        (kind, value, label)
        for kind, value in (("none", 0.0), ("rotation", 90.0), ("scale", 2.0))
        for label in ("kidney", "tumour")
    ]
    assert list(table.case.unique()) == held_out
    assert list(table.patient.unique()) == [f"patient{c[-3:]}" for c in held_out]
    assert (table.n_slices == 3).all()
    assert (table.experiment == EXPERIMENT).all()
    # The phantom's kidneys are what is that bright, turned or not.
    kidney = table[(table.label == "kidney") & (table.kind != "scale")]
    assert (kidney.dice > 0.9).all()
    assert (table.visible[table.kind != "scale"] == 1).all()
    assert (table.visible[table.kind == "scale"] < 1).any()
    assert (table.dice[table.label == "tumour"] == 0).all()


def test_what_an_oracle_knows_has_one_row_per_slice(tree, monkeypatch):
    asked = []

    def known(case, n_slices):
        asked.append((case, n_slices))
        poses = torch.eye(2, 3).expand(n_slices, 2, 3)
        return Supervision(poses, torch.ones(n_slices, 4, 2))

    network = Threshold(known)
    run(tree, monkeypatch, network)
    held_out = read_json(Layout.of(tree).splits)[0]["val"]
    assert asked == [(case, 3) for case in held_out]
    upright, turned, zoomed = network.received[:3]
    torch.testing.assert_close(
        upright.image_from_canonical, torch.eye(2, 3).expand(3, 2, 3)
    )
    torch.testing.assert_close(turned.outline[0, 0], torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(zoomed.outline[2, 3], torch.tensor([2.0, 2.0]))


def test_a_fold_that_does_not_exist(tree, monkeypatch):
    with pytest.raises(SplitError, match=r"Fold 7 does not exist: .* has 2 folds"):
        run(tree, monkeypatch, Threshold(), fold=7)


@pytest.fixture(scope="module")
def trained(trained_toy, tmp_path_factory):
    """Configuration file of a toy cohort with one trained run."""
    with small_networks():
        yield copy_toy(trained_toy, tmp_path_factory.mktemp("stressed"))


def test_the_upright_case_is_segmented_as_by_predict(trained):
    layout = Layout.of(load_config([trained]))
    predictor = load_predictor(layout.model(EXPERIMENT, 0), 0, torch.device("cpu"))
    image, labels = arrays(1)
    case = LabelledCase(image, labels, SPACING_MM)
    upright, *changed = conditions(load_config([trained]).stress)
    shown = stress_case(case, upright, air=predictor.settings["air"])
    assert shown.image.shape == (4, 34, 34)  # 28 rows: 3 before, 3 after
    square = predictor.predict(shown.image, SPACING_MM).labels
    ordinary = predictor.predict(image, SPACING_MM).labels
    assert np.array_equal(square[:, 3:31], ordinary)
    shown = stress_case(case, changed[0], air=predictor.settings["air"])
    turned = predictor.predict(shown.image, SPACING_MM).labels
    assert not np.array_equal(turned, square)


def test_verb_writes_every_condition(trained):
    verb(trained, "stress", *run_arguments(EXPERIMENT))
    config = load_config([trained])
    path = Layout.of(config).run(EXPERIMENT, 0, 0) / "stress.csv"
    table = pd.read_csv(
        path, keep_default_na=False, na_values={"dice": "", "visible": ""}
    )
    (case,) = HELD_OUT
    assert len(table) == 2 * len(conditions(config.stress)) == 2 * 17
    assert set(table.case) == {case}
    assert table.dice.dropna().between(0, 1).all()
    # The last toy case has no tumour.
    assert table.visible[table.label == "tumour"].map(math.isnan).all()
    assert (table.visible[table.label == "kidney"] > 0).all()


def test_a_run_that_does_not_exist(trained, capsys):
    verb(trained, "plan", "--experiment", "fine_nnunet")
    arguments = run_arguments("fine_nnunet")
    assert main(["stress", "--config", str(trained), *arguments]) == 1
    message = capsys.readouterr().err
    assert "fine_nnunet/seed0/fold_0/checkpoint_final.pth does not exist" in message
