"""Names of numbers from the files beside a label map."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.labels import CohortLabels
from deeprac.surgery.number_names import names_beside
from deeprac.surgery.outputs import write_study
from deeprac.surgery.read_labels import read_labels
from support.studies import a_study, boxes, lps_grid


@pytest.fixture
def result(tmp_path, monkeypatch):
    """The label map of a result, without its pictures."""
    monkeypatch.setattr("deeprac.surgery.outputs.write_preview", lambda *_: None)
    monkeypatch.setattr("deeprac.surgery.outputs.write_page", lambda *_: None)
    square = lps_grid(0, boxes().grid.size, (0.9, 0.9, 2.5))
    study = a_study(replace(boxes(), grid=square), image=False)
    write_study(study, tmp_path / "out")
    return tmp_path / "out" / "labels.nii.gz"


def test_of_a_result(result):
    assert names_beside(result) == {1: "kidney_left", 2: "kidney_right", 3: "tumour_1"}


def test_a_result_is_measured_as_it_was(result):
    found = read_labels(result)
    assert found.labels == CohortLabels(sides=True)
    # Of a cohort with sides 2 is tumour, of the result the right kidney.
    numbers, before = map(sitk.GetArrayFromImage, (found.label, sitk.ReadImage(result)))
    assert np.array_equal(numbers, np.array([0, 1, 3, 2])[before])


def test_not_of_a_label_map_that_was_changed(result):
    label = sitk.ReadImage(str(result))
    label[0, 0, 0] = 2
    sitk.WriteImage(label, str(result))
    assert names_beside(result) == {}


def test_not_of_another_file(result):
    other = result.with_name("other.nii.gz")
    other.write_bytes(result.read_bytes())
    assert names_beside(other) == {}


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": 9}'])
def test_not_by_a_damaged_result(result, damage):
    result.with_name("result.json").write_text(damage)
    assert names_beside(result) == {}


def written(path, labels):
    path.parent.mkdir(parents=True)
    path.touch()
    dataset = path.parents[1] / "dataset.json"
    dataset.write_text(json.dumps({"labels": labels}))
    return path


@pytest.mark.parametrize(
    "labels", [CohortLabels(), CohortLabels(cysts=True, sides=True)]
)
def test_of_a_cohort(tmp_path, labels):
    path = written(tmp_path / "labelsTr" / "a.nii.gz", labels.numbers)
    assert names_beside(path) == {n: title for title, n in labels.foreground.items()}


def test_not_of_a_foreign_cohort(tmp_path):
    path = written(tmp_path / "labelsTr" / "a.nii.gz", {"background": 0, "liver": 1})
    assert names_beside(path) == {}
