import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.case import Side, tumour_side, write_case
from deeprac.cohort.phantom import PhantomSource
from deeprac.cohort.phantom.source import TEST_FROM, draw_patient
from deeprac.labels import Label
from support.cohort_builders import phantom_config

_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.cohort_builders import phantom_config
from deeprac.cohort.case import write_case
from deeprac.cohort.phantom import PhantomSource
source = PhantomSource(phantom_config(cases=9))
row = write_case(source.load("phantom_001"), Path(sys.argv[2]))
print(row.image_sha256, row.label_sha256)
"""


@pytest.fixture(scope="module")
def cases():
    source = PhantomSource(phantom_config())
    return [source.load(name) for name in source.names()]


def arrays(case) -> tuple[np.ndarray, np.ndarray]:
    return sitk.GetArrayFromImage(case.image), sitk.GetArrayFromImage(case.label)


@pytest.mark.slow
def test_same_seed_gives_the_same_bytes_in_another_process(cases, tmp_path):
    row = write_case(cases[1], tmp_path / "here")
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", _IN_ANOTHER_PROCESS, here, str(tmp_path / "there")]
    there = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # The other process makes a cohort of another size: a case knows only its number.
    assert there.split() == [row.image_sha256, row.label_sha256]
    written = (tmp_path / "here" / row.image).read_bytes()
    assert hashlib.sha256(written).hexdigest() == row.image_sha256


def test_another_seed_gives_another_child(cases):
    other = PhantomSource(phantom_config(seed=6))
    assert other.load("phantom_001").similarity != cases[1].similarity


def test_settings_hold_all_but_the_number_of_cases():
    few, many = (PhantomSource(phantom_config(cases=cases)) for cases in (4, 80))
    finer = PhantomSource(phantom_config(matrix=128))
    assert few.settings("phantom_002") == many.settings("phantom_002")
    assert few.settings("phantom_002") != finer.settings("phantom_002")


def test_test_cases_are_others_and_the_same_whatever_the_number_of_cases():
    few, many = (
        PhantomSource(phantom_config(cases=cases, test_cases=2)) for cases in (2, 9)
    )
    name = "phantom_test_001"
    assert few.names() == ["phantom_000", "phantom_001", "phantom_test_000", name]
    assert few.settings(name) == many.settings(name)
    case, same, training = few.load(name), many.load(name), few.load("phantom_001")
    assert (case.split, training.split) == ("test", "cv")
    assert case.patient == "patient_test_001"
    assert case.similarity == same.similarity
    assert np.array_equal(arrays(case)[0], arrays(same)[0])
    assert case.similarity != training.similarity


def test_truncation_leaves_slices_out_at_one_end_and_changes_no_other():
    full, cut = (
        PhantomSource(phantom_config(cases=8, truncation=share)) for share in (0.0, 0.5)
    )
    ends = set()
    for name in full.names():
        whole, case = full.load(name), cut.load(name)
        first, last = (np.array(one.label.GetOrigin()) for one in (whole, case))
        below = round((last - first)[2] / whole.label.GetSpacing()[2])
        (_, before), (_, left) = arrays(whole), arrays(case)
        assert np.array_equal(left, before[below : below + len(left)])
        assert len(left) >= 0.5 * len(before) - 1
        assert case.similarity == whole.similarity
        lost = below, len(before) - below - len(left)
        assert min(lost) == 0
        ends.update(end for end, n in zip(("below", "above"), lost, strict=True) if n)
    assert ends == {"below", "above"}
    assert "truncation" not in full.settings("phantom_000")


def test_test_patients_span_the_ages_too():
    phantom = phantom_config(bilateral_share=0.25)
    ages, bilateral = zip(
        *(draw_patient(phantom, TEST_FROM + index) for index in range(40)), strict=True
    )
    assert min(ages) < 1
    assert max(ages) > 12
    assert 3 < np.median(ages) < 7
    assert sum(bilateral) == pytest.approx(10, abs=1)


def test_every_case_is_ct_with_kidney_and_tumour(cases):
    for case in cases:
        image, label = arrays(case)
        assert image.dtype == np.int16
        assert label.dtype == np.uint8
        assert set(np.unique(label)) == {0, 1, 2}
        assert image.min() < -950
        assert image.max() > 200
        # Early arterial: the kidney is brighter than the tumour.
        kidney, tumour = (
            np.median(image[label == n]) for n in (Label.KIDNEY, Label.TUMOUR)
        )
        assert kidney > tumour + 30
        assert not label[0].any()
        assert not label[-1].any()


def test_cases_differ_in_size_pose_and_field(cases):
    assert len({case.image.GetSpacing() for case in cases}) == len(cases)
    assert len({case.similarity.angle_rad for case in cases}) == len(cases)
    assert {case.image.GetSize()[:2] for case in cases} == {(64, 64)}


def test_side_agrees_with_the_label_map(cases):
    for case in cases:
        if case.side is not Side.BILATERAL:
            assert tumour_side(*arrays(case)) is case.side


def test_patients_span_the_ages_and_keep_the_bilateral_share():
    phantom = phantom_config(cases=40, bilateral_share=0.25)
    patients = [draw_patient(phantom, index) for index in range(40)]
    ages = [age for age, _ in patients]
    assert min(ages) < 1
    assert max(ages) > 12
    assert 3 < np.median(ages) < 7
    assert sum(bilateral for _, bilateral in patients) == pytest.approx(10, abs=1)


def test_a_range_of_ages_is_filled_evenly():
    phantom = phantom_config(cases=60, ages=(20.0, 80.0))
    ages = sorted(draw_patient(phantom, index)[0] for index in range(60))
    # One patient a year, give or take one.
    assert np.allclose(ages, np.arange(20.5, 80.5), atol=2)
    one = phantom_config(ages=(34.5, 34.5))
    assert {draw_patient(one, index)[0] for index in range(9)} == {34.5}


def test_a_range_of_ages_leaves_the_rest_of_the_settings_alone():
    children, adults = (
        PhantomSource(phantom_config(ages=ages)) for ages in (None, (18.0, 80.0))
    )
    (name, *_) = children.names()
    of_children = children.settings(name)
    assert adults.settings(name) == {**of_children, "ages": (18.0, 80.0)}
    assert not {"stage", "ages"} & set(of_children)


def test_children_are_drawn_as_ever():
    """Recorded trainings and releases rest on these children."""
    source = PhantomSource(phantom_config(seed=2021))
    anatomy, scan, _ = source.draw(1)
    (tumour,) = anatomy.tumours
    assert anatomy.age_years == pytest.approx(3.843351)
    assert scan.pixel_mm == pytest.approx(3.7888)
    assert scan.similarity.angle_rad == pytest.approx(-0.1048175)
    axes_mm = [54.774388, 41.272574, 62.771224]
    assert tumour.shape.axes_mm == pytest.approx(axes_mm)
    assert tumour.solid_hu == pytest.approx(54.384476)


@pytest.mark.slow
def test_volumes_spread_from_tens_to_a_thousand_ml():
    source = PhantomSource(phantom_config(cases=40))
    volumes = []
    for index in range(40):
        anatomy, _, _ = source.draw(index)
        volumes.append(
            sum(
                4 / 3 * np.pi * np.prod(tumour.shape.axes_mm) / 1000
                for tumour in anatomy.tumours
            )
        )
    assert min(volumes) < 80
    assert max(volumes) > 700
