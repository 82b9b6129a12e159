import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import MetricsError, SplitError
from deeprac.evaluation import evaluate
from deeprac.labels import CohortLabels
from deeprac.layout import Layout
from deeprac.records.made_with import MADE_WITH
from deeprac.records.metrics import METRIC_COLUMNS
from deeprac.records.run_key import RunKey
from deeprac.records.tidy import read_tidy
from support.results_tree import TreeOptions, write_tree

EXPERIMENT = "fine_stn_crop"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    write_tree(folder, TreeOptions(experiments=(EXPERIMENT,), folds_run=(0,)))
    return folder


@pytest.fixture
def files(tree, tmp_path):
    shutil.copytree(tree, tmp_path, dirs_exist_ok=True)
    layout = Layout(tmp_path / "tree")
    run = layout.run(EXPERIMENT, 0, 0)
    return SimpleNamespace(
        layout=layout,
        cases_csv=layout.cases_csv,
        cohort=layout.cohort,
        splits=layout.splits,
        predictions=run / "predictions",
        transforms=run / "transforms.csv",
    )


def evaluate_fold(files, *, fold):
    key = RunKey("tree", EXPERIMENT, seed=0, fold=fold)
    return evaluate.evaluate_fold(files.layout, key)


def _replace(path, change):
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    changed = sitk.GetImageFromArray(change(array))
    if changed.GetSize() == image.GetSize():
        changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))


def test_one_row_per_held_out_case_and_label(files):
    metrics = evaluate_fold(files, fold=0)
    assert list(zip(metrics.case, metrics.label, strict=True)) == [
        ("case000", "kidney"),
        ("case000", "tumour"),
        ("case000", "kidney_and_tumour"),
        ("case002", "kidney"),
        ("case002", "tumour"),
        ("case002", "kidney_and_tumour"),
    ]
    assert list(metrics.patient[::3]) == ["patient000", "patient002"]
    assert metrics.dice.between(0.3, 1, inclusive="left").all()
    assert (metrics.coverage < 1).any()


def test_numbers_are_those_of_the_files(files):
    path = files.predictions / "case002.nii.gz"
    _replace(path, lambda array: np.where(array == 2, 0, array))
    metrics = evaluate_fold(files, fold=0).set_index(["case", "label"])
    row = metrics.loc["case002", "tumour"]
    label = sitk.GetArrayFromImage(
        sitk.ReadImage(str(files.cohort / "labelsTr" / "case002.nii.gz"))
    )
    assert row.dice == 0
    assert row.volume_ml == 0
    expected_ml = np.count_nonzero(label == 2) * 8 * 7 * 5 / 1000
    assert row.reference_volume_ml == pytest.approx(expected_ml)


@pytest.mark.parametrize(("axis", "agrees"), [(0, True), (1, False), (2, False)])
def test_convention_slice_spacing_of_the_file_is_that_of_the_first_axis(
    files, axis, agrees
):
    """Voxels are 8 x 7 x 5 mm (x, y, z) in the file: one slice off is 5 mm off."""

    def shifted(array, by):
        array[:] = 0
        array[:2, 5:30, 5:30] = 1
        return np.roll(array, by, axis=axis)

    _replace(files.cohort / "labelsTr" / "case002.nii.gz", lambda a: shifted(a, 0))
    _replace(files.predictions / "case002.nii.gz", lambda a: shifted(a, 1))
    metrics = evaluate_fold(files, fold=0).set_index(["case", "label"])
    kidney = metrics.loc["case002", "kidney"]
    assert (kidney.nsd_slice == 1) == agrees


def test_cohort_with_cysts_is_scored_on_all_kits_classes(files):
    """Value 3 is a cyst where dataset.json lists it."""
    dataset = files.cohort / "dataset.json"
    content = json.loads(dataset.read_text())
    content["labels"]["cyst"] = 3
    dataset.write_text(json.dumps(content))

    def with_cyst(array):
        array[:, :3, :4] = 3
        return array

    _replace(files.cohort / "labelsTr" / "case002.nii.gz", with_cyst)
    metrics = evaluate_fold(files, fold=0)
    labels = ["kidney", "tumour", "kidney_and_tumour", "masses", "kidney_and_masses"]
    assert metrics.label.tolist() == labels * 2
    rows = metrics[metrics.case == "case002"].set_index("label")
    cyst_ml = 3 * 3 * 4 * 8 * 7 * 5 / 1000
    volume = rows.reference_volume_ml
    assert volume.masses - volume.tumour == pytest.approx(cyst_ml)
    assert volume.kidney_and_masses - volume.kidney_and_tumour == pytest.approx(cyst_ml)
    assert rows.reference_lesions.masses == rows.reference_lesions.tumour + 1
    assert rows.detected_lesions.masses == rows.detected_lesions.tumour
    assert rows.nsd_kits.notna().to_dict() == {
        "kidney": False,
        "tumour": True,
        "kidney_and_tumour": False,
        "masses": True,
        "kidney_and_masses": True,
    }


def test_cohort_with_sides_is_scored_on_both_and_on_each(files):
    """The right kidney, half of the slice, is found as the left one: that is an error
    of each side and none of the kidneys."""
    dataset = files.cohort / "dataset.json"
    content = json.loads(dataset.read_text())
    content["labels"] = CohortLabels(sides=True).numbers
    dataset.write_text(json.dumps(content))

    def with_sides(array):
        right = array[:, :, : array.shape[2] // 2]
        right[right == 1] = 3
        return array

    label = files.cohort / "labelsTr" / "case002.nii.gz"
    whole = sitk.GetArrayFromImage(sitk.ReadImage(str(label)))
    _replace(files.predictions / "case002.nii.gz", lambda _: whole)
    _replace(label, with_sides)
    metrics = evaluate_fold(files, fold=0)
    labels = ["kidney", "tumour", "kidney_and_tumour", "kidney_left", "kidney_right"]
    assert metrics.label.tolist() == labels * 2
    rows = metrics[metrics.case == "case002"].set_index("label")
    assert rows.dice.kidney == rows.dice.tumour == rows.dice.kidney_and_tumour == 1
    ml = rows.reference_volume_ml
    assert ml.kidney_left > 0
    assert ml.kidney_left + ml.kidney_right == pytest.approx(ml.kidney)
    # Twice what both share, over the sum of both.
    expected = 2 * ml.kidney_left / (2 * ml.kidney_left + ml.kidney_right)
    assert rows.dice.kidney_left == pytest.approx(expected)
    assert rows.dice.kidney_right == 0
    # The crop cuts the right kidney alone, in this case.
    assert rows.coverage.kidney_left == 1
    assert 0 < rows.coverage.kidney_right < rows.coverage.kidney < 1


def test_cohort_with_foreign_labels(files):
    dataset = files.cohort / "dataset.json"
    content = json.loads(dataset.read_text())
    content["labels"]["vein"] = 4
    dataset.write_text(json.dumps(content))
    with pytest.raises(MetricsError, match=r"dataset\.json: labels are .*'vein': 4"):
        evaluate_fold(files, fold=0)


def test_cohort_without_dataset_json(files):
    (files.cohort / "dataset.json").unlink()
    with pytest.raises(MetricsError, match=r"labels are missing: .*`deeprac cohort`"):
        evaluate_fold(files, fold=0)


def test_cohort_that_lists_a_case_twice(files):
    table = pd.read_csv(files.cases_csv, dtype=str)
    files.cases_csv.with_name("dataset.json").unlink()  # which counts them
    pd.concat([table, table.tail(1)]).to_csv(files.cases_csv, index=False)
    with pytest.raises(MetricsError, match="lists case case003 twice"):
        evaluate_fold(files, fold=0)


@pytest.mark.parametrize("name", ["<script>", "../x"])
def test_cohort_with_a_name_that_is_no_file_name(files, name):
    table = pd.read_csv(files.cases_csv, dtype=str)
    table.replace("case002", name).to_csv(files.cases_csv, index=False)
    with pytest.raises(MetricsError, match=f"has the case '{name}'"):
        evaluate_fold(files, fold=0)


def test_one_warning_per_case_about_what_the_input_misses(files, caplog):
    metrics = evaluate_fold(files, fold=0)
    missed = metrics[metrics.coverage < 1].case.unique().tolist()
    assert missed
    assert [record.args[0] for record in caplog.records] == missed


def test_each_label_map_is_read_once(files, monkeypatch):
    paths, read = [], sitk.ReadImage

    def counted(path):
        paths.append(path)
        return read(path)

    monkeypatch.setattr(sitk, "ReadImage", counted)
    evaluate_fold(files, fold=0)
    assert len(paths) == len(set(paths)) == 4


def test_same_files_give_the_same_table(files):
    pd.testing.assert_frame_equal(
        evaluate_fold(files, fold=0), evaluate_fold(files, fold=0), check_exact=True
    )


def test_missing_prediction(files):
    (files.predictions / "case002.nii.gz").unlink()
    with pytest.raises(MetricsError, match=r"lacks case002\. Run `deeprac predict`"):
        evaluate_fold(files, fold=0)


def test_prediction_of_another_fold(files):
    source = files.predictions / "case002.nii.gz"
    shutil.copy(source, files.predictions / "case001.nii.gz")
    with pytest.raises(
        MetricsError, match=r"outside this fold: case001\..*out of fold"
    ):
        evaluate_fold(files, fold=0)


def test_leftover_of_a_killed_prediction_is_no_prediction(files):
    source = files.predictions / "case002.nii.gz"
    shutil.copy(source, files.predictions / ".tmp-1-case002.nii.gz")
    assert len(evaluate_fold(files, fold=0)) == 6


def test_other_size(files):
    path = files.predictions / "case002.nii.gz"
    _replace(path, lambda array: array[:, :-1])
    with pytest.raises(MetricsError, match=r"case002: .* different grids.*48 x 39 x 3"):
        evaluate_fold(files, fold=0)


def test_other_origin(files):
    path = files.predictions / "case002.nii.gz"
    image = sitk.ReadImage(str(path))
    image.SetOrigin((0.0, 0.0, 0.0))
    sitk.WriteImage(image, str(path))
    with pytest.raises(MetricsError, match=r"different grids.*origin 0, 0, 0"):
        evaluate_fold(files, fold=0)


def test_foreign_label_value(files):
    path = files.predictions / "case002.nii.gz"
    _replace(path, lambda array: np.where(array == 2, 7, array).astype(np.uint8))
    with pytest.raises(MetricsError, match=r"only \[0, 1, 2\]; .*case002.* holds 7"):
        evaluate_fold(files, fold=0)


def test_unreadable_label(files):
    (files.cohort / "labelsTr" / "case002.nii.gz").write_bytes(b"version https://git")
    with pytest.raises(MetricsError, match=r"cannot be read as NIfTI: .*case002"):
        evaluate_fold(files, fold=0)


def test_case_unknown_to_the_cohort(files):
    table = pd.read_csv(files.cases_csv, dtype=str)
    files.cases_csv.with_name("dataset.json").unlink()  # which counts them
    table[table.case != "case002"].to_csv(files.cases_csv, index=False)
    with pytest.raises(SplitError, match=r"does not list: case002.*deeprac splits"):
        evaluate_fold(files, fold=0)


def test_slice_without_transform(files):
    table = pd.read_csv(files.transforms)
    table.iloc[1:].to_csv(files.transforms, index=False)
    with pytest.raises(
        MetricsError, match=r"case000 has 3 slices, .* transforms for 2"
    ):
        evaluate_fold(files, fold=0)


def test_slice_listed_twice(files):
    table = pd.read_csv(files.transforms)
    pd.concat([table, table.iloc[:1]]).to_csv(files.transforms, index=False)
    with pytest.raises(MetricsError, match="lists slice 0 of case case000 twice"):
        evaluate_fold(files, fold=0)


def test_diverged_transform(files):
    table = pd.read_csv(files.transforms)
    table.loc[0, "a11"] = np.nan
    table.to_csv(files.transforms, index=False)
    with pytest.raises(MetricsError, match=r"not finite\. The training diverged"):
        evaluate_fold(files, fold=0)


def test_unknown_fold(files):
    with pytest.raises(SplitError, match=r"Fold 5 does not exist: .* has 2 folds"):
        evaluate_fold(files, fold=5)


def test_names_that_look_like_numbers_stay_text(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("case,patient,dice\n001,NA,\n002,1e5,0.1\n")
    table = read_tidy(path, ("case",), remedy="-")
    assert list(table.case) == ["001", "002"]
    assert list(table.patient) == ["NA", "1e5"]
    assert table.dice.isna().tolist() == [True, False]


def test_verb_writes_the_declared_columns(tree):
    config = tree / "config.json"
    assert main(_verb(config, fold=0)) == 0
    layout = Layout.of(load_config([config]))
    metrics = pd.read_csv(layout.run(EXPERIMENT, 0, 0) / "metrics.csv")
    assert tuple(metrics.columns) == (*METRIC_COLUMNS, MADE_WITH)
    assert set(metrics.experiment) == {EXPERIMENT}
    assert set(metrics.cohort) == {"tree"}


def test_verb_names_what_is_missing(tree, capsys):
    assert main(_verb(tree / "config.json", fold=1)) == 1
    assert "deeprac evaluate: error:" in capsys.readouterr().err


def _verb(config, *, fold):
    run = ["--experiment", EXPERIMENT, "--fold", str(fold)]
    return ["evaluate", "--config", str(config), *run]
