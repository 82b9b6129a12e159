import json
import logging

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.convert import ConvertedSource
from deeprac.cohort.kits import open_kits
from deeprac.errors import CohortError
from deeprac.labels import Label, source_names
from deeprac.settings.cohort import KitsConfig
from support.cohort_builders import cohort_config, ct_arrays, volume

LABELS = source_names("kits", {})
WITH_CYST = source_names("kits", {"cyst": ["cyst"]})


def kits(folder, labels=LABELS, **changes):
    return cohort_config(format="kits", path=folder, labels=labels, **changes)


def write(path, array):
    """As KiTS does: slices along the first axis of the NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.DICOMOrient(volume(array), "SAR"), str(path))


def write_case(folder, number=0, label="segmentation.nii.gz", clinical="kits.json"):
    image, numbers = ct_arrays()
    case = folder / f"case_{number:05d}"
    write(case / "imaging.nii.gz", image)
    write(case / label, numbers)
    rows = [{"case_id": case.name, "age_at_nephrectomy": 7}]
    (folder / clinical).write_text(json.dumps(rows))
    return case


def opened(config):
    return ConvertedSource(open_kits(config), config)


def label_of(config):
    source = opened(config)
    return sitk.GetArrayFromImage(source.load(source.names()[0]).label)


@pytest.mark.parametrize("root", [".", "data", "dataset", "kits21/data"])
def test_the_repository_or_the_folder_of_cases(tmp_path, root):
    write_case_in = tmp_path / root
    write_case_in.mkdir(parents=True, exist_ok=True)
    write_case(write_case_in)
    case = opened(kits(tmp_path)).load("case_00000")
    for got, expected in zip((case.image, case.label), ct_arrays(), strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(got), expected)
    assert (case.patient, case.age_years) == ("case_00000", 7)


def test_cysts_are_kidney_or_a_class_or_unknown(tmp_path):
    case = write_case(tmp_path, clinical="kits23.json")
    numbers = ct_arrays()[1]
    numbers[3, 4, 7] = 3
    write(case / "segmentation.nii.gz", numbers)
    assert label_of(kits(tmp_path))[3, 4, 7] == Label.KIDNEY
    assert label_of(kits(tmp_path, WITH_CYST))[3, 4, 7] == 3
    # KiTS19 has no such number.
    (tmp_path / "kits23.json").rename(tmp_path / "kits.json")
    with pytest.raises(CohortError, match=r"not mapped: 3 \(no name\)"):
        label_of(kits(tmp_path))


def test_cases_without_a_label_are_left_out(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write_case(tmp_path, 209)
    write(tmp_path / "case_00210" / "imaging.nii.gz", ct_arrays()[0])
    assert opened(kits(tmp_path)).names() == ["case_00209"]
    assert "KiTS19: 1 of 2 cases have no label and are left out" in caplog.text


def write_kits21(folder):
    """Three aggregates and two annotators, all different; a cyst within the tumour."""
    case = write_case(folder, label="aggregated_MAJ_seg.nii.gz")
    numbers = ct_arrays()[1]
    write(case / "aggregated_OR_seg.nii.gz", np.where(numbers == 2, 2, numbers))
    write(case / "aggregated_AND_seg.nii.gz", np.minimum(numbers, 1))
    masks = {
        ("kidney", 1): numbers > 0,
        ("tumor", 1): numbers == 2,
        ("cyst", 1): numbers == 2,
    }
    for (name, instance), mask in masks.items():
        for annotator in (1, 2):
            drawn = mask.copy()
            if (name, annotator) == ("tumor", 2):
                drawn[2, 4, 9] = False
            file = f"{name}_instance-{instance}_annotation-{annotator}.nii.gz"
            write(case / "segmentations" / file, drawn.astype(np.uint8))
    return case


@pytest.mark.parametrize(
    ("annotation", "tumour_voxels", "cyst_voxels"),
    # ct_arrays has two tumour voxels; annotator 2 left one of them to the cyst below.
    [("majority", 2, 0), ("union", 2, 0), ("intersection", 0, 0), (1, 2, 0), (2, 1, 1)],
)
def test_annotations_of_kits21(tmp_path, annotation, tumour_voxels, cyst_voxels):
    write_kits21(tmp_path)
    got = label_of(kits(tmp_path, WITH_CYST, kits=KitsConfig(annotation)))
    assert ((got == 2).sum(), (got == 3).sum()) == (tumour_voxels, cyst_voxels)
    assert (got > 0).sum() == (ct_arrays()[1] > 0).sum()


def test_an_annotation_that_is_not_there(tmp_path):
    case = write_kits21(tmp_path)
    with pytest.raises(CohortError, match="has majority, union, intersection, 1, 2"):
        opened(kits(tmp_path, kits=KitsConfig(3)))
    (case / "segmentations" / "kidney_instance-1_annotation-2.nii.gz").unlink()
    with pytest.raises(CohortError, match=r"but kidney 1 has 1\. Choose one"):
        label_of(kits(tmp_path, kits=KitsConfig(2)))


def test_kits19_has_one_annotation(tmp_path):
    write_case(tmp_path)
    with pytest.raises(CohortError, match=r"is union, but KiTS19 in .* has majority\."):
        opened(kits(tmp_path, kits=KitsConfig("union")))


def test_instances_on_other_grids_are_refused(tmp_path):
    case = write_kits21(tmp_path)
    file = case / "segmentations" / "tumor_instance-1_annotation-1.nii.gz"
    write(file, ct_arrays()[1][1:])
    with pytest.raises(CohortError, match="do not lie on one grid"):
        label_of(kits(tmp_path, kits=KitsConfig(1)))


def test_a_challenge_that_cannot_be_told(tmp_path):
    write_case(tmp_path, clinical="kits23.json")
    (tmp_path / "kits.json").write_text("[]")
    with pytest.raises(CohortError, match="has parts of KiTS19 and KiTS23"):
        opened(kits(tmp_path))
    for name in ("kits.json", "kits23.json"):
        (tmp_path / name).unlink()
    with pytest.raises(CohortError, match=r"has neither kits\.json"):
        opened(kits(tmp_path))


def test_no_cases(tmp_path):
    with pytest.raises(CohortError, match="no folders named like case_00000"):
        opened(kits(tmp_path))


def test_missing_images_tell_how_to_get_them(tmp_path):
    first, second = write_case(tmp_path, 0), write_case(tmp_path, 1)
    (second / "imaging.nii.gz").unlink()
    with pytest.raises(CohortError, match=r"the image: .*missing.*get_imaging"):
        opened(kits(tmp_path)).load("case_00001")
    (first / "imaging.nii.gz").unlink()
    with pytest.raises(CohortError, match=r"none of the 2 labelled.*get_imaging"):
        opened(kits(tmp_path))


def test_a_key_twice_in_the_clinical_table(tmp_path):
    write_case(tmp_path)
    row = (
        '{"case_id": "case_00000",\n"age_at_nephrectomy": 7,\n"age_at_nephrectomy": 70}'
    )
    (tmp_path / "kits.json").write_text(f"[{row}]")
    message = "'age_at_nephrectomy' is there twice, in lines 2 and 3; keep one, or down"
    with pytest.raises(CohortError, match=message):
        opened(kits(tmp_path))


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]", '[{"id": "case_00000"}]'])
def test_bad_clinical_tables(tmp_path, text):
    write_case(tmp_path)
    (tmp_path / "kits.json").write_text(text)
    with pytest.raises(CohortError, match="must be a list with a case_id"):
        opened(kits(tmp_path))


@pytest.mark.long
@pytest.mark.parametrize(
    ("edition", "name"),
    [("kits19", "case_00162"), ("kits19", "case_00037"), ("kits23", "case_00425")],
)
def test_real_masks(shared_data, tmp_path, edition, name):
    real = shared_data / "kits_masks" / edition
    mask = nib.load(real / name / "segmentation.nii.gz")
    numbers = np.asarray(mask.dataobj)
    case = tmp_path / name
    case.mkdir()
    (case / "segmentation.nii.gz").symlink_to(real / name / "segmentation.nii.gz")
    clinical = next(real.glob("*.json"))
    (tmp_path / clinical.name).symlink_to(clinical)
    # Air around soft tissue; the patient's left is marked by the affine alone.
    points = nib.affines.apply_affine(
        mask.affine, [[0, 0, 0], np.array(mask.shape) - 1]
    )
    middle_r = points[:, 0].mean()
    ct = np.full(mask.shape, -1000, np.int16)
    ct[:, 60:-60, 60:-60] = 40
    ct[numbers > 0] = 150
    nib.save(nib.Nifti1Image(ct, mask.affine), case / "imaging.nii.gz")

    got = opened(kits(tmp_path, WITH_CYST if edition == "kits23" else LABELS)).load(
        name
    )

    rows = {row["case_id"]: row for row in json.loads(clinical.read_text())}
    assert got.age_years == rows[name]["age_at_nephrectomy"]
    slices, height, width = mask.shape
    assert got.image.GetSize() == (width, height, slices)
    spacing = np.linalg.norm(mask.affine[:3, :3], axis=0)[::-1]
    np.testing.assert_allclose(got.image.GetSpacing(), spacing, rtol=1e-5)
    if "voxel_spacing" in rows[name]:
        told = [rows[name]["voxel_spacing"][f"{axis}_spacing"] for axis in "xyz"]
        np.testing.assert_allclose(got.image.GetSpacing(), told, rtol=1e-5)
    label = sitk.GetArrayFromImage(got.label)
    voxel_ml = np.prod(got.label.GetSpacing()) / 1000
    true_ml = abs(np.linalg.det(mask.affine[:3, :3])) / 1000
    for number in (1, 2, 3):
        volume_ml = (label == number).sum() * voxel_ml
        expected_ml = (numbers == number).sum() * true_ml
        assert volume_ml == pytest.approx(expected_ml, rel=1e-5)
    # RAS: smaller r is the patient's left, which is larger x in our frame.
    for number in (1, 2):
        r = nib.affines.apply_affine(mask.affine, np.argwhere(numbers == number))[:, 0]
        x = np.argwhere(label == number)[:, 2]
        assert ((r < middle_r).mean(), (r > middle_r).mean()) == (
            pytest.approx((x > (width - 1) / 2).mean()),
            pytest.approx((x < (width - 1) / 2).mean()),
        )
