import re

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort import checks
from deeprac.cohort.volume_files import read_volume
from deeprac.labels import Label

NAMES = {0: "background", 1: "kidney", 2: "tumour"}
MAPPING = {0: Label.BACKGROUND, 1: Label.KIDNEY, 2: Label.TUMOUR}


def test_real_mr_is_not_ct(shared_data):
    image, _ = read_volume(shared_data / "bad" / "mr" / "example_mr_sm.nii.gz")
    values = sitk.GetArrayFromImage(image)
    (problem,) = checks.intensity_problems(values, "hu")
    assert "without air or fat: MR" in problem


@pytest.mark.parametrize("case", ["ircad_01", "ircad_07", "totalseg_example"])
def test_real_ct_is_ct(shared_data, case):
    path = shared_data / "real_ct_nnunet" / "imagesTr" / f"{case}_0000.nii.gz"
    values = sitk.GetArrayFromImage(read_volume(path)[0])
    assert checks.intensity_problems(values, "hu") == []


def test_labels_kidney_only_is_fine():
    label = np.zeros((2, 3, 4), np.uint8)
    label[0, 1, 2] = 1
    assert checks.label_problems(label, NAMES, MAPPING) == []


def test_whole_numbers_stored_as_floats_are_fine():
    label = np.zeros((2, 3, 4))
    label[0, 1, 2] = 1.0
    assert checks.label_problems(label, NAMES, MAPPING) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, r"not whole numbers \(0, 0.5\)"),
        (np.nan, "not whole numbers"),
        (255, r"not mapped: 255 \(no name\); found 0, 255"),
        (2, r"no kidney \(values found: 0, 2\)"),
    ],
)
def test_bad_labels(value, message):
    label = np.zeros((2, 3, 4), float)
    label[0, 1, 2] = value
    (problem,) = checks.label_problems(label, NAMES, MAPPING)
    assert re.search(message, problem)


def test_unmapped_name_is_listed():
    label = np.array([[[0, 1, 3]]])
    (problem,) = checks.label_problems(label, NAMES | {3: "cyst"}, MAPPING)
    assert "3 (cyst)" in problem
    assert "cohort.labels" in problem


def test_a_single_slice_may_show_the_tumour_only():
    label = np.zeros((1, 3, 4), np.uint8)
    assert "no kidney" in checks.label_problems(label, NAMES, MAPPING)[0]
    label[0, 1, 2] = 2
    assert checks.label_problems(label, NAMES, MAPPING) == []


def with_air(values) -> np.ndarray:
    return np.concatenate([np.full(50, -1000.0), np.asarray(values, float)])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.linspace(0, 255, 50), "windowed picture"),
        (np.linspace(0, 3000, 50), "MR, or CT without its rescale offset"),
        (np.linspace(-20, 800, 50), "MR, or CT"),
        (with_air([0, 10, 40]), "largest value is 40"),
        (with_air([np.nan, 200]), "NaN or infinite"),
        (np.full(9, -1000.0), "only the value -1000"),
    ],
)
def test_values_that_are_not_hounsfield_units(values, message):
    (problem,) = checks.intensity_problems(values, "hu")
    assert message in problem


def test_ct_cut_to_the_body_has_fat_instead_of_air():
    values = np.concatenate([np.full(20, -95.0), np.linspace(-20, 400, 80)])
    assert checks.intensity_problems(values, "hu") == []


def test_grey_values_need_only_be_finite():
    assert checks.intensity_problems(np.linspace(0, 255, 50), "grey") == []
    assert checks.intensity_problems(np.array([0, np.inf]), "grey")
