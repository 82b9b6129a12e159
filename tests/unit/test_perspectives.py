"""The shipped configurations of the perspectives, and their smallest runs."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deeprac.config import load_config
from deeprac.config_files import read_raw, resolve
from deeprac.files import write_json
from deeprac.layout import Layout
from deeprac.other_cases import other_cases_of
from deeprac.records.run_key import RunKey
from deeprac.reporting import style
from deeprac.reporting.figures import stn_recovery, stn_volumes
from deeprac.reporting.summary import read_summary
from support.toy_cohort import run_arguments, small_networks, verb

CROPPED = ("stn_crop", "stn_crop_half")
PERSPECTIVES = Path(__file__).parents[2] / "config" / "perspectives"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Layout of the smallest run of volumes, all arms, up to its summary."""
    return run_to_summary(tmp_path_factory.mktemp("volumes"), "3d_smoke")


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """Layouts of the smallest runs of the other perspectives, in their order."""
    folder = tmp_path_factory.mktemp("slices")
    names = ("transfer_adults_smoke", "transfer_smoke", "diffeo_smoke")
    layouts = {name: run_to_summary(folder, name) for name in names}
    adults, _, children = (layout.config for layout in layouts.values())
    target = folder / "deformed/childlike_smoke"
    options = ("--towards", children, "--fold", "0", "--out", target)
    verb(adults, "cohort deform", *map(str, options))
    prepare(folder, "childlike_smoke")
    last = "diffeo_fitted_smoke"
    return layouts | {last: run_to_summary(folder, last)}


def prepare(folder, cohort):
    """Write a configuration with its results there, and make its slices; its path."""
    path = folder / f"{cohort}.yaml"
    text = (PERSPECTIVES / path.name).read_text()
    path.write_text(f"results: {folder}\n{text.replace('results/', f'{folder}/')}")
    os.chdir(PERSPECTIVES.parents[1])
    config = load_config([path])
    write_json(Layout.of(config).config, resolve(read_raw([path])))
    for stage in ("cohort", "splits", "fingerprint", "case-poses"):
        verb(path, stage)
    matrices = {config.experiments[name].matrix for name in config.run.experiments}
    for matrix in sorted(matrices):
        verb(path, "preprocess", "--matrix", matrix)
    return path


def run_to_summary(folder, cohort):
    """Run a configuration whose name ends with smoke; return its layout."""
    path = prepare(folder, cohort)
    config = load_config([path])
    for name in config.run.experiments:
        verb(path, "plan", "--experiment", name)
        stages = ["train", "predict", "evaluate", "diagnose"]
        for stage in stages + ["stress"] * (name in config.stress.experiments):
            verb(path, stage, *run_arguments(name))
    stress = ["stress"] * bool(config.stress.experiments)
    for what in ("metrics", "diagnostics", *stress):
        verb(path, "summarise", "--what", what)
    return Layout.of(config)


def test_the_run_of_volumes_is_the_smoke_run_with_other_numbers():
    full, smoke = (
        load_config([PERSPECTIVES / f"{name}.yaml"]) for name in ("3d", "3d_smoke")
    )
    # Longer trainings are of the full run alone: they differ in nothing else.
    own = {n: row for n, row in full.experiments.items() if row.epochs is None}
    assert own.items() <= smoke.experiments.items()
    shorter = [replace(row, name="") for row in own.values()]
    for row in full.experiments.values():
        assert replace(row, name="", epochs=None) in shorter
    assert full.matrices["main"].dimensions == 3
    assert len(full.run.seeds) == 5


@pytest.mark.slow
def test_the_recipe_of_fitted_fields_makes_what_their_trainings_read(slices):
    layout = slices["diffeo_fitted_smoke"]
    config = load_config([layout.root.parent / "diffeo_fitted_smoke.yaml"])
    others = other_cases_of(config, RunKey(config.cohort.name, "stn_childlike", 0, 0))
    read = {path.relative_to(others.layout.root).as_posix() for path in others.files}
    recipe = (PERSPECTIVES / "diffeo_fitted.yaml").read_text()
    (made,) = re.findall(r"results/\$kind/\{(.*)\}", recipe)
    assert set(made.split(",")) == read


@pytest.mark.slow
def test_every_arm_of_transfer_and_diffeomorphisms_is_summarised(slices):
    for name, layout in slices.items():
        config = load_config([layout.root.parent / f"{name}.yaml"])
        runs = pd.read_csv(layout.summary_runs).set_index("experiment")
        assert set(runs.index) == set(config.run.experiments)
        steps = runs.epochs * runs.iterations_per_epoch
        assert (steps == 6 * ~runs.index.str.endswith("zero_shot")).all()
        cases = pd.read_csv(layout.summary_cases)
        patients = 2 + config.cohort.phantom.test_cases  # two of four are held out
        kidneys = cases[cases.label == "kidney"].groupby("experiment").patient
        assert (kidneys.nunique() == patients).all()


@pytest.mark.slow
def test_every_arm_of_volumes_is_summarised(volumes):
    cases = pd.read_csv(volumes.summary_cases)
    arms = {"nnunet", "augment", "moments", "stn", "oracle", *CROPPED, "planned"}
    assert set(cases.experiment) == {f"volumes_{arm}" for arm in arms}
    runs = pd.read_csv(volumes.summary_runs).set_index("experiment")
    sizes = runs[["matrix_size", "network_input_size"]].apply(tuple, axis=1)
    assert sizes.to_dict() == {
        **{f"volumes_{arm}": ("8x16x16",) * 2 for arm in arms},
        "volumes_stn_crop_half": ("8x16x16", "4x8x8"),
        "volumes_planned": ("7x32x32",) * 2,
    }
    stress = pd.read_csv(volumes.summary_stress)
    assert set(stress.kind) == {"none", "truncation"}
    cut = stress[(stress.kind == "truncation") & (stress.label == "tumour")]
    assert cut.visible.between(0.2, 0.99).all()


@pytest.mark.slow
def test_crops_of_volumes_are_told_as_those_of_slices(volumes):
    table = pd.read_csv(volumes.summary_diagnostics).set_index("experiment")
    whole, *cropped = (table.loc[f"volumes_{arm}"] for arm in ("stn", *CROPPED))
    np.testing.assert_allclose(whole.crop_side, 1, rtol=1e-6)
    for arm in cropped:
        # One size for the cohort, or larger where the coarse segmentation asks for it.
        assert (arm.crop_side < 1).all() or arm.crop_grown.all()
        assert ((arm.coverage == 0) == arm.missed).all()
        assert arm.coverage.between(0, 1).all()
        assert arm[["crop_grown", "crop_fallback"]].isin([0, 1]).all(axis=None)


@pytest.mark.slow
def test_errors_in_space_are_those_of_the_arm(volumes):
    table = pd.read_csv(volumes.summary_diagnostics)
    oracle = table[table.experiment == "volumes_oracle"]
    # Off by the frames' constant alone: the same in every case.
    assert oracle.scale_ratio.std() < 1e-4
    assert oracle[["tilt_x_deg", "tilt_y_deg"]].abs().max(axis=None) < 1e-3
    # Without a normaliser every size is off, by more than moments leave.
    medians = table.groupby("experiment").scale_error.median()
    assert medians["volumes_nnunet"] > medians["volumes_moments"]
    # nnU-Net's own patches have no pose in space.
    assert (table.shift_z.isna() == (table.experiment == "volumes_planned")).all()


@pytest.mark.slow
def test_volumes_are_shown_in_three_planes_before_and_after(volumes):
    config = load_config([volumes.root.parent / "3d_smoke.yaml"])
    (drawing,) = stn_volumes.make(read_summary(config, volumes))
    assert drawing.data.experiment.str.startswith("volumes_stn_crop").all()
    titles = [ax.get_title() for ax in drawing.figure.axes[:6]]
    assert titles == [
        f"{frame}, {plane}"
        for frame in ("Native", "Canonical")
        for plane in ("axial", "coronal", "sagittal")
    ]
    assert "n = " in drawing.figure.get_supxlabel()
    numbers = drawing.data.drop(columns=["experiment", "patient", "case"])
    assert np.isfinite(numbers).all(axis=None)


@pytest.mark.slow
def test_legends_of_the_recovery_have_three_angles_and_fit(volumes):
    config = load_config([volumes.root.parent / "3d_smoke.yaml"])
    with style.theme():
        (drawing,) = stn_recovery.make(read_summary(config, volumes))
        figure = drawing.figure
        figure.canvas.draw()
    (legend,) = (ax.get_legend() for ax in figure.axes if ax.get_legend())
    assert all(text.get_text().count("°") == 3 for text in legend.get_texts())
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == list(stn_recovery.PANELS.values())
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
