"""No foreign file stops the others: whatever is wrong with it is told of its case."""

import errno
import os
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from deeprac.cohort.build import build_cohort
from deeprac.cohort.check import check_cohort
from deeprac.cohort.convert import ConvertedSource
from deeprac.cohort.findings import CaseError, Severity
from deeprac.cohort.formats import READERS, open_source
from deeprac.cohort.inspection import Inspect
from deeprac.cohort.nnunet_raw import open_nnunet_raw
from deeprac.cohort.passes import run_pass
from deeprac.errors import CohortError
from deeprac.labels import source_names
from support.cohort_builders import cohort_config, ct_arrays, ct_like, volume, write_raw
from support.dicom_builders import Series


def pair(origin_mm, label_origin_mm=None):
    image, label = (volume(array) for array in ct_arrays())
    image.SetOrigin(origin_mm)
    label.SetOrigin(label_origin_mm or origin_mm)
    return image, label


def lay_raw(folder, origin_mm):
    return write_raw(folder, {"a": pair(origin_mm)})


def lay_pairs(ending):
    def lay(folder, origin_mm):
        for name, content in zip(("ct", "label"), pair(origin_mm), strict=True):
            sitk.WriteImage(content, str(folder / f"{name}{ending}"))
        (folder / "pairs.csv").write_text(f"image,label\nct{ending},label{ending}\n")
        labels = source_names("pairs", {})
        return cohort_config(format="pairs", path=folder / "pairs.csv", labels=labels)

    return lay


def lay_dicom(folder, origin_mm):
    hu = ct_like(1)
    Series(hu, origin_mm=origin_mm).write(folder / "study" / "series")
    label = volume((hu > 500).astype(np.uint8), (0.7, 0.9, 2.5))
    label.SetOrigin(origin_mm)
    sitk.WriteImage(label, str(folder / "study" / "label.nii.gz"))
    labels = source_names("dicom", {})
    return cohort_config(format="dicom", path=folder, labels=labels)


@pytest.mark.parametrize(
    "lay",
    [lay_raw, lay_pairs(".nrrd"), lay_pairs(".mha"), lay_pairs(".nii"), lay_dicom],
)
def test_an_origin_where_no_patient_lies_is_refused_in_every_format(tmp_path, lay):
    source = open_source(lay(tmp_path, (2e5, 11.0, 30.0)))
    with pytest.raises(
        CaseError, match=r"the origin is \(2e\+05, 11, 30\) mm"
    ) as error:
        source.load(source.names()[0])
    told = {(finding.check, finding.message[:11]) for finding in error.value.findings}
    assert {("origin", "the image: "), ("origin", "the label: ")} <= told


@pytest.mark.parametrize("coordinate", [np.nan, np.inf, -np.inf, -1.1e5])
def test_the_label_alone_may_lie_nowhere(tmp_path, coordinate):
    good, bad = (-7.0, 11.0, 30.0), (-7.0, coordinate, 30.0)
    volumes = pair(good, bad)
    config = write_raw(tmp_path, {"a": pair(good)})
    cases = open_nnunet_raw(config)

    def read():
        source = cases["a"].read()
        source.segmentations[0].volume.SetOrigin(volumes[1].GetOrigin())
        return source

    with pytest.raises(CaseError) as error:
        ConvertedSource({"a": replace(cases["a"], read=read)}, config).load("a")
    (finding,) = error.value.findings
    assert finding.message.startswith("the label: the origin is (-7, ")


@pytest.mark.parametrize("coordinate", [-1e5, 99_999.0])
def test_the_farthest_origins_that_are_read(tmp_path, coordinate):
    config = write_raw(tmp_path, {"a": pair((coordinate, 11.0, 30.0))})
    assert open_source(config).load("a").frame.origin_mm[0] == coordinate


def read(error):
    """Read nothing, as nobody foresaw."""
    raise error


def failing(config, error):
    """All cases, of which ``b`` cannot be read."""
    cases = open_nnunet_raw(config)
    return cases | {"b": replace(cases["b"], read=partial(read, error))}


def three_cases(folder, **changes):
    """A cohort of three cases that differ in one voxel."""
    cases = {}
    for number, name in enumerate("abc"):
        image, label = ct_arrays()
        image[0, 0, number] = -990
        cases[name] = volume(image), volume(label)
    config = write_raw(folder / "raw", cases)
    return cohort_config(**{**vars(config), "private": folder / "private"} | changes)


def check_others(tmp_path, error, told, pseudonyms, workers):
    config = three_cases(tmp_path, pseudonyms=pseudonyms)
    source = ConvertedSource(failing(config, error), config)
    outcome = run_pass(source, Inspect(tmp_path), workers=workers, title="read")
    assert len(outcome.made) == 2
    ((finding,),) = outcome.failed.values()
    assert finding.severity is Severity.ERROR
    assert pd.Series(finding.message).str.contains(told).all()
    assert "Jane" not in finding.message
    if pseudonyms:
        assert "Jane" in (tmp_path / "private" / "test" / "messages.log").read_text()


@pytest.mark.parametrize("pseudonyms", [False, True])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            KeyError("Jane"),
            r"reading ended with KeyError in test_convert\.py, line \d+",
        ),
        (MemoryError("Jane"), "it needs more memory than there is"),
        (
            OSError(errno.EIO, "Input/output error", "Jane"),
            "cannot be read .Input/outp",
        ),
    ],
)
def test_the_others_are_read(tmp_path, error, told, pseudonyms):
    check_others(tmp_path, error, told, pseudonyms, workers=1)


@pytest.mark.slow
def test_the_others_are_read_in_processes_too(tmp_path):
    told = r"reading ended with KeyError in test_convert\.py, line \d+ \(read\)"
    check_others(tmp_path, KeyError("Jane"), told, True, workers=2)


def test_which_file_it_was_is_told(tmp_path, monkeypatch):
    config = three_cases(tmp_path)
    source = open_source(config)
    calls = []

    def fail(path):
        calls.append(path)
        raise IndexError("Jane")

    monkeypatch.setattr("deeprac.cohort.volume_files.read_volume", fail)
    with pytest.raises(CaseError, match=r"^the image: reading ended with IndexError"):
        source.load("b")
    assert [path.name for path in calls] == ["b_0000.nii.gz"]


@pytest.mark.parametrize("pseudonyms", [False, True])
def test_what_fails_on_opening_is_a_known_error(tmp_path, monkeypatch, pseudonyms):
    def fail(config):
        raise KeyError("Jane")

    monkeypatch.setitem(READERS, "nnunet_raw", fail)
    with pytest.raises(CohortError, match="reading ended with KeyError") as error:
        open_source(three_cases(tmp_path, pseudonyms=pseudonyms))
    assert "Jane" not in str(error.value)


def test_an_error_of_our_own_writing_stops_the_pass(tmp_path):
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "imagesTr").write_text("a file where a folder belongs")
    with pytest.raises(OSError, match="imagesTr"):
        build_cohort(three_cases(tmp_path), tmp_path / "cohort")


def test_a_full_disk_stops_the_pass(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("deeprac.cohort.passes.Sidecars.write", full)
    with pytest.raises(OSError, match="No space left"):
        check_cohort(three_cases(tmp_path), tmp_path / "check", folds=3)
