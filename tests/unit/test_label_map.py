import itertools

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from deeprac.cohort.findings import Severity
from deeprac.cohort.label_map import contradictions, map_labels, merge
from deeprac.cohort.label_values import volume_findings
from deeprac.cohort.volume_files import read_volume
from deeprac.errors import CohortError, ConfigError
from deeprac.labels import plain_name, source_names
from support.cohort_builders import cohort_config

KITS = {0: "background", 1: "kidney", 2: "tumor", 3: "cyst"}
SIDES = {"kidney_left": ["left kidney"], "kidney_right": ["right kidney"]}


def layer(values, shape=(2, 3, 4)):
    """A label map whose first voxels hold ``values``, the others 0."""
    numbers = np.zeros(shape, np.asarray(values).dtype)
    numbers.ravel()[: len(values)] = values
    return numbers


def merged(*segmentations, wanted):
    """First voxels of the merged map, and severity and message of every finding."""
    numbers, findings = merge(segmentations, wanted)
    assert numbers.dtype == np.uint8
    return numbers.ravel()[:6].tolist(), [(f.severity, f.message) for f in findings]


def problems(*segmentations, wanted=None):
    """Messages of errors, of which there is one at least, and an empty map."""
    wanted = wanted or source_names("nnunet_raw", {})
    numbers, found = merged(*segmentations, wanted=wanted)
    assert set(numbers) == {0}
    assert {severity for severity, _ in found} == {Severity.ERROR}
    return [message for _, message in found]


@pytest.mark.parametrize(
    ("given_names", "expected"),
    [
        ({}, [1, 2, 1, 0]),
        ({"cyst": ["cyst"]}, [1, 2, 3, 0]),
        ({"background": ["cyst"]}, [1, 2, 0, 0]),
        ({"background": ["Cyst"]}, [1, 2, 0, 0]),
        ({"background": ["*"], "kidney": ["kidney"]}, [1, 2, 0, 0]),
        ({"tumour": ["tumor", "cyst"]}, [1, 2, 2, 0]),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64, float])
def test_cysts_of_kits_are_kidney_kept_or_ignored(given_names, expected, dtype):
    numbers = layer(np.array([1, 2, 3, 0], dtype))
    found, findings = merged((numbers, KITS), wanted=source_names("kits", given_names))
    assert (found[:4], findings) == (expected, [])


def test_cysts_of_a_real_case(shared_data):
    path = shared_data / "kits_masks" / "kits23" / "case_00021" / "segmentation.nii.gz"
    image = sitk.ReadImage(str(path))
    numbers = sitk.GetArrayFromImage(image)
    # Counted with nibabel: kidney 96548, tumour 7837, cyst 3563.
    expected = {
        (): [96548 + 3563, 7837, 0],
        ("cyst",): [96548, 7837, 3563],
    }
    for kept, counts in expected.items():
        wanted = source_names("kits", {"cyst": list(kept)})
        ours, findings = merge([(numbers, KITS)], wanted)
        assert np.bincount(ours.ravel(), minlength=4)[1:].tolist() == counts
        assert findings == volume_findings(ours, image.GetSpacing(), wanted) == []


def test_kidneys_are_merged_or_kept_apart():
    names = {4: "Left_Kidney", 9: "right-kidney", 2: "tumour"}
    numbers = layer([4, 9, 2])
    found, _ = merged((numbers, names), wanted=source_names("dicom", {}))
    assert found[:3] == [1, 1, 2]
    # kidney_left is 1, tumour 2, kidney_right comes last: 3.
    found, _ = merged((numbers, names), wanted=source_names("dicom", SIDES))
    assert found[:3] == [1, 3, 2]


@pytest.mark.parametrize(
    "name", ["Left Kidney", "LEFT_KIDNEY", "left-kidney", " left  kidney_"]
)
def test_names_are_compared_without_case_and_joints(name):
    assert map_labels({5: name}, source_names("dicom", {})) == {0: 0, 5: 1}


def test_composed_and_combining_letters_are_one_name():
    wanted = source_names("pairs", {"kidney": ["Niere r\u00fcckseitig"]})
    assert map_labels({1: "niere ru\u0308ckseitig"}, wanted) == {0: 0, 1: 1}


@given(st.text(min_size=1))
def test_plain_names_stay_what_they_are(name):
    assert plain_name(plain_name(name)) == plain_name(name)


def test_one_name_under_two_titles():
    labels = {"kidney": ("Renal_mass",), "tumour": ("renal mass",)}
    with pytest.raises(ConfigError, match="'renal mass' is named under kidney and tum"):
        cohort_config(labels=labels)


def test_spellings_of_one_title_may_be_listed():
    cohort_config(labels={"kidney": ("Left kidney", "left_kidney"), "tumour": ()})


def test_source_names_that_fall_together():
    names = {1: "kidney l", 2: "Kidney-L", 3: "ring 1", 4: "ring_1"}
    message = "names 'Kidney-L' and 'kidney l' differ only in case, _ or -"
    wanted = source_names("dicom", {"background": ["*"]})
    (problem,) = problems((layer([1]), names), wanted=wanted)
    assert message in problem
    with pytest.raises(CohortError, match=message):
        map_labels(names, wanted)
    (problem,) = problems(
        (layer([1]), {1: "kidney l"}), (layer([1]), {1: "Kidney-L"}), wanted=wanted
    )
    assert message in problem


def test_zero_is_background():
    names = {0: "tumour", 1: "kidney"}
    (problem,) = problems((layer([1]), names))
    assert "label 0 is 'tumour', but 0 is background" in problem


def test_unknown_names_and_values_are_listed_with_what_was_found():
    names = {0: "background", 1: "kidney", 3: "spleen"}
    (problem,) = problems((layer([1, 3, 255]), names))
    assert problem == (
        "the label holds values that are not mapped: 3 (spleen), 255 (no name); found "
        "0 (background), 1 (kidney), 3 (spleen), 255 (no name). Add their names to "
        "cohort.labels (under background to ignore them), or correct the label"
    )


def test_the_star_ignores_names_but_not_values_without_one():
    wanted = source_names("nnunet_raw", {"background": ["*"]})
    names = {1: "kidney", 3: "spleen"}
    assert merged((layer([1, 3]), names), wanted=wanted) == ([1, 0, 0, 0, 0, 0], [])
    (problem,) = problems((layer([1, 3, 255]), names), wanted=wanted)
    assert "not mapped: 255 (no name); found" in problem


def test_unknown_names_that_do_not_occur_are_fine():
    names = {1: "kidney", 2: "tumour", 3: "spleen", 4: "liver"}
    found, findings = merged(
        (layer([2, 1]), names), wanted=source_names("nnunet_raw", {})
    )
    assert (found[:2], findings) == ([2, 1], [])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 0.25], r"not whole numbers (0, 0.25, 1). Export it as a label map"),
        ([1, np.nan], "not whole numbers"),
        ([1, np.inf], "not whole numbers"),
        ([1, -1], "negative values (-1, 0, 1)"),
    ],
)
def test_values_that_no_label_map_has(values, message):
    (problem,) = problems((layer(np.array(values)), {1: "kidney"}))
    assert message in problem


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("off", [1.5e-5, 9e-4, -9e-4])
def test_values_nearly_whole_are_rounded_and_recorded(dtype, off):
    numbers = layer(np.array([1 + off, 2 + off, 3, 0], dtype))
    found, findings = merged((numbers, KITS), wanted=source_names("kits", {}))
    assert found[:4] == [1, 2, 1, 0]
    ((severity, message),) = findings
    assert severity is Severity.REPAIRED
    assert f"lie up to {abs(off):.2g} beside whole numbers ({1 + off:.8g}" in message


def test_values_below_zero_by_rounding_are_background():
    numbers = layer(np.array([-1e-5, 0.99999, 1.99999, 0]))
    found, findings = merged((numbers, KITS), wanted=source_names("kits", {}))
    assert found[:4] == [0, 1, 2, 0]
    assert [severity for severity, _ in findings] == [Severity.REPAIRED]


@pytest.mark.parametrize("off", [1.1e-3, 0.0039216, -0.0011])
def test_values_farther_off_are_shown_with_their_digits(off):
    (problem,) = problems((layer(np.array([0, 1 + off])), {1: "kidney"}))
    assert f"not whole numbers (0, {1 + off:.8g}). Export" in problem


@given(
    values=st.lists(st.integers(0, 3), min_size=6, max_size=24),
    noise=st.lists(st.floats(-9e-4, 9e-4), min_size=24, max_size=24),
)
def test_rounding_gives_the_map_of_the_whole_numbers(values, noise):
    whole = layer(np.array([1, *values[:-1]]))
    near = whole + np.reshape(noise, whole.shape)
    wanted = source_names("kits", {"cyst": ["cyst"]})
    expected, _ = merge([(whole, KITS)], wanted)
    got, _ = merge([(near, KITS)], wanted)
    np.testing.assert_array_equal(got, expected)


def test_a_label_that_nibabel_scaled(tmp_path):
    """As after ``get_fdata`` and saving with the image's int16 header."""
    labels = np.zeros((4, 5, 6))
    labels[1:3, 1:4, 2:5] = 1
    labels[2, 2, 2:4] = 2
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    image = nib.Nifti1Image(labels, np.diag([-1, -1, 2, 1]), header)
    image.set_sform(image.affine, 1)
    nib.save(image, tmp_path / "label.nii.gz")
    numbers = sitk.GetArrayFromImage(read_volume(tmp_path / "label.nii.gz")[0])
    assert not np.array_equal(numbers, np.rint(numbers))
    ours, (repair,) = merge([(numbers, KITS)], source_names("kits", {}))
    np.testing.assert_array_equal(ours.T, labels)
    assert "1.0000153" in repair.message


WANTED = source_names("dicom", {})


@pytest.mark.parametrize(
    ("own", "beside", "told"),
    [
        (
            {1: "tumour", 2: "kidney"},
            {1: "kidney", 2: "tumour"},
            "own header calls 1 'tumour' and 2 'kidney', but cohort.label_numbers or "
            "dataset.json says 1 'kidney' and 2 'tumour'. Correct",
        ),
        ({1: "Segment_1"}, {1: "kidney"}, "calls 1 'Segment_1', but"),
        ({1: "kidney", 2: "tumour"}, {1: "kidney", 2: "cyst"}, "calls 2 'tumour', but"),
    ],
)
def test_names_that_contradict_each_other_are_both_told(own, beside, told):
    (finding,) = contradictions(own, beside, WANTED)
    assert finding.severity is Severity.ERROR
    assert told in finding.message


@pytest.mark.parametrize(
    ("own", "beside"),
    [
        ({1: "kidney", 2: "tumour"}, {1: "kidney", 2: "tumour"}),
        ({1: "Left_Kidney", 2: "Tumor"}, {1: "kidney", 2: "tumour"}),
        ({1: "left kidney", 2: "right kidney"}, {1: "kidney"}),
        ({7: "kidney", 3: "tumour"}, {1: "kidney", 2: "tumour"}),
        ({1: "tumour"}, {}),
        ({1: "spleen"}, {1: "liver"}),
    ],
)
def test_names_that_mean_the_same_or_nothing_are_fine(own, beside):
    assert contradictions(own, beside, WANTED) == []


def test_probabilities_are_told_from_their_first_slice():
    numbers = np.random.default_rng(3).random((2, 3, 4))
    (problem,) = problems((numbers, {1: "kidney"}))
    assert problem.count(",") < 15
    assert "not as probabilities" in problem


def test_a_volume_needs_kidney():
    (problem,) = problems((layer([2]), {0: "background", 1: "kidney", 2: "tumour"}))
    assert problem == (
        "the label has no kidney: cohort.labels.kidney is ['kidney'], found "
        "0 (background), 2 (tumour). Name the labels that mean kidney, correct the "
        "label or leave the case out"
    )
    (problem,) = problems((layer([0]), {1: "kidney"}), (layer([0]), {1: "tumour"}))
    assert "found 0 (background). Name" in problem


def test_one_side_is_kidney_enough():
    found, findings = merged(
        (layer([7]), {7: "right kidney"}), wanted=source_names("dicom", SIDES)
    )
    assert (found[0], findings) == (3, [])


def test_a_single_slice_may_show_the_tumour_only():
    names = {1: "kidney", 2: "tumour"}
    numbers = layer([2], shape=(1, 3, 4))
    wanted = source_names("nnunet_raw", {})
    assert merged((numbers, names), wanted=wanted) == ([2, 0, 0, 0, 0, 0], [])
    (problem,) = problems((layer([0], shape=(1, 3, 4)), names))
    assert "no kidney" in problem


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_tumour_over_cyst_over_kidney(order):
    segments = [
        (layer([1, 1, 1, 0, 0, 0]), {1: "kidney"}),
        (layer([0, 5, 0, 5, 5, 0]), {5: "cyst"}),
        (layer([0, 0, 7, 7, 7, 7]), {7: "tumor"}),
    ]
    wanted = source_names("kits", {"cyst": ["cyst"]})
    found, findings = merged(*(segments[i] for i in order), wanted=wanted)
    assert found == [1, 3, 2, 2, 2, 2]
    assert findings == [
        (Severity.NOTE, "1 voxels are both kidney and tumour; taken as tumour"),
        (Severity.NOTE, "1 voxels are both kidney and cyst; taken as cyst"),
        (Severity.NOTE, "2 voxels are both cyst and tumour; taken as tumour"),
    ]


def test_overlap_is_counted():
    kidney = (layer([1, 1, 1, 0]), {1: "kidney"})
    tumour = (layer([0, 1, 1, 1]), {1: "tumour"})
    found, findings = merged(kidney, tumour, wanted=source_names("pairs", {}))
    assert found[:4] == [1, 2, 2, 2]
    assert findings == [
        (Severity.NOTE, "2 voxels are both kidney and tumour; taken as tumour")
    ]


def test_parts_of_one_class_may_overlap():
    left, right = layer([1, 1, 0]), layer([0, 1, 1])
    segments = ((left, {1: "kidney left"}), (right, {1: "kidney right"}))
    assert merged(*segments, wanted=source_names("dicom", {})) == (
        [1, 1, 1, 0, 0, 0],
        [],
    )
    kept = source_names(
        "dicom", {"kidney_left": ["kidney left"], "kidney_right": ["kidney right"]}
    )
    found, findings = merged(*segments, wanted=kept)
    assert found[:3] == [1, 1, 3]
    assert findings == [
        (
            Severity.WARNING,
            "1 voxels are both kidney_right and kidney_left; taken as kidney_left. "
            "Correct the label",
        )
    ]


def test_what_is_ignored_takes_nothing_away():
    kidney, spleen = (layer([1, 1]), {1: "kidney"}), (layer([0, 1]), {1: "spleen"})
    wanted = source_names("pairs", {"background": ["spleen"]})
    assert merged(kidney, spleen, wanted=wanted) == ([1, 1, 0, 0, 0, 0], [])


def test_unknown_names_of_all_layers_are_told_once():
    segments = [
        (layer([0, 1]), {1: name}) for name in ("kidney", "liver", "spleen", "liver")
    ]
    (problem,) = problems(*segments)
    assert "not mapped: 1 (liver), 1 (spleen); found 0 (background)," in problem
    assert problem.count("liver") == 2


def test_fractions_in_several_layers_are_all_told():
    assert len(problems(*[(layer([0.5]), {1: "kidney"})] * 2)) == 2
    found = problems((layer([0.5]), {1: "kidney"}), (layer([4]), {1: "tumour"}))
    assert "not whole numbers" in found[0]
    assert "not mapped: 4 (no name)" in found[1]


def test_segments_of_different_sizes():
    other = layer([1], shape=(3, 3, 4))
    (problem,) = problems((layer([1]), {1: "kidney"}), (other, {1: "tumour"}))
    assert "segments have (2, 3, 4) and (3, 3, 4) voxels" in problem
