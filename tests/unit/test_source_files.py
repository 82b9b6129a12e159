"""Whether the files of a source have changed, and how large they are."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort import source_files
from deeprac.cohort.source_files import (
    conversion_mb,
    files_below,
    largest_case_voxels,
    source_digest,
)
from deeprac.errors import CohortError
from support.cohort_builders import cohort_config, ct_arrays, volume, write_raw


@pytest.fixture
def raw(tmp_path):
    """A cohort of two cases, its folders of results and secrets among them."""
    case = tuple(map(volume, ct_arrays()))
    config = write_raw(tmp_path / "raw", {"a": case, "b": case})
    for own in ("results", "private"):
        (tmp_path / "raw" / own).mkdir()
    return config


def digest(config):
    return source_digest(config, own_folders(config))


def own_folders(config):
    return [config.path / "results", config.path / "private"]


def touch(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: touch(folder / "labelsTr/a.nii.gz"),
        lambda folder: touch(folder / "dataset.json"),
        lambda folder: (folder / "imagesTr/b_0000.nii.gz").unlink(),
        lambda folder: (folder / "imagesTr/c_0000.nii.gz").touch(),
        lambda folder: (folder / "labelsTr/a.nii.gz").rename(folder / "labelsTr/c"),
    ],
    ids=["a label", "the list", "an image less", "an image more", "renamed"],
)
def test_every_change_of_a_file_counts(raw, change):
    before = digest(raw)
    assert digest(raw) == before
    change(raw.path)
    assert digest(raw) != before


@pytest.mark.parametrize(
    "file", ["results/cases.csv", "private/key", ".snakemake/log", "imagesTr/.DS_Store"]
)
def test_what_is_ours_or_hidden_counts_not(raw, file):
    before = digest(raw)
    (raw.path / file).parent.mkdir(exist_ok=True)
    (raw.path / file).touch()
    assert digest(raw) == before


def test_the_table_of_patients_counts(tmp_path, raw):
    table = tmp_path / "patients.csv"
    table.write_text("case,patient\n")
    config = cohort_config(format="nnunet_raw", path=raw.path, patients=table)
    before = digest(config)
    touch(table)
    assert digest(config) != before


@pytest.mark.parametrize(
    ("source", "listed"),
    [
        ("nnunet_raw", {"dataset": {"a": {"images": ["X"], "label": "Y"}}}),
        ("msd", {"training": [{"image": "X", "label": "Y"}]}),
    ],
)
def test_files_that_a_list_names_elsewhere_count(tmp_path, source, listed):
    for name in "XY":
        (tmp_path / name).touch()
    folder = tmp_path / "raw"
    folder.mkdir()
    text = json.dumps(listed).replace("X", "../X").replace("Y", "../Y")
    (folder / "dataset.json").write_text(text)
    config = cohort_config(format=source, path=folder)
    for name in "XY":
        before = digest(config)
        touch(tmp_path / name)
        assert digest(config) != before


def test_pairs_are_what_the_table_lists(tmp_path):
    for name in ("image.nii", "label.nii", "other.nii"):
        (tmp_path / name).touch()
    table = tmp_path / "pairs.csv"
    table.write_text("image,label\nimage.nii,label.nii\n")
    config = cohort_config(format="pairs", path=table)
    for name, counts in (
        ("label.nii", True),
        ("pairs.csv", True),
        ("other.nii", False),
    ):
        before = source_digest(config)
        touch(tmp_path / name)
        assert (source_digest(config) != before) == counts


def test_a_dicom_folder_counts_however_deep(tmp_path):
    slice_ = tmp_path / "patient" / "study" / "series" / "IM1"
    slice_.parent.mkdir(parents=True)
    slice_.touch()
    config = cohort_config(format="dicom", path=tmp_path)
    before = source_digest(config)
    touch(slice_)
    assert source_digest(config) != before


def test_phantoms_have_no_source():
    assert source_digest(cohort_config()) == ""


def test_a_source_that_is_not_there_is_named(tmp_path):
    config = cohort_config(format="dicom", path=tmp_path / "no")
    with pytest.raises(
        CohortError, match=r"cohort.path is .*/no, which does not exist"
    ):
        source_digest(config)


def test_links_in_a_circle_are_followed_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    assert len(list(files_below(tmp_path))) == 1


def test_too_many_files_are_no_cohort(tmp_path, monkeypatch):
    monkeypatch.setattr(source_files, "MAX_FILES", 1)
    for name in "ab":
        (tmp_path / name).touch()
    with pytest.raises(CohortError, match="more than 1 files"):
        list(files_below(tmp_path))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", ["NIfTI-1", "NIfTI-2", "big-endian"])
def test_voxels_of_nifti_by_its_header(tmp_path, ending, kind):
    header = {
        "NIfTI-1": nib.Nifti1Header(),
        "NIfTI-2": nib.Nifti2Header(),
        "big-endian": nib.Nifti1Header(endianness=">"),
    }[kind]
    image = {"NIfTI-2": nib.Nifti2Image}.get(kind, nib.Nifti1Image)
    path = tmp_path / f"a{ending}"
    nib.save(image(np.zeros((5, 7, 11), np.int16), np.eye(4), header), str(path))
    assert largest_case_voxels([path]) == 5 * 7 * 11


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b", struct.pack("<i", 348), b"x" * 999]
)
def test_damaged_nifti_counts_nothing(tmp_path, content):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    assert largest_case_voxels([path, tmp_path / "missing.nii"]) == 0


def test_packed_volumes_and_series_count_at_least_what_they_hold(tmp_path):
    rng = np.random.default_rng(0)
    ct = volume(rng.normal(0, 12, (20, 40, 50)).astype(np.int16))
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(ct, str(path), useCompression=True)
    assert largest_case_voxels([path]) >= 20 * 40 * 50
    slices = [tmp_path / "series" / f"{k}.dcm" for k in range(3)]
    slices[0].parent.mkdir()
    for slice_ in slices:
        slice_.write_bytes(b"\0" * 1000)
    assert largest_case_voxels(slices) == 3000


def test_memory_grows_with_workers_and_the_largest_case(tmp_path):
    """Four cases of 512 x 512 x 600 need 7.7 GB with four workers."""
    header = struct.pack("<i36x8h", 348, 3, 512, 512, 600, 1, 1, 1, 1)
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "imagesTr" / "a_0000.nii").write_bytes(header)
    (tmp_path / "dataset.json").write_text("{}")
    config = cohort_config(format="nnunet_raw", path=tmp_path)
    assert 7700 <= conversion_mb(config, 4) <= 9500
    assert (
        conversion_mb(config, 1) < conversion_mb(config, 2) < conversion_mb(config, 4)
    )
    assert conversion_mb(cohort_config(), 4) < 2500


def test_planning_imports_nothing_that_takes_long():
    code = (
        "import sys; from deeprac.cohort import source_files; "
        "print({'numpy', 'SimpleITK', 'pydicom', 'pandas'} & set(sys.modules))"
    )
    source = Path(source_files.__file__).parents[2]
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.strip() == "set()"
