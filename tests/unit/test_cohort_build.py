import os
import signal

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from deeprac import files
from deeprac.cohort.build import build_cohort
from deeprac.cohort.formats import READERS, open_source
from deeprac.cohort.frame import read_frames
from deeprac.cohort.passes import run_pass
from deeprac.errors import CohortError, ConfigError
from deeprac.records.cases import CASES_COLUMNS
from support.cohort_builders import (
    cohort_config,
    ct_arrays,
    phantom_config,
    volume,
    write_raw,
)


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.nii.gz")}


def test_a_phantom_cohort_is_an_nnunet_raw_dataset(tmp_path):
    config = cohort_config(phantom=phantom_config(cases=2))
    build_cohort(config, tmp_path)
    table = pd.read_csv(tmp_path / "cases.csv")
    assert tuple(table.columns) == CASES_COLUMNS
    assert list(table["case"]) == ["phantom_000", "phantom_001"]
    assert table.notna().all().all()
    dataset = files.read_json(tmp_path / "dataset.json")
    assert dataset["labels"] == {"background": 0, "kidney": 1, "tumour": 2}
    assert dataset["numTraining"] == 2
    names = sorted(path.name for path in (tmp_path / "imagesTr").iterdir())
    assert names == ["phantom_000_0000.nii.gz", "phantom_001_0000.nii.gz"]


def test_test_cases_are_told_in_the_table_and_train_nothing(tmp_path):
    plain = cohort_config(phantom=phantom_config(cases=2))
    build_cohort(plain, tmp_path / "plain")
    config = cohort_config(phantom=phantom_config(cases=2, test_cases=1))
    build_cohort(config, tmp_path / "more")
    table = pd.read_csv(tmp_path / "more" / "cases.csv")
    assert tuple(table.columns) == (*CASES_COLUMNS, "split")
    assert list(table["split"]) == ["cv", "cv", "test"]
    assert table.image[2] == "imagesTs/phantom_test_000_0000.nii.gz"
    assert files.read_json(tmp_path / "more" / "dataset.json")["numTraining"] == 2
    assert len(list((tmp_path / "more" / "imagesTr").iterdir())) == 2
    # What was there is as it was, and again once they are taken away.
    build_cohort(plain, tmp_path / "more")
    assert not list((tmp_path / "more" / "imagesTs").iterdir())
    one, two = (
        (tmp_path / name / "cases.csv").read_bytes() for name in ("plain", "more")
    )
    assert one == two


@pytest.mark.slow
def test_workers_give_the_same_table(tmp_path):
    config = cohort_config(phantom=phantom_config(cases=2))
    build_cohort(config, tmp_path / "one")
    build_cohort(config, tmp_path / "two", workers=2)
    one, two = (tmp_path / name / "cases.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_finished_cases_are_kept(tmp_path):
    build_cohort(cohort_config(phantom=phantom_config(cases=2)), tmp_path)
    before = stamps(tmp_path)
    (tmp_path / "cases.csv").unlink()
    build_cohort(cohort_config(phantom=phantom_config(cases=3)), tmp_path)
    after = stamps(tmp_path)
    assert len(after) == 6
    assert before.items() <= after.items()


def test_changed_settings_make_every_case_anew(tmp_path):
    build_cohort(cohort_config(phantom=phantom_config(cases=2)), tmp_path)
    before = stamps(tmp_path)
    build_cohort(cohort_config(phantom=phantom_config(cases=2, matrix=48)), tmp_path)
    after = stamps(tmp_path)
    assert all(after[name] != before[name] for name in before)


def test_a_lost_file_is_made_again_and_a_killed_job_cleaned_up(tmp_path):
    config = cohort_config(phantom=phantom_config(cases=2))
    build_cohort(config, tmp_path)
    lost = tmp_path / "labelsTr" / "phantom_001.nii.gz"
    content = lost.read_bytes()
    lost.unlink()
    leftover = tmp_path / "imagesTr" / ".tmp-123-phantom_001_0000.nii.gz"
    leftover.touch()
    build_cohort(config, tmp_path)
    assert lost.read_bytes() == content
    assert not leftover.exists()


def test_cases_of_an_earlier_configuration_leave(tmp_path):
    build_cohort(cohort_config(phantom=phantom_config(cases=3)), tmp_path)
    build_cohort(cohort_config(phantom=phantom_config(cases=2)), tmp_path)
    assert "phantom_002.nii.gz" not in stamps(tmp_path)
    assert len(pd.read_csv(tmp_path / "cases.csv")) == 2


def test_problems_of_all_cases_are_told_and_good_cases_kept(tmp_path):
    image, label = ct_arrays()
    good = volume(image), volume(label)
    no_kidney = volume(image), volume(np.zeros_like(label))
    cases = {"a": no_kidney, "b": good, "c": (good[0], None)}
    config = write_raw(tmp_path / "raw", cases)
    with pytest.raises(CohortError) as error:
        build_cohort(config, tmp_path / "cohort")
    assert "2 of 3 cases cannot be used" in str(error.value)
    assert "\n  a: the label has no kidney" in str(error.value)
    assert "c: the label: the file is missing" in str(error.value)
    assert not (tmp_path / "cohort" / "cases.csv").exists()
    assert "b.nii.gz" in stamps(tmp_path / "cohort")


def test_an_old_table_does_not_outlive_a_problem(tmp_path):
    image, label = ct_arrays()
    config = write_raw(tmp_path / "raw", {"a": (volume(image), volume(label))})
    build_cohort(config, tmp_path / "cohort")
    (tmp_path / "raw" / "labelsTr" / "a.nii.gz").unlink()
    with pytest.raises(CohortError, match="label: the file is missing"):
        build_cohort(config, tmp_path / "cohort")
    assert not (tmp_path / "cohort" / "cases.csv").exists()


def test_unknown_format_lists_the_known_ones():
    with pytest.raises(ConfigError, match="Choose one of phantom, nnunet_raw"):
        open_source(cohort_config(format="bids", path="x"))
    assert "nnunet_raw" in READERS


def test_frames_csv_leads_back_to_the_source(tmp_path):
    image, label = (sitk.DICOMOrient(volume(a), "SAR") for a in ct_arrays())
    config = write_raw(tmp_path / "raw", {"a": (image, label)})
    (row,) = build_cohort(config, tmp_path / "cohort")
    frame = read_frames(tmp_path / "cohort" / "frames.csv")["a"]
    back = frame.restore(sitk.ReadImage(str(tmp_path / "cohort" / row.label)))
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(label)
    )
    assert back.GetDirection() == label.GetDirection()
    np.testing.assert_allclose(back.GetOrigin(), label.GetOrigin(), atol=1e-5)
    before = (tmp_path / "cohort" / "frames.csv").read_bytes()
    build_cohort(config, tmp_path / "cohort")
    assert (tmp_path / "cohort" / "frames.csv").read_bytes() == before


def test_a_changed_file_makes_its_case_alone_anew(tmp_path):
    image, label = ct_arrays()
    cases = {name: (volume(image), volume(label)) for name in "ab"}
    # A case twice is an error, so they differ in one voxel.
    cases["b"][0][0, 0, 0] = -999
    config = write_raw(tmp_path / "raw", cases)
    build_cohort(config, tmp_path / "cohort")
    before = stamps(tmp_path / "cohort")
    changed = volume(image)
    changed[1, 1, 1] = 41
    path = tmp_path / "raw" / "imagesTr" / "a_0000.nii.gz"
    sitk.WriteImage(changed, str(path))
    build_cohort(config, tmp_path / "cohort")
    after = stamps(tmp_path / "cohort")
    assert {name for name in after if after[name] != before[name]} == {
        "a.nii.gz",
        "a_0000.nii.gz",
    }


class Killed:
    """A task whose process is killed from outside, as by the kernel for its memory."""

    def finished(self, name, settings):
        return None

    def make(self, source, name, settings):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_is_told():
    source = open_source(cohort_config())
    with pytest.raises(CohortError, match=r"was killed.*with fewer workers"):
        run_pass(source, Killed(), workers=2, title="killed")
