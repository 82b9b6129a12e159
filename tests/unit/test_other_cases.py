"""Slices that are drawn from another cohort: found, compared, refused, from files."""

import shutil
from dataclasses import replace

import pytest

from deeprac.errors import ConfigError, RunError, SplitError
from deeprac.files import read_json, write_json
from deeprac.layout import Layout
from deeprac.other_cases import other_cases_of, taken
from deeprac.pretraining import INTENSITIES
from deeprac.records.run_key import RunKey
from deeprac.replacing import refuse_retraining
from deeprac.settings.effective import run_settings
from support.finished_runs import SPLIT, children, configured, finish, row

RUN = RunKey("children", "stn_pooled", 0, 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    sections = {"cohort": {"name": "adults"}, "run": {"seeds": [0]}}
    finish(configured(folder, ["stn"], **sections))
    return folder


@pytest.fixture
def adults(finished, tmp_path):
    shutil.copytree(finished / "adults", tmp_path / "adults")
    return Layout(tmp_path / "adults")


def pooled(folder, method="stn_pooled", **sections):
    return children(folder, method, **sections)


def test_the_cases_are_those_that_the_other_fold_trains_on(tmp_path, adults):
    others = other_cases_of(pooled(tmp_path), RUN)
    assert others.cases == SPLIT["train"]
    assert others.share == 0.5
    assert others.slices == adults.matrix("coarse") / "slices"
    assert [others.named(case) for case in others.cases] == ["adults/a", "adults/b"]
    # What makes a training stale; poses are read by front ends alone.
    assert others.files == [
        adults.matrix("coarse") / "cases.json", adults.splits, adults.case_poses,
    ]  # fmt: skip
    plain = other_cases_of(
        pooled(tmp_path, "nnunet_pooled"), replace(RUN, experiment="nnunet_pooled")
    )
    assert plain.files == others.files[:2]


def test_a_row_may_take_from_results_of_its_own(tmp_path, adults):
    """Both cohorts at once: what adults add, and the same adults made child-like."""
    shutil.copytree(adults.root, tmp_path / "childlike")
    named = {"other_results": str(tmp_path / "childlike")}
    rows = [
        row("stn_pooled"),
        row("stn_rehearsal") | named | {"experiment": "childlike"},
    ]
    config = configured(
        tmp_path,
        rows,
        cohort={"name": "children"},
        pretraining={"results": str(adults.root)},
    )
    assert other_cases_of(config, RUN).layout.root == adults.root
    run = replace(RUN, experiment="childlike")
    found = other_cases_of(config, run)
    assert found.named("a") == "childlike/a"
    shutil.rmtree(tmp_path / "childlike" / "stn")
    with pytest.raises(RunError, match=r"training of .*childlike, .*no experiment stn"):
        taken(config, run)


@pytest.mark.parametrize(
    ("method", "results", "said"),
    [
        ("stn", "adults", "the method stn takes nothing from another cohort"),
        ("stn_pooled", "children", r"stn_pooled\.other_results is .*very results"),
    ],
)
def test_impossible_results_of_a_row_are_refused(tmp_path, method, results, said):
    one = row(method, other_results=str(tmp_path / results))
    section = {"results": str(tmp_path / "adults")}
    with pytest.raises(ConfigError, match=said):
        configured(tmp_path, [one], cohort={"name": "children"}, pretraining=section)


def test_a_run_of_one_cohort_takes_nothing(tmp_path, adults):
    assert taken(pooled(tmp_path, "stn"), replace(RUN, experiment="stn")) == {}


def test_rehearsal_takes_weights_and_cases(tmp_path, adults):
    run = replace(RUN, experiment="stn_rehearsal")
    found = taken(pooled(tmp_path, "stn_rehearsal"), run)
    assert found.keys() == {"pretraining", "other_cases"}
    named = found["other_cases"]
    assert len(named.pop("cases_sha256")) == 64
    assert named == {"cohort": "adults", "fold": 0, "patients": 2}
    assert taken(pooled(tmp_path), RUN).keys() == {"other_cases"}


def test_other_cases_make_a_finished_run_stale(tmp_path, adults):
    config, target = pooled(tmp_path), RUN.folder(Layout(tmp_path / "children"))
    settings = run_settings(config, config.experiment(RUN.experiment))
    write_json(target / "run.json", {"run_settings": settings, **taken(config, RUN)})
    refuse_retraining(config, [RUN])
    path = adults.matrix("coarse") / "cases.json"
    made = read_json(path)
    # Of a held-out case nothing was drawn.
    write_json(path, made | {"cases": made["cases"] | {"c": "another image"}})
    refuse_retraining(config, [RUN])
    write_json(path, made | {"cases": made["cases"] | {"a": "another image"}})
    with pytest.raises(RunError, match=r"other_cases\.cases_sha256: .* -> "):
        refuse_retraining(config, [RUN])


def test_what_is_missing_is_named(tmp_path, adults):
    config, away = pooled(tmp_path), tmp_path / "away"
    for name, said in (
        (".", "adults is missing"),
        ("config.json", r"config\.json is missing"),
        ("cohort/dataset.json", r"dataset\.json is missing"),
        ("cohort/cases.csv", r"cases\.csv is missing"),
        ("preprocessed/coarse/cases.json", r"coarse/cases\.json is missing"),
        ("preprocessed/coarse/slices", "slices lacks 2 of the 2 cases"),
        ("preprocessed/coarse/slices/b_seg.b2nd", "slices lacks 1 of the 2 cases"),
        ("splits_final.json", r"splits_final\.json is missing"),
        ("case_poses.csv", r"case_poses\.csv is missing"),
    ):
        lost = adults.root / name
        lost.rename(away)
        with pytest.raises(RunError, match=f"preprocessed cases of .*{said}.*its end"):
            other_cases_of(config, RUN)
        away.rename(lost)


def test_a_held_out_case_may_be_missing_and_a_fold_may_not(tmp_path, adults):
    (adults.slices("coarse") / "c.b2nd").unlink()
    assert other_cases_of(pooled(tmp_path), RUN) is not None
    with pytest.raises(SplitError, match="Fold 3 does not exist"):
        other_cases_of(pooled(tmp_path, pretraining={"fold": 3}), RUN)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"matrices": {"coarse": {"size": 64}}}, "matrix.size: 128 -> 64"),
        ({"cohort": {"air": -2000}}, "air: -1000 -> -2000"),
        ({"cohort": {"intensity": "grey", "air": 0}}, "intensity: hu -> grey"),
        ({"localiser": {"canonical_radius": 0.5}}, "localiser.canonical_radius: "),
    ],
)
def test_slices_that_are_made_in_another_way_are_refused(
    tmp_path, adults, sections, said
):
    with pytest.raises(RunError, match=f"slices of .* in another way: .*{said}"):
        other_cases_of(pooled(tmp_path, **sections), RUN)


def test_other_labels_or_another_normalisation_are_refused(tmp_path, adults):
    config = pooled(tmp_path)
    labels = {"labels": {"background": 0, "kidney": 1}, "numTraining": 3}
    before = read_json(adults.dataset_json)
    write_json(adults.dataset_json, labels)
    with pytest.raises(RunError, match=r"labels\.tumour: not there -> 2"):
        other_cases_of(config, RUN)
    write_json(adults.dataset_json, before)
    write_json(adults.fingerprint, {INTENSITIES: {"0": {"mean": 8.0}}})
    with pytest.raises(RunError, match=r"\.0\.mean: 7\.0 -> 8\.0"):
        other_cases_of(config, RUN)


def test_what_only_trains_may_differ(tmp_path, adults):
    sections = {
        "training": {"epochs": 3},
        "localiser": {"pose_weight": 2, "max_angle_deg": 20},
        "matrices": {"coarse": {"batch_size": 2}},
        "network": {"base_features": 16},
    }
    assert other_cases_of(pooled(tmp_path, **sections), RUN) is not None


def test_volumes_are_pooled_with_volumes_of_their_size(tmp_path):
    volumes = {"coarse": {"size": [8, 16, 16], "batch_size": 2, "dimensions": 3}}
    sections = {"cohort": {"name": "adults"}, "run": {"seeds": [0]}}
    finish(configured(tmp_path, ["stn"], matrices=volumes, **sections))
    assert other_cases_of(pooled(tmp_path, matrices=volumes), RUN).matrix == "coarse"
    taller = {"coarse": volumes["coarse"] | {"size": [16, 16, 16]}}
    with pytest.raises(RunError, match=r"size: \[8, 16, 16\] -> \[16, 16, 16\]"):
        other_cases_of(pooled(tmp_path, matrices=taller), RUN)
    with pytest.raises(RunError, match=r"matrix\.dimensions: 3 -> not there"):
        other_cases_of(pooled(tmp_path), RUN)


@pytest.mark.parametrize("share", [0, 1, -0.5, 1.5, 0.005])
def test_a_share_that_leaves_one_cohort_out_is_refused(tmp_path, share):
    methods = {"m": {"label": "x", "description": "x", "other_share": share}}
    with pytest.raises(ConfigError, match=r"other_share is .* >= 0\.01 and <= 0\.99"):
        configured(tmp_path, ["m"], methods=methods)


def test_what_can_not_be_pooled_is_refused_from_the_configuration(tmp_path):
    with pytest.raises(ConfigError, match=r"results is null, but stn_pooled start"):
        configured(tmp_path, ["stn_pooled"])
    with pytest.raises(ConfigError, match="the folder of these very results"):
        pooled(tmp_path, cohort={"name": "adults"})
    with pytest.raises(ConfigError, match=r"fingerprint is own, but stn_pooled draw"):
        pooled(tmp_path, pretraining={"fingerprint": "own"})
    planned = {"coarse": {"size": "planned", "batch_size": 2}}
    with pytest.raises(ConfigError, match="takes slices or weights from another"):
        pooled(tmp_path, "nnunet_pooled", matrices=planned)


def test_poses_of_a_plain_method_are_not_asked_for(tmp_path, adults):
    adults.case_poses.unlink()
    run = replace(RUN, experiment="nnunet_pooled")
    other_radius = {"localiser": {"canonical_radius": 0.5}}
    config = pooled(tmp_path, "nnunet_pooled", **other_radius)
    assert other_cases_of(config, run) is not None


def test_the_schedules_have_names(tmp_path, adults):
    names = ("nnunet", "nnunet_fine_tune", "nnunet_zero_shot", "nnunet_pooled")
    methods = pooled(tmp_path).methods
    found = [methods[name].schedule for name in (*names, "nnunet_rehearsal")]
    assert found == ["scratch", "fine-tuned", "zero-shot", "pooled", "rehearsal"]
    assert [methods[name].is_plain for name in names] == [True, False, False, False]


def test_a_key_that_was_not_there_leaves_settings_of_runs_as_they_were(tmp_path):
    config = configured(tmp_path, ["stn"])
    settings = run_settings(config, config.experiment("stn"))
    assert "other_share" not in settings["method"]
