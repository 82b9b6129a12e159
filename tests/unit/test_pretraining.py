"""What a training may start from: found, compared and refused, from files alone."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest
import yaml

from deeprac.errors import ConfigError, RunError
from deeprac.files import read_json, write_json
from deeprac.layout import Layout
from deeprac.pretraining import (
    INTENSITIES,
    moved_intensities,
    refuse_known_cases,
    source_of,
)
from deeprac.records.run_key import RunKey
from deeprac.replacing import refuse_retraining
from deeprac.settings.effective import run_settings
from support.finished_runs import MEAN, children, configured, finish, row
from support.summary_builder import REPO

RUN = RunKey("children", "stn_fine_tune", 1, 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    sections = {"cohort": {"name": "adults"}, "run": {"seeds": [0, 1]}}
    finish(configured(folder, ["nnunet", "stn"], **sections))
    return folder


@pytest.fixture
def adults(finished, tmp_path):
    shutil.copytree(finished / "adults", tmp_path / "adults")
    return Layout(tmp_path / "adults")


def test_a_run_starts_from_the_network_of_its_own_seed(tmp_path, adults):
    source = source_of(children(tmp_path), RUN)
    assert source.weights == adults.run("stn", 1, 0) / "checkpoint_final.pth"
    identity = source.identity()
    assert identity["commit"] == "c0ffee"
    assert (identity["cohort"], identity["experiment"]) == ("adults", "stn")
    other = source_of(children(tmp_path, pretraining={"seed": 0}), RUN)
    assert other.seed == 0
    assert other.identity()["weights_sha256"] != identity["weights_sha256"]


def test_from_scratch_there_is_no_source(tmp_path, adults):
    config = children(tmp_path, "stn")
    assert source_of(config, replace(RUN, experiment="stn")) is None


def test_what_is_missing_or_unfinished_is_named(tmp_path, adults):
    config, away = children(tmp_path), tmp_path / "away"
    for name, said in (
        (".", "there is no such folder"),
        ("stn", "it has no experiment stn"),
        ("stn/seed1", "stn has no seed 1"),
        ("stn/seed1/fold_0", "stn has no fold 0 there"),
        ("stn/seed1/fold_0/run.json", "has not finished"),
        ("stn/seed1/fold_0/checkpoint_final.pth", "checkpoint_final.pth is missing"),
        ("stn/seed1/plans.json", "plans.json is missing"),
        ("stn/seed1/dataset.json", "dataset.json is missing"),
    ):
        lost = adults.root / name
        lost.rename(away)
        with pytest.raises(RunError, match=f"finished training of .*{said}.*its end"):
            source_of(config, RUN)
        away.rename(lost)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"network": {"base_features": 16}}, "network.base_features: 32 -> 16"),
        ({"matrices": {"coarse": {"size": 64}}}, "matrix.size: 128 -> 64"),
        (
            {"matrices": {"coarse": {"dimensions": 3, "size": [32, 48, 48]}}},
            "matrix.dimensions: 2 -> 3",
        ),
        ({"localiser": {"input_size": 64}}, "front_end.input_size: 128 -> 64"),
        ({"localiser": {"max_angle_deg": 20}}, "front_end.max_angle_deg: 45 -> 20"),
        ({"cohort": {"air": -2000}}, "air: -1024 -> -2000|air: .* -> -2000"),
    ],
)
def test_another_architecture_is_refused(tmp_path, adults, sections, said):
    with pytest.raises(RunError, match=f"another network or normalisation.*{said}"):
        source_of(children(tmp_path, **sections), RUN)


def test_another_normaliser_is_refused(tmp_path, adults):
    methods = yaml.safe_load((REPO / "config/methods.yaml").read_text())
    methods["stn_fine_tune"]["normaliser"] = "moments"
    config = children(tmp_path, methods=methods)
    with pytest.raises(RunError, match=r"method\.normaliser: stn -> moments"):
        source_of(config, RUN)
    methods["stn_fine_tune"] |= {"normaliser": "none"}
    with pytest.raises(RunError, match=r"front_end\.base_features: 16 -> not there"):
        source_of(children(tmp_path, methods=methods), RUN)


def test_other_labels_or_intensities_are_refused(tmp_path, adults):
    model = adults.model("stn", 1)
    plans = read_json(model / "plans.json")
    write_json(model / "dataset.json", {"labels": {"background": 0, "kidney": 1}})
    with pytest.raises(RunError, match=r"labels\.tumour: not there -> 2"):
        source_of(children(tmp_path), RUN)
    write_json(model / "dataset.json", {"labels": {"background": 0, "kidney": 1,
                                                   "tumour": 2}})  # fmt: skip
    plans["deeprac"]["intensity"] = "grey"
    write_json(model / "plans.json", plans)
    with pytest.raises(RunError, match="intensity: grey -> hu"):
        source_of(children(tmp_path), RUN)


def test_slices_are_normalised_as_those_that_the_weights_have_seen(tmp_path, adults):
    """Which those of ``other_results`` need not have been."""
    path = adults.model("stn", 1) / "plans.json"
    write_json(path, read_json(path) | {INTENSITIES: {"0": {"mean": MEAN + 1}}})
    with pytest.raises(RunError, match=rf"{INTENSITIES}\.0\.mean: 8.0 -> 7.0"):
        source_of(children(tmp_path), RUN)
    own = children(tmp_path, pretraining={"fingerprint": "own"})
    assert source_of(own, RUN) is not None


def test_what_only_trains_may_differ(tmp_path, adults):
    sections = {
        "training": {"epochs": 3, "optimiser": "adamw"},
        "localiser": {"learning_rate_factor": 0.3, "pose_weight": 2},
        "matrices": {"coarse": {"batch_size": 2}},
    }
    assert source_of(children(tmp_path, **sections), RUN) is not None


def test_the_fingerprint_moves_or_stays(tmp_path, adults):
    assert moved_intensities(children(tmp_path)) == {INTENSITIES: {"0": {"mean": MEAN}}}
    own = children(tmp_path, pretraining={"fingerprint": "own"})
    assert moved_intensities(own) == {}
    adults.fingerprint.unlink()
    with pytest.raises(RunError, match="fingerprint to own"):
        moved_intensities(children(tmp_path))


def test_a_case_on_which_the_source_was_trained_is_no_test_case(tmp_path, adults):
    config = children(tmp_path)
    for layout, train, held_out in (
        (adults, ["a", "b"], ["c"]),
        (Layout.of(config), ["x"], ["y"]),
    ):
        write_json(layout.splits, [{"train": train, "val": held_out}])
        cases = [*train, *held_out]
        hashes = [{"b": "same", "y": "same"}.get(case, case) for case in cases]
        layout.cohort.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame({"case": cases, "image_sha256": hashes})
        table.to_csv(layout.cases_csv, index=False)
        write_json(layout.dataset_json, {"numTraining": len(cases)})
    pooled = children(tmp_path, "stn_pooled")
    runs = [(config, RUN), (pooled, replace(RUN, experiment="stn_pooled"))]
    for settings, run in runs:
        with pytest.raises(RunError, match="judged by 1 cases whose images are among"):
            refuse_known_cases(settings, run)
    write_json(adults.splits, [{"train": ["a", "c"], "val": ["b"]}])
    for settings, run in runs:
        refuse_known_cases(settings, run)


def test_a_source_that_was_trained_anew_makes_its_followers_stale(tmp_path, adults):
    """Before Snakemake deletes anything."""
    config = children(tmp_path)
    target = RUN.folder(Layout.of(config))
    settings = run_settings(config, config.experiment(RUN.experiment))
    record = {"run_settings": settings,
              "pretraining": source_of(config, RUN).identity()}  # fmt: skip
    write_json(target / "run.json", record)
    refuse_retraining(config, [RUN])
    (adults.run("stn", 1, 0) / "checkpoint_final.pth").write_text("other weights")
    with pytest.raises(RunError, match=r"pretraining\.weights_sha256: .* -> "):
        refuse_retraining(config, [RUN])


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"zero_shot": True}, "no pretrained network to predict with"),
        ({"pretrain": "stn", "zero_shot": True, "learning_rate_factor": 0.5},
         "zero_shot trains nothing"),
        ({"pretrain": "x", "zero_shot": True, "other_share": 0.5},
         "other_share is 0.5, but zero_shot trains nothing"),
        ({"pretrain": "x", "normaliser": "stn_labarbera"}, "stages of its own"),
        ({"other_share": 0.5, "normaliser": "stn_labarbera"}, "Leave other_share out"),
    ],
)  # fmt: skip
def test_methods_that_contradict_themselves_are_refused(tmp_path, method, said):
    methods = {"m": {"label": "x", "description": "x", **method}}
    with pytest.raises(ConfigError, match=said):
        configured(tmp_path, ["m"], methods=methods)


def test_a_start_from_nothing_or_from_oneself_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"pretraining\.results is null, but stn_fi"):
        configured(tmp_path, ["stn_fine_tune"])
    with pytest.raises(ConfigError, match="the folder of these very results"):
        children(tmp_path, cohort={"name": "adults"})


def test_zero_shot_has_no_epochs_of_its_own(tmp_path):
    section = {"results": "results/adults"}
    with pytest.raises(ConfigError, match=r"experiments\.stn_zero_shot\.epochs is 3"):
        configured(tmp_path, [row("stn_zero_shot", epochs=3)], pretraining=section)
    config = configured(tmp_path, ["stn_zero_shot"], pretraining=section)
    training = config.training_of(config.experiment("stn_zero_shot"))
    assert (training.epochs, training.learning_rate) == (0, 0.01)
