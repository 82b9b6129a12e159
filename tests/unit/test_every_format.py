"""One real CT, laid out for every format that fits it, is one cohort case."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.formats import READERS, open_source
from deeprac.labels import source_names
from support.cohort_builders import cohort_config
from support.dicom_builders import Series

CASE = "totalseg_example"
LOWEST = -1024
"""What the DICOM series can store; rings of resampling go below it."""


def lay_nnunet_raw(image: Path, label: Path, folder: Path) -> Path:
    for name, path in (("imagesTr/a_0000", image), ("labelsTr/a", label)):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(path, folder / f"{name}.nii.gz")
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "kidney": 1, "tumour": 2},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder


def lay_msd(image: Path, label: Path, folder: Path) -> Path:
    for name, path in (("imagesTr", image), ("labelsTr", label)):
        (folder / name).mkdir(parents=True)
        shutil.copy(path, folder / name / "a.nii.gz")
    dataset = {
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "kidney", "2": "tumour"},
        "numTraining": 1,
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder


def lay_kits(image: Path, label: Path, folder: Path) -> Path:
    case = folder / "case_00000"
    case.mkdir(parents=True)
    shutil.copy(image, case / "imaging.nii.gz")
    shutil.copy(label, case / "segmentation.nii.gz")
    clinical = [{"case_id": "case_00000", "age_at_nephrectomy": 7}]
    (folder / "kits23.json").write_text(json.dumps(clinical))
    return folder


def lay_pairs(image: Path, label: Path, folder: Path) -> Path:
    folder.mkdir()
    for name, path in (("ct.mha", image), ("label.nrrd", label)):
        sitk.WriteImage(sitk.ReadImage(str(path)), str(folder / name))
    (folder / "pairs.csv").write_text("image,label,case\nct.mha,label.nrrd,a\n")
    return folder / "pairs.csv"


def lay_dicom(image: Path, label: Path, folder: Path) -> Path:
    volume = sitk.DICOMOrient(sitk.ReadImage(str(image)), "LPS")
    values = np.rint(sitk.GetArrayFromImage(volume)).clip(LOWEST)
    series = Series(
        values.astype(int),
        spacing_mm=volume.GetSpacing(),
        origin_mm=volume.GetOrigin(),
        axes=np.reshape(volume.GetDirection(), (3, 3)),
    )
    series.write(folder / "study" / "series")
    shutil.copy(label, folder / "study" / "label.nii.gz")
    return folder


def lay_totalsegmentator(image: Path, label: Path, folder: Path) -> Path:
    masks = folder / "s0001" / "segmentations"
    masks.mkdir(parents=True)
    shutil.copy(image, masks.parent / "ct.nii.gz")
    volume = sitk.ReadImage(str(label))
    half = volume * 0
    half[: volume.GetWidth() // 2] = 1
    for name, mask in (
        ("kidney_left", (volume == 1) & (half == 0)),
        ("kidney_right", (volume == 1) & (half == 1)),
        ("tumour", volume == 2),
        ("liver", volume == 0),
    ):
        sitk.WriteImage(mask, str(masks / f"{name}.nii.gz"))
    return folder


LAYOUTS = {
    "nnunet_raw": lay_nnunet_raw,
    "msd": lay_msd,
    "kits": lay_kits,
    "pairs": lay_pairs,
    "dicom": lay_dicom,
    "totalsegmentator": lay_totalsegmentator,
}


def test_every_format_is_here():
    assert set(LAYOUTS) == set(READERS)


@pytest.mark.parametrize("source_format", LAYOUTS)
def test_one_real_ct_is_one_case(shared_data, tmp_path, source_format):
    real = shared_data / "real_ct_nnunet"
    image = real / "imagesTr" / f"{CASE}_0000.nii.gz"
    label = real / "labelsTr" / f"{CASE}.nii.gz"
    path = LAYOUTS[source_format](image, label, tmp_path / source_format)
    source = open_source(
        cohort_config(
            format=source_format,
            path=path,
            labels=source_names(source_format, {}),
            pseudonyms=True,
            private=tmp_path / "private",
        )
    )
    (name,) = source.names()
    case = source.load(name)
    for got, original in ((case.image, image), (case.label, label)):
        expected = sitk.DICOMOrient(sitk.ReadImage(str(original)), "LPS")
        np.testing.assert_allclose(
            sitk.GetArrayFromImage(got).clip(LOWEST),
            sitk.GetArrayFromImage(expected).clip(LOWEST),
            rtol=0,
            atol=0.5,  # DICOM holds whole numbers
        )
        np.testing.assert_allclose(got.GetSpacing(), expected.GetSpacing(), rtol=1e-5)
        np.testing.assert_allclose(got.GetOrigin(), expected.GetOrigin(), atol=1e-3)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(case.label),
        sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(label)), "LPS")),
    )
    assert case.age_years == (7 if source_format == "kits" else None)
