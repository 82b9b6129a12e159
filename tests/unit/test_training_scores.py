"""What trainings say of themselves: records made by hand, and the released ones."""

import json

import pandas as pd
import pytest

from deeprac.evaluation.gates import LEARNED, NOT_LEARNED, judged, not_learned
from deeprac.layout import Layout
from deeprac.records.training_scores import (
    CURVE,
    SCORE_COLUMNS,
    TRAINING_SLICES,
    training_scores,
)
from support.summary_builder import REPO

LABELS = ("kidney", "tumour")
RUN = pd.DataFrame({"experiment": ["e"], "seed": [1], "fold": [2]})


def write_run(root, record, curve=None):
    folder = Layout(root).run("e", 1, 2)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))
    if curve is not None:
        columns = {f"val_dice_{label}": values for label, values in curve.items()}
        pd.DataFrame(columns).to_csv(folder / "training.csv", index=False)


def found(root):
    table = training_scores(Layout(root), RUN, LABELS)
    assert tuple(table) == SCORE_COLUMNS
    assert table.label.tolist() == list(LABELS)
    assert set(table.seed) == {1}
    assert set(table.fold) == {2}
    return table


def test_the_final_networks_dice_on_training_slices(tmp_path):
    record = {"training_dice": {"kidney": 0.9, "tumour": None}}
    write_run(tmp_path, record, {"kidney": [0.0], "tumour": [0.0]})
    table = found(tmp_path)
    assert table.dice[0] == 0.9
    assert pd.isna(table.dice[1])
    assert set(table.source) == {TRAINING_SLICES}


def test_older_runs_have_their_curve_and_say_so(tmp_path):
    """The last three epochs that have a Dice: before, a front end is trained alone."""
    nan = float("nan")
    curve = {"kidney": [0, 0.3, 0.6, nan, 0.9], "tumour": [nan, nan, nan, nan, 0.5]}
    write_run(tmp_path, {}, curve)
    table = found(tmp_path)
    assert table.dice.tolist() == pytest.approx([0.6, 0.5])
    assert set(table.source) == {CURVE}


def test_a_label_that_no_curve_has(tmp_path):
    nan = float("nan")
    write_run(tmp_path, {}, {"kidney": [0.5], "tumour": [nan]})
    table = found(tmp_path)
    assert pd.isna(table.dice[1])
    assert table.source[1] == CURVE


def test_without_a_curve_nothing_is_known(tmp_path):
    write_run(tmp_path, {})
    table = found(tmp_path)
    assert table.dice.isna().all()
    assert set(table.source) == {""}


def released(name, *, floor=0.3):
    """Gates of a release, whose runs are of versions that kept the curve alone."""
    root = REPO / "resources/released" / name
    runs = pd.read_csv(root / "summary/runs.csv")
    gates = judged(training_scores(Layout(root), runs, LABELS), floor)
    assert set(gates.source) == {CURVE}
    return gates


BASELINES = ("nnunet", "nnunet_augment", "nnunet_augment_wide")


def test_300_steps_fail_the_gate():
    """Where Dice of the tumour was 0 to 1 % although curves had become flat."""
    failed = not_learned(released("ablation_300steps"))
    tumour = failed[failed.label == "tumour"]
    assert {*zip(tumour.experiment, tumour.seed, strict=True)} >= {
        (f"{name}{patients}", 0)
        for name in (*BASELINES, "planned", "planned_augment")
        for patients in ("", "_8", "_16")
        if not (name.startswith("planned") and patients)
    }
    kidney = failed[failed.label == "kidney"]
    assert [*zip(kidney.experiment, kidney.seed, strict=True)] == [
        ("nnunet_augment_wide_16", 1)
    ]


@pytest.mark.parametrize("name", ["crop", "clip"])
def test_1000_steps_pass_the_gate(name):
    gates = released(name)
    assert set(gates.verdict) == {LEARNED}
    assert gates.dice.min() > 0.8


def test_failures_and_successes_lie_apart():
    """So that no verdict hangs on the floor: nothing lies near it."""
    dice = pd.concat(
        [released(name).dice for name in ("ablation_300steps", "crop", "clip")]
    )
    assert dice[dice < 0.3].max() < 0.2
    assert dice[dice >= 0.3].min() > 0.4


def test_what_the_curve_says_agrees_with_the_held_out_cases():
    """A training whose curve fails segments no held-out patient well, and no other
    training is as bad."""
    gates = released("ablation_300steps")
    cases = pd.read_csv(REPO / "resources/released/ablation_300steps/summary/cases.csv")
    means = cases.groupby(["experiment", "seed", "fold", "label"]).dice.mean()
    keys = ["experiment", "seed", "fold", "label"]
    gates = gates.merge(means.rename("held_out").reset_index(), on=keys)
    failed = gates.verdict == NOT_LEARNED
    assert gates.held_out[failed].max() < gates.held_out[~failed].min()
