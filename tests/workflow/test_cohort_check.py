"""A cohort with one bad case stops the workflow, and its page says why."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from support.checkout import planned_jobs, snakemake, working_folder

pytestmark = pytest.mark.slow
CASES = [f"case_{index}" for index in range(4)]


def write(folder, name, *, kidney=True):
    """A small CT off centre with anisotropic spacing; without kidney if told so."""
    image = np.full((6, 40, 48), -1000, np.int16)
    label = np.zeros(image.shape, np.uint8)
    image[:, 4:36, 6:44] = 40
    image[0, 0, 0] += CASES.index(name)
    label[1:5, 20:28, 28:38] = kidney
    label[2:4, 22:26, 34:38] = 2 * kidney
    image[label > 0] = 160
    for part, array in (("images", image), ("labels", label)):
        path = folder / f"{part}Tr" / f"{name}{'_0000' * (part == 'images')}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        volume = sitk.GetImageFromArray(array)
        volume.SetSpacing((0.9, 0.9, 4.0))
        sitk.WriteImage(volume, str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Working folder with a cohort of four cases, of which one has no kidney."""
    folder = working_folder(tmp_path_factory.mktemp("check"))
    for name in CASES:
        write(folder / "ct", name, kidney=name != "case_2")
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "kidney": 1, "tumour": 2},
        "numTraining": len(CASES),
        "file_ending": ".nii.gz",
    }
    (folder / "ct" / "dataset.json").write_text(json.dumps(dataset))
    cohort = {"name": "own", "format": "nnunet_raw", "path": "ct", "pseudonyms": False}
    # Patients, unlike the smoke run's phantoms, are not scanned again with arms down.
    own = {"cohort": cohort, "stress": {"scenes": []}}
    (folder / "own.yaml").write_text(yaml.safe_dump(own))
    return folder


CONFIG = ("--configfile", "config/smoke.yaml", "own.yaml")


def test_errors_stop_the_workflow_and_leave_the_page(folder):
    result = snakemake(folder, "--cores", "2", *CONFIG)
    assert result.returncode != 0
    assert "1 of 4 cases cannot be used" in result.stdout
    results = folder / "results" / "own"
    check = results / "cohort" / "check"
    assert str(check.relative_to(folder) / "report.html") in result.stdout
    assert "no kidney" in (check / "report.html").read_text(encoding="utf-8")
    assert "case_2,error" in (check / "problems.csv").read_text(encoding="utf-8")
    assert len(list((check / "slices").iterdir())) == 3
    assert not (results / "cohort" / "cases.csv").exists()
    made = {path.name for path in results.iterdir()}
    assert made <= {"config.json", "configs", "cohort", "logs", "benchmarks"}


def test_once_mended_only_that_case_is_read_again(folder):
    done = folder / "results/own/cohort/.done/case_0.json"
    before = done.stat().st_mtime_ns
    write(folder / "ct", "case_2")
    result = snakemake(folder, "cohort", "--cores", "2", *CONFIG)
    assert result.returncode == 0, result.stdout
    assert done.stat().st_mtime_ns == before
    assert "cohort" not in planned_jobs(folder, *CONFIG)
