import json
import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import MetricsError
from deeprac.evaluation.diagnostics import (
    compared,
    crop_side,
    labelled_coverage,
)
from deeprac.evaluation.poses import Poses
from deeprac.evaluation.summarise import collect_diagnostics
from deeprac.layout import Layout
from deeprac.records.diagnostics import DIAGNOSTIC_COLUMNS, LATER_COLUMNS
from deeprac.records.transforms import CANONICAL_COLUMNS, SINGLE_COLUMNS
from support.results_tree import CROP, REPO, TreeOptions, write_tree

NAN = float("nan")
EXPERIMENTS = ("coarse_nnunet", "coarse_stn", "fine_stn_crop")


def pose(scale, angle_deg, x, y):
    return Poses(np.log([scale]), np.radians([angle_deg]), np.array([[x, y]]))


def test_errors_are_absolute_and_differences_signed():
    found = compared(pose(0.9, 20, 0.1, -0.2), pose(1.0, 30, 0.4, 0.2))
    assert found["scale_ratio"] == pytest.approx(0.9)
    assert found["scale_error"] == pytest.approx(0.1)
    assert found["angle_difference_deg"] == pytest.approx(-10)
    assert found["angle_error_deg"] == pytest.approx(10)
    # Half of the normalised distance is the share of the width of 2.
    assert (found["shift_x"], found["shift_y"]) == pytest.approx((-0.15, -0.2))
    assert found["centre_error"] == pytest.approx(0.25)
    assert found["body_scale"] == pytest.approx(1)
    assert found["reference_angle_deg"] == pytest.approx(30)
    assert (found["reference_x"], found["reference_y"]) == pytest.approx((0.2, 0.1))


def test_angles_are_compared_across_180_degrees():
    found = compared(pose(1, 175, 0, 0), pose(1, -175, 0, 0))
    assert found["angle_difference_deg"] == pytest.approx(-10)
    assert found["angle_error_deg"] == pytest.approx(10)


def test_coverage_of_both_labels_counts_voxels():
    rows = pd.DataFrame({"coverage": [1.0, 0.2], "reference_volume_ml": [30.0, 10.0]})
    assert labelled_coverage(rows) == pytest.approx((30 + 2) / 40)
    no_tumour = pd.DataFrame({"coverage": [0.9, NAN], "reference_volume_ml": [5.0, 0]})
    assert labelled_coverage(no_tumour) == pytest.approx(0.9)
    empty = pd.DataFrame({"coverage": [NAN, NAN], "reference_volume_ml": [0.0, 0.0]})
    assert math.isnan(labelled_coverage(empty))


def test_crop_side_is_a_share_of_the_canonical_frame():
    canonical = pose(0.8, 40, 0.1, 0).matrices()
    window = np.array([[0.5, 0, 0.2], [0, 0.125, 0.0]])  # area 1/16: side 1/4
    square = np.vstack([window, [0, 0, 1]])
    assert crop_side(canonical @ square, canonical) == pytest.approx(0.25)
    assert crop_side(canonical, canonical) == pytest.approx(1)


@pytest.mark.parametrize("column", [*DIAGNOSTIC_COLUMNS, *LATER_COLUMNS])
def test_each_column_is_documented(column):
    text = (REPO / "config/README.md").read_text()
    assert f"`{column}`" in text[text.index("`summary/diagnostics.csv`") :]


@pytest.fixture(scope="module", params=[True, False], ids=["truth", "no_truth"])
def diagnosed(request, tmp_path_factory):
    """A finished tree of phantoms (truth) or of patients (no truth)."""
    folder = tmp_path_factory.mktemp("tree")
    path = write_tree(folder, TreeOptions(experiments=EXPERIMENTS, truth=request.param))
    run_all(path)
    table = collect_diagnostics(*config_and_layout(path))
    return table, request.param


def config_and_layout(path):
    config = load_config([path])
    return config, Layout.of(config)


def run_all(path):
    for experiment in load_config([path]).run.experiments:
        for fold in ("0", "1"):
            run = ["--config", str(path), "--experiment", experiment, "--fold", fold]
            assert main(["evaluate", *run]) == 0
            assert main(["diagnose", *run]) == 0


def test_one_row_per_run_and_case(diagnosed):
    table, truth = diagnosed
    assert tuple(table.columns) == (*DIAGNOSTIC_COLUMNS, *LATER_COLUMNS)
    assert len(table) == len(EXPERIMENTS) * 4
    assert set(table.reference) == {"truth" if truth else "case_pose"}
    assert not table.duplicated(["experiment", "seed", "case"]).any()


def test_known_transforms_are_recovered_exactly(diagnosed):
    # The tree's phantoms have their own frame (CASE_POSE_FROM_TRUE); it is no error.
    table, _ = diagnosed
    stn = table[table.experiment != "coarse_nnunet"]
    errors = stn[["scale_error", "angle_error_deg", "centre_error"]]
    np.testing.assert_allclose(errors, 0, atol=1e-9)


def test_without_normaliser_the_errors_are_the_patients_poses(diagnosed):
    table, _ = diagnosed
    plain = table[table.experiment == "coarse_nnunet"]
    np.testing.assert_allclose(plain.scale_ratio, 1 / plain.body_scale)
    np.testing.assert_allclose(plain.angle_error_deg, plain.reference_angle_deg.abs())
    np.testing.assert_allclose(plain.shift_x, -plain.reference_x)
    assert (plain.scale_error > 0.01).any()
    np.testing.assert_allclose(plain[["spread_scale", "spread_centre"]], 0, atol=1e-12)


def test_spread_bounds_and_crop(diagnosed):
    table, _ = diagnosed
    crop = table[table.experiment == "fine_stn_crop"]
    # Slice 0 has no estimate of its own; slices 1 and 2 say 1.02 and 1.04.
    expected = abs(math.log(1.04 / 1.02)) / math.sqrt(2)
    np.testing.assert_allclose(crop.spread_scale, expected)
    np.testing.assert_allclose(crop.spread_angle_deg, 0, atol=1e-9)
    assert set(crop.slices) == set(crop.labelled_slices) == {3}
    assert set(crop.fallback_slices) == set(crop.at_bound_slices) == {1}
    np.testing.assert_allclose(crop.crop_side, CROP[0, 0])
    assert (crop.coverage < 1).any()
    assert (crop.missed == (crop.coverage < 0.5)).all()
    rest = table[table.experiment != "fine_stn_crop"]
    np.testing.assert_allclose(rest[["coverage", "crop_side"]], 1)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    path = write_tree(folder, TreeOptions(experiments=EXPERIMENTS[1:2]))
    run_all(path)
    return folder


@pytest.fixture
def tree(evaluated, tmp_path):
    shutil.copytree(evaluated, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "config.json").read_text())
    content["results"] = str(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(content))
    return tmp_path / "config.json"


def again(path):
    run = ["--experiment", "coarse_stn", "--fold", "0"]
    return main(["diagnose", "--config", str(path), *run])


def edit(path, change):
    table = pd.read_csv(path, keep_default_na=False)
    pd.DataFrame(change(table)).to_csv(path, index=False)


def fold(path):
    return config_and_layout(path)[1].run("coarse_stn", 0, 0)


def test_slices_without_labels_count_only_where_there_are_no_others(tree):
    _, layout = config_and_layout(tree)
    label = layout.labels / "case000.nii.gz"
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(label)))

    def write(array):
        sitk.WriteImage(sitk.GetImageFromArray(array), str(label))

    def far_off(table):
        rows = (table.case == "case000") & (table.slice == 0)
        table.loc[rows, [*CANONICAL_COLUMNS, *SINGLE_COLUMNS]] = [3, 0, 0, 0, 3, 0] * 2
        table["fallback"] = 0
        return table

    edit(fold(tree) / "transforms.csv", far_off)
    voxels[0] = 0
    write(voxels)
    assert again(tree) == 0
    row = pd.read_csv(fold(tree) / "diagnostics.csv").iloc[0]
    assert (row.slices, row.labelled_slices) == (3, 2)
    assert row.spread_scale < 0.02
    write(np.zeros_like(voxels))
    assert again(tree) == 0
    row = pd.read_csv(fold(tree) / "diagnostics.csv").iloc[0]
    assert (row.slices, row.labelled_slices) == (3, 0)
    assert row.spread_scale > 0.5


def test_physical_size_is_taken_from_the_cohort(tree):
    assert pd.read_csv(fold(tree) / "diagnostics.csv").size_scale.isna().all()
    _, layout = config_and_layout(tree)
    edit(layout.cases_csv, lambda table: table.assign(scale=[0.7, 0.8, 0.9, 1.0]))
    assert again(tree) == 0
    table = pd.read_csv(fold(tree) / "diagnostics.csv").set_index("case")
    assert dict(table.size_scale) == {"case000": 0.7, "case002": 0.9}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "transforms.csv",
            lambda t: t.drop(columns="s11"),
            "lacks the column.* s11.*deeprac predict",
        ),
        ("transforms.csv", lambda t: t[t.slice > 0], "has 3 slices.* transforms for 2"),
        ("transforms.csv", lambda t: t.assign(c11=-t.c11), "mirrors or collapses"),
        ("metrics.csv", lambda t: t.assign(case="new"), "holds case new,"),
    ],
)
def test_files_that_do_not_fit_are_refused(tree, capsys, name, change, message):
    edit(fold(tree) / name, change)
    assert again(tree) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert re.search(message, error), error


def test_missing_case_poses_say_what_to_run(tree, capsys):
    config_and_layout(tree)[1].case_poses.unlink()
    assert again(tree) == 1
    assert "Run `deeprac case-poses`" in capsys.readouterr().err


def test_all_runs_are_collected(tree, capsys):
    _, layout = config_and_layout(tree)
    assert main(["summarise", "--what", "diagnostics", "--config", str(tree)]) == 0
    assert len(pd.read_csv(layout.summary_diagnostics)) == 4
    path = fold(tree) / "diagnostics.csv"
    edit(path, lambda table: table.assign(seed=5))
    with pytest.raises(MetricsError, match="belongs to seed 0 but has a row of 5"):
        collect_diagnostics(*config_and_layout(tree))
    path.unlink()
    assert main(["summarise", "--what", "diagnostics", "--config", str(tree)]) == 1
    assert "Run `deeprac diagnose --experiment coarse_stn --seed 0 --fold 0`" in (
        capsys.readouterr().err
    )
