"""Nothing of who the patients are leaves the private folder: every byte is read."""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml

from deeprac.cohort.build import build_cohort
from deeprac.config import load_config
from deeprac.errors import CohortError
from support.cohort_builders import ct_arrays, volume, write_raw
from support.job_forks import python_of_forks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

ERIKA, UID, ANGELA = "MUSTERMANN^Erika_19800102", "1.2.840.113619.2.55.3", "Ängela Öz"
PATIENTS = {ERIKA: "MUSTERMANN^Erika", UID: "MUSTERMANN^Erika", ANGELA: "MRN4711123"}
PLANTED = re.compile(
    "|".join(
        *(
            [
                "MUSTERMANN",
                "Erika",
                "19800102",
                r"1\.2\.840",
                "ngela",
                "4711123",
                "HIDE",
            ],
        )
    ),
    re.IGNORECASE,
)
"""Parts of all names, and of the texts in the headers."""

PROGRAM = """
import sys
from deeprac.cohort.formats import READERS
from support.leaky_reader import leaky_cases
from deeprac.cli import main
if __name__ == "__main__":
    READERS["nnunet_raw"] = leaky_cases
    sys.exit(main(sys.argv[1:]))
"""


def plant(path):
    """Write names into all texts of a NIfTI header."""
    image = nib.load(path)
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[field] = b"HIDE Mustermann"
    image.header.extensions.append(
        nib.nifti1.Nifti1Extension("comment", b"HIDE MUSTERMANN^Erika")
    )
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), path)


def pair(number):
    """Image and label; each number has another image."""
    image, label = ct_arrays()
    image[0, 0, number] = -990
    return volume(image), volume(label)


@pytest.fixture
def cohort(tmp_path):
    """Working folder with a cohort of three cases and its configuration."""
    folder = tmp_path / "input"
    write_raw(folder, {name: pair(i) for i, name in enumerate(PATIENTS)})
    for path in folder.rglob("*.nii.gz"):
        plant(path)
    rows = pd.DataFrame(PATIENTS.items(), columns=["case", "patient"])
    rows.to_csv(folder / "who.csv", index=False)
    configure(tmp_path)
    return tmp_path


def configure(folder, **cohort):
    settings = {
        "name": "wilms",
        "format": "nnunet_raw",
        "path": "input",
        "patients": "input/who.csv",
        **cohort,
    }
    (folder / "my.yaml").write_text(
        yaml.safe_dump({"cohort": settings, "splits": {"folds": 2}})
    )
    if not (folder / "config").exists():
        shutil.copytree(ROOT / "config", folder / "config")


def run(folder, *arguments, program=("-m", "deeprac"), **environment):
    """Run ``deeprac`` in a process of its own, so that C++ and crashes are seen too."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    return subprocess.run(
        [python_of_forks(), *program, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True,
        check=False,
    )


def convert(folder, *arguments, **kwargs):
    return run(folder, "cohort", "--config", "my.yaml", *arguments, **kwargs)


def leaks(folder, result):
    """All places outside of the private and the input folder that hold a name."""
    texts = {"stdout": result.stdout, "stderr": result.stderr}
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if place.parts[0] in ("input", "private", "config"):
            continue
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".gz":
            content += gzip.decompress(content)
        texts[str(place)] = str(place).encode() + content
    return [
        (place, found.group())
        for place, content in texts.items()
        for encoding in ("utf-8", "utf-16-le")
        if (found := PLANTED.search(content.decode(encoding, errors="replace")))
    ]


def cases_of(folder):
    return pd.read_csv(folder / "results/wilms/cohort/cases.csv")


def test_a_good_cohort_tells_no_name(cohort):
    result = convert(cohort, "--workers", "2")
    assert result.returncode == 0, result.stderr
    assert leaks(cohort, result) == []
    cases = cases_of(cohort)
    assert len(cases) == 3
    assert cases["patient"].nunique() == 2
    table = pd.read_csv(cohort / "private/wilms/pseudonyms.csv")
    assert set(table["source_case"]) == set(PATIENTS)
    assert dict(zip(table["case"], table["patient"], strict=True)) == dict(
        zip(cases["case"], cases["patient"], strict=True)
    )
    assert f"{ERIKA}_0000.nii.gz; label: /" in "".join(table["files"])


def test_without_pseudonyms_the_scan_finds_the_names(cohort):
    """Without this the tests beside it could pass because they look at nothing."""
    shutil.rmtree(cohort / "input")
    image, label = (volume(array) for array in ct_arrays())
    write_raw(
        cohort / "input", {"MUSTERMANN": (image, label), "4711123": (image, None)}
    )
    configure(cohort, pseudonyms=False, patients=None)
    result = convert(cohort)
    assert result.returncode == 1
    places = dict(leaks(cohort, result))
    assert {"stderr", "results/wilms/cohort/check/problems.csv"} <= set(places)
    assert any("imagesTr" in place for place in places)
    assert b"4711123: image input/imagesTr/4711123_0000.nii.gz, label" in result.stderr
    assert not (cohort / "private").exists()


def damage(cohort):
    """A file cut short, a label on another grid, a file that is missing."""
    cut = cohort / f"input/imagesTr/{ERIKA}_0000.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-40])
    moved = cohort / f"input/labelsTr/{UID}.nii.gz"
    label = nib.load(moved)
    affine = label.affine + np.eye(4)
    nib.save(nib.Nifti1Image(np.asarray(label.dataobj), affine), moved)
    (cohort / f"input/labelsTr/{ANGELA}.nii.gz").unlink()


def test_bad_cases_are_told_by_their_pseudonyms(cohort):
    damage(cohort)
    result = convert(cohort, "--workers", "2")
    assert result.returncode == 1
    assert leaks(cohort, result) == []
    table = pd.read_csv(cohort / "private/wilms/pseudonyms.csv")
    case = dict(zip(table["source_case"], table["case"], strict=True))
    message = result.stderr.decode()
    assert "3 of 3 cases cannot be used" in message
    for name, problem in (
        (ERIKA, "cut short"),
        (UID, "not on one grid"),
        (ANGELA, "missing"),
    ):
        assert re.search(rf"  {case[name]}: .*{problem}", message)
    assert "private/wilms/pseudonyms.csv says which files these are" in message
    problems = pd.read_csv(cohort / "results/wilms/cohort/check/problems.csv")
    errors = problems[problems["severity"] == "error"]
    assert set(errors["case"].dropna()) == set(case.values())


@pytest.mark.parametrize(
    ("kind", "workers", "code", "said"),
    [
        ("none", "2", 0, "3 cases of 2 patients"),
        ("finding", "1", 1, "case_.* of patient_.* in .*the image.* is wrong"),
        ("cohort", "1", 1, "case_.* of patient_.* in .*the image.* is wrong"),
        (
            "missing",
            "1",
            1,
            "a file cannot be read .Not a directory.. The whole report is in private",
        ),
        (
            "bug",
            "2",
            1,
            r"  case_.*: reading ended with ValueError in leaky_reader\.py, line \d+ "
            r"\(read\).*messages\.log",
        ),
        ("opening", "1", 1, r"\[hidden\].* and input/x are wrong"),
    ],
)
def test_a_reader_that_tells_names_is_not_heard(cohort, kind, workers, code, said):
    program = cohort / "program.py"
    program.write_text(PROGRAM)
    result = convert(cohort, "--workers", workers, program=["program.py"], LEAK=kind)
    assert (result.returncode, leaks(cohort, result)) == (code, []), result.stderr
    assert re.search(said, result.stderr.decode())
    # Nothing is lost: it is where it may be.
    log = cohort / "private/wilms/messages.log"
    assert "MUSTERMANN" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def built(folder):
    """Convert in this process; return the rows by pseudonym."""
    config = load_config([folder / "my.yaml"]).cohort
    return {row.case: row for row in build_cohort(config, folder / "cohort")}


def test_a_new_key_renames_nothing_in_silence(cohort, monkeypatch):
    monkeypatch.chdir(cohort)
    before = built(cohort)
    shutil.move("private", "kept")
    with pytest.raises(
        CohortError, match="holds 3 cases, none of which the source has"
    ):
        built(cohort)
    shutil.rmtree("private")
    shutil.move("kept", "private")
    assert built(cohort) == before


def test_further_cases_keep_the_finished_ones(cohort, monkeypatch):
    monkeypatch.chdir(cohort)
    before = built(cohort)
    times = {path: path.stat().st_mtime_ns for path in cohort.rglob("cohort/*/*.gz")}
    for kind, content in zip(("images", "labels"), pair(3), strict=True):
        ending = "_0000" if kind == "images" else ""
        path = cohort / f"input/{kind}Tr/Ängela again{ending}.nii.gz"
        sitk.WriteImage(content, str(path))
    with (cohort / "input/who.csv").open("a") as stream:
        stream.write(f"Ängela again,{PATIENTS[ANGELA]}\n")
    after = built(cohort)
    assert before.items() <= after.items()
    assert len(after) == 4
    assert len({row.patient for row in after.values()}) == 2
    assert len(times) == 6
    assert times == {path: path.stat().st_mtime_ns for path in times}
