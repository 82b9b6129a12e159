import pytest

from deeprac.cohort.findings import Finding
from deeprac.surgery.model_checks import (
    FrontEnd,
    finding_flags,
    fold_flags,
    front_end_flags,
    mesh_flags,
    range_flags,
)

RANGES = {"spacing_z_mm": [1.0, 5.0], "kidney_hu": [80.0, 240.0], "age_years": [0, 16]}


def codes(flags):
    return [(flag.code, flag.verdict.value) for flag in flags]


def test_values_inside_the_training_and_unknown_ones_say_nothing():
    inside = {"spacing_z_mm": 5.0, "kidney_hu": 80.0, "tumour_ml": 9999.0}
    assert range_flags(inside, RANGES) == ()


@pytest.mark.parametrize(("value", "limit"), [(60.0, 80.0), (250.0, 240.0)])
def test_outside_of_the_training(value, limit):
    (flag,) = range_flags({"kidney_hu": value}, RANGES)
    assert (flag.code, flag.value, flag.limit) == ("outside_training", value, limit)
    assert flag.message.endswith("outside of the training (80 to 240)")


def test_what_was_found_in_the_files():
    findings = [Finding.note("series", "by rule"), Finding.repaired("affine", "mended")]
    assert finding_flags(findings) == ()
    findings.append(Finding.warning("intensity", "a doubt"))
    findings.append(Finding.error("intensity", "it is a windowed picture"))
    flags = finding_flags(findings)
    assert codes(flags) == [("not_hu", "do not use"), ("input_doubtful", "look")]
    assert [flag.message for flag in flags] == ["it is a windowed picture", "a doubt"]


def test_front_end():
    assert front_end_flags(FrontEnd(0.1, 2.0, 3.0)) == ()
    found = codes(front_end_flags(FrontEnd(11.0, 51.0, 40.0)))
    assert found == [
        ("outside_window", "do not use"),
        ("fallback_slices", "do not use"),
        ("at_bound", "look"),
    ]


def test_folds():
    assert fold_flags({"tumour": 0.85}, {"tumour": [100.0, 102.0, 98.0]}) == ()
    # SD of 60, 100 and 140 is 40: two fifths of the mean.
    flags = fold_flags({"tumour": 0.7}, {"tumour": [60.0, 100.0, 140.0]})
    assert codes(flags) == [("fold_dice", "look"), ("fold_spread", "look")]
    assert flags[1].value == pytest.approx(0.4)
    assert "100 ml in the mean of 3 folds, with an SD of 40.0 ml" in flags[1].message


def test_folds_without_anything_to_compare():
    assert fold_flags({"tumour": float("nan")}, {"tumour": [0.0, 0.0]}) == ()
    assert fold_flags({}, {"tumour": [100.0]}) == ()


def test_meshes():
    meshes = {"kidney_left": 100.9, "kidney_right": 98.0, "tumour_1": 1.04, "cyst": 1.3}
    voxels = {"kidney_left": 100.0, "kidney_right": 100.0, "tumour_1": 1.0, "cyst": 1.0}
    flags = mesh_flags(meshes, voxels)
    assert [(flag.structure, flag.code) for flag in flags] == [
        ("kidney_right", "mesh_volume"),
        ("cyst", "small_mesh_volume"),
    ]
