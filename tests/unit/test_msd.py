import json

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.convert import ConvertedSource
from deeprac.cohort.nnunet_raw import open_msd
from deeprac.errors import CohortError
from deeprac.labels import Label
from support.cohort_builders import cohort_config, ct_arrays, volume


def write_msd(folder, names=("a", "b"), **changes):
    """A task of the Decathlon; its images and labels are of one case."""
    image, label = (volume(array) for array in ct_arrays())
    for sub in ("imagesTr", "labelsTr"):
        (folder / sub).mkdir(parents=True)
    for name in names:
        sitk.WriteImage(image, str(folder / f"imagesTr/{name}.nii.gz"))
        sitk.WriteImage(label, str(folder / f"labelsTr/{name}.nii.gz"))
    return write_dataset(folder, names, **changes)


def write_dataset(folder, names, **changes):
    dataset = {
        "name": "Kidneys",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "kidney", "2": "tumour"},
        "numTraining": len(names),
        "training": [
            {"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"}
            for n in names
        ],
        "test": ["./imagesTs/x.nii.gz"],
    }
    (folder / "dataset.json").write_text(json.dumps(dataset | changes))
    return cohort_config(format="msd", path=folder)


def opened(config):
    return ConvertedSource(open_msd(config), config)


def test_cases_come_from_the_list(tmp_path):
    config = write_msd(tmp_path / "Task11 Kidney", ("b", "a"))
    # Not listed: another file, and what macOS leaves in archives.
    for name in ("c.nii.gz", "._a.nii.gz"):
        (config.path / "imagesTr" / name).write_bytes(b"x")
    source = opened(config)
    assert source.names() == ["a", "b"]
    case = source.load("a")
    for got, expected in zip((case.image, case.label), ct_arrays(), strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(got), expected)


def test_a_hidden_file_that_is_listed_is_no_case(tmp_path):
    write_msd(tmp_path, ("a",))
    assert opened(write_dataset(tmp_path, ("a", "._a"))).names() == ["a"]


def test_four_dimensions_with_one_frame(tmp_path):
    config = write_msd(tmp_path, ("a",))
    image, _ = (volume(array) for array in ct_arrays())
    sitk.WriteImage(sitk.JoinSeries([image]), str(tmp_path / "imagesTr/a.nii.gz"))
    case = opened(config).load("a")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.image), ct_arrays()[0])
    sitk.WriteImage(
        sitk.JoinSeries([image, image]), str(tmp_path / "imagesTr/a.nii.gz")
    )
    with pytest.raises(CohortError, match=r"the image: .*several frames"):
        opened(config).load("a")


def entry(name):
    return {"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": {"0": "CT", "1": "PET"}}, "CT as its only channel"),
        ({"modality": {}}, "CT as its only channel"),
        ({"labels": {"0": "background", "1": "liver"}}, "no.*kidney|has .*liver"),
        ({"labels": ["kidney"]}, "'labels' must be a mapping"),
        ({"training": [entry("a"), entry("b"), entry("a")]}, "entries 1 and 3 of"),
        (
            {"training": [entry("a"), {**entry("b"), "label": "labelsTr/a.nii.gz"}]},
            "entries 1 and 2 of 'training' list the same file",
        ),
        (
            {"training": [entry("a"), {**entry("b"), "label": "labels/a.nii.gz"}]},
            "entry 2 of 'training' has a label of the same name",
        ),
        ({"training": [{"image": "imagesTr/a.nii.gz"}]}, "entry 1 of .* must have an"),
        ({"training": [entry("x")]}, "none of the 1 images that it lists is there"),
    ],
)
def test_bad_datasets(tmp_path, changes, message):
    with pytest.raises(CohortError, match=message):
        opened(write_msd(tmp_path, **changes))


def test_a_dataset_without_modality(tmp_path):
    path = write_msd(tmp_path).path / "dataset.json"
    dataset = json.loads(path.read_text())
    del dataset["modality"]
    path.write_text(json.dumps(dataset))
    with pytest.raises(CohortError, match="has no 'modality'"):
        opened(cohort_config(format="msd", path=tmp_path))


def test_a_missing_image_is_a_problem_of_its_case(tmp_path):
    config = write_msd(tmp_path)
    (tmp_path / "imagesTr" / "b.nii.gz").unlink()
    source = opened(config)
    source.load("a")
    with pytest.raises(CohortError, match="the image: the file is missing"):
        source.load("b")


def test_patients_come_from_the_table(tmp_path):
    config = write_msd(tmp_path / "msd")
    table = tmp_path / "patients.csv"
    table.write_text("case,patient,age_years\na,p,4.5\nb,p,5\n")
    source = opened(cohort_config(format="msd", path=config.path, patients=table))
    cases = [source.load(name) for name in "ab"]
    assert [(case.patient, case.age_years) for case in cases] == [("p", 4.5), ("p", 5)]


def test_real_ct_laid_out_as_a_task(shared_data, tmp_path):
    real = shared_data / "real_ct_nnunet"
    for sub in ("imagesTr", "labelsTr"):
        (tmp_path / sub).mkdir()
    for path in (real / "labelsTr").glob("*.nii.gz"):
        (tmp_path / "labelsTr" / path.name).symlink_to(path)
        image = path.name.replace(".nii.gz", "_0000.nii.gz")
        (tmp_path / "imagesTr" / path.name).symlink_to(real / "imagesTr" / image)
    config = write_dataset(tmp_path, ("ircad_01", "ircad_07", "totalseg_example"))
    source = opened(config)
    assert len(source.names()) == 3
    case = source.load("ircad_07")
    label = sitk.GetArrayFromImage(case.label)
    voxel_ml = np.prod(case.label.GetSpacing()) / 1000
    # The README of the set: a mass of 669 ml.
    assert (label == Label.TUMOUR).sum() * voxel_ml == pytest.approx(669, abs=2)
