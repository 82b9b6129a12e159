import json
import re
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.utilities.label_handling.label_handling import LabelManager

from deeprac.cohort.case import Side
from deeprac.cohort.convert import ConvertedSource
from deeprac.cohort.label_map import map_labels
from deeprac.cohort.nnunet_labels import read_labels
from deeprac.cohort.nnunet_raw import open_nnunet_raw
from deeprac.errors import CohortError
from deeprac.labels import Label
from support.cohort_builders import cohort_config, ct_arrays, volume, write_raw

WANTED = {"kidney": ("kidney",), "tumour": ("tumour", "tumor")}


def opened(config):
    return ConvertedSource(open_nnunet_raw(config), config)


def pair():
    image, label = ct_arrays()
    return volume(image), volume(label)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LPI", "AIR", "SLA"])
def test_every_orientation_gives_the_canonical_case(tmp_path, orientation):
    image, label = pair()
    turned = [sitk.DICOMOrient(v, orientation) for v in (image, label)]
    source = opened(write_raw(tmp_path / "raw", {"a": turned}))
    case = source.load("a")
    expected_image, expected_label = ct_arrays()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.image), expected_image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.label), expected_label)
    np.testing.assert_allclose(case.image.GetSpacing(), (0.8, 0.8, 3.0), rtol=1e-6)
    np.testing.assert_allclose(case.image.GetOrigin(), (-7, 11, 30), atol=1e-5)
    assert case.side is Side.LEFT


def test_labels_are_mapped_by_name(tmp_path):
    image, label = ct_arrays()
    label = np.array([0, 7, 4], np.uint8)[label]
    names = {"background": 0, "tumor": 4, "kidney": 7, "spleen": 9}
    config = write_raw(tmp_path, {"a": (volume(image), volume(label))}, labels=names)
    got = sitk.GetArrayFromImage(opened(config).load("a").label)
    np.testing.assert_array_equal(got, ct_arrays()[1])


def test_kidney_must_be_among_the_names():
    with pytest.raises(CohortError, match=r"has 0 \(background\), 1 \(Niere\)"):
        map_labels({0: "background", 1: "Niere"}, WANTED)


def test_without_tumour_among_the_names_kidney_is_enough():
    mapping = map_labels({0: "background", 3: "kidney"}, WANTED)
    assert mapping == {0: Label.BACKGROUND, 3: Label.KIDNEY}


def test_several_names_may_mean_kidney():
    wanted = {"kidney": ("left", "right"), "tumour": ("tumour",)}
    mapping = map_labels({0: "background", 1: "left", 2: "right"}, wanted)
    assert mapping == {0: 0, 1: Label.KIDNEY, 2: Label.KIDNEY}


def test_regions_without_an_order_are_refused(tmp_path):
    labels = {"background": 0, "kidney": [1, 2], "tumour": 2}
    config = write_raw(tmp_path, {"a": pair()}, labels=labels)
    with pytest.raises(CohortError, match=r"'kidney' is the region \[1, 2\]"):
        opened(config)


KITS = {"background": 0, "kidney": [1, 2, 3], "masses": [2, 3], "tumor": 2}


def write_regions(folder, labels=KITS, order=(1, 3, 2), **changes):
    """Kidney 1, tumour 2, and of the kidney one voxel of cyst 3, as in KiTS23."""
    image, label = ct_arrays()
    label[1, 4, 7] = 3
    config = write_raw(folder, {"a": (volume(image), volume(label))}, labels=labels)
    path = folder / "dataset.json"
    dataset = json.loads(path.read_text()) | {"regions_class_order": order}
    path.write_text(json.dumps(dataset))
    return replace(config, **changes)


def numbers_of(config, **names):
    """What the numbers 1, 2 and 3 become."""
    got = opened(replace(config, labels=names)).load("a").label
    numbers = sitk.GetArrayFromImage(got)
    return [int(numbers[at]) for at in ((1, 4, 8), (2, 4, 9), (1, 4, 7))]


def test_regions_of_kits23_are_read_as_cohort_labels_names_them(tmp_path):
    config = write_regions(tmp_path)
    cyst = 3
    for names, expected in [
        ({"kidney": ["kidney", "masses"], "tumour": ["tumor"]}, [1, 2, 1]),
        ({"kidney": ["kidney"], "tumour": ["tumor"]}, [1, 2, 1]),
        ({"kidney": ["Kidney"], "tumour": ["masses"]}, [1, 2, 2]),
        ({"kidney": ["kidney"], "tumour": ["tumor"], "cyst": ["masses"]}, [1, 2, cyst]),
        ({"kidney": ["kidney"], "background": ["masses"]}, [1, 0, 0]),
        ({"kidney": ["kidney"]}, [1, 1, 1]),
        ({"kidney": ["kidney"], "tumour": ["tumor"], "background": ["*"]}, [1, 2, 1]),
    ]:
        assert numbers_of(config, **names) == expected, names
    # The format's own names.
    got = sitk.GetArrayFromImage(opened(config).load("a").label)
    np.testing.assert_array_equal(got, ct_arrays()[1])


def test_regions_mean_what_nnunet_paints(tmp_path):
    """Each number comes back as itself when nnU-Net paints the regions that hold it."""
    manager = LabelManager(KITS, [1, 3, 2])
    probabilities = np.array(
        [[number in held for number in range(4)] for held in ((1, 2, 3), (2, 3), (2,))],
        float,
    )
    painted = manager.convert_probabilities_to_segmentation(probabilities)
    assert painted.tolist() == [0, 1, 2, 3]
    dataset = {"labels": KITS, "regions_class_order": [1, 3, 2]}
    config = cohort_config(labels={"kidney": ["all three"]})
    names = read_labels(dataset, config, tmp_path).names
    assert names == {0: "background", 1: "kidney", 2: "tumor", 3: "masses"}


def test_a_region_may_join_numbers_that_nobody_paints(tmp_path):
    config = write_regions(tmp_path, {"kidney": [1, 3], "tumour": 2}, [1, 2])
    assert numbers_of(config, kidney=["kidney"], tumour=["tumour"]) == [1, 2, 1]


@pytest.mark.parametrize(
    ("labels", "order", "message"),
    [
        (
            KITS,
            [1, 3],
            r"'kidney' is the region \[1, 2, 3\], so nnU-Net wants regions_",
        ),
        (KITS, ["1", "3", "2"], r"for each of 3 regions; it is \['1', '3', '2'\]"),
        # Painted so, the tumour would come back as 3.
        (
            KITS,
            [1, 2, 3],
            r"number 2 lies last in the region 'tumor'.* paints that as 3",
        ),
        # Kidney is painted over the tumour that lies in it.
        (
            {"tumor": [2], "kidney": [1, 2, 3]},
            [2, 1],
            "number 2 lies in the regions 'tumor' and 'kidney', and the second is no",
        ),
        (
            {"kidney": [1, 3], "tumor": [2, 3]},
            [1, 2],
            "number 3 lies in the regions 'kidney' and 'tumor', and the second is no",
        ),
        ({"kidney": [], "tumor": 2}, [1, 2], r"label 'kidney' is \[\]"),
        ({"kidney": [1, True], "tumor": 2}, [1, 2], r"label 'kidney' is \[1, True\]"),
        (KITS | {"ignore": 3}, [1, 3, 2], "two labels have the same number"),
    ],
)
def test_regions_that_leave_open_what_a_number_shows(tmp_path, labels, order, message):
    config = write_regions(tmp_path, labels, order)
    with pytest.raises(CohortError, match=message):
        opened(config)
    # The remedy that the messages name.
    config = replace(config, label_numbers={"kidney": 1, "tumour": 2, "cyst": 3})
    if not re.search("label '", message):
        assert numbers_of(config, kidney=["kidney", "cyst"], tumour=["tumour"]) == [
            1,
            2,
            1,
        ]


def test_label_numbers_take_the_place_of_the_labels(tmp_path):
    labels = {"background": 0, "kidney": 2, "tumour": 1}  # wrong: they are swapped
    config = write_raw(tmp_path, {"a": pair()}, labels=labels)
    config = replace(config, label_numbers={"kidney": 1, "tumour": 2})
    got = sitk.GetArrayFromImage(opened(config).load("a").label)
    np.testing.assert_array_equal(got, ct_arrays()[1])


def write_ignored(folder, **changes):
    """Case a has three voxels that nobody labelled, case b none."""
    image, label = ct_arrays()
    label[0, 0, :3] = 3
    labels = {"background": 0, "kidney": 1, "tumour": 2, "ignore": 3}
    cases = {"a": (volume(image), volume(label)), "b": pair()}
    return replace(write_raw(folder, cases, labels=labels), **changes)


@pytest.mark.parametrize("background", [[], ["*"]])
def test_cases_with_voxels_to_ignore_are_refused(tmp_path, background):
    config = write_ignored(tmp_path)
    labels = dict(config.labels) | {"background": background}
    source = opened(replace(config, labels=labels))
    with pytest.raises(CohortError, match="3 voxels hold 3, nnU-Net's label 'ignore'"):
        source.load("a")
    assert source.load("b")


@pytest.mark.parametrize("title", ["background", "tumour"])
def test_ignore_cannot_be_given_a_meaning(tmp_path, title):
    config = write_ignored(tmp_path)
    labels = dict(config.labels) | {title: ["Ignore"]}
    with pytest.raises(CohortError, match=f"cohort.labels.{title} names 'ignore', nnU"):
        opened(replace(config, labels=labels))


def test_the_number_to_ignore_can_be_given_a_class(tmp_path):
    numbers = {"kidney": 1, "tumour": 2}
    source = opened(write_ignored(tmp_path / "x", label_numbers=numbers))
    with pytest.raises(CohortError, match="3 voxels hold 3, nnU-Net's label 'ignore'"):
        source.load("a")
    config = write_ignored(tmp_path, label_numbers=numbers | {"fat": 3})
    labels = dict(config.labels) | {"background": ["fat"]}
    got = opened(replace(config, labels=labels)).load("a").label
    np.testing.assert_array_equal(sitk.GetArrayFromImage(got), ct_arrays()[1])


def test_a_key_twice_in_dataset_json(tmp_path):
    config = write_raw(tmp_path, {"a": pair()})
    path = tmp_path / "dataset.json"
    text = json.dumps(json.loads(path.read_text()), indent=1)
    path.write_text(text[:-2] + ',\n "labels": {"tumour": 1, "kidney": 2}\n}')
    with pytest.raises(CohortError, match="the key 'labels' twice, in lines 5 and 12"):
        opened(config)
    path.write_text('{"dataset": {"Schubert": {}, "Schubert": {}}}')
    with pytest.raises(CohortError, match=r"json has a case twice, in line 1"):
        opened(config)


def test_accents_of_names_match_composed_or_not(tmp_path):
    config = write_raw(tmp_path, {"L\xe9ka\u0159": pair()})
    label = tmp_path / "labelsTr" / "L\xe9ka\u0159.nii.gz"
    label.rename(label.with_name("Le\u0301kar\u030c.nii.gz"))
    source = opened(config)
    assert source.names() == ["L\xe9ka\u0159"]
    assert source.load("L\xe9ka\u0159")
    write = tmp_path / "labelsTr" / "L\xe9ka\u0159.nii.gz"
    write.write_bytes(b"")
    with pytest.raises(CohortError, match="differ only in how their accents"):
        opened(config)


def test_labels_by_number_are_refused_in_version_2(tmp_path):
    config = write_raw(tmp_path, {"a": pair()}, labels={"0": "background"})
    with pytest.raises(CohortError, match=r"label '0' is 'background'.*version 2"):
        opened(config)


def test_two_channels_are_refused(tmp_path):
    config = write_raw(tmp_path, {"a": pair()})
    path = tmp_path / "dataset.json"
    dataset = json.loads(path.read_text()) | {"channel_names": {"0": "CT", "1": "MR"}}
    path.write_text(json.dumps(dataset))
    with pytest.raises(CohortError, match="CT as its only channel"):
        opened(config)


def test_folder_without_dataset_json(tmp_path):
    with pytest.raises(CohortError, match=r"dataset\.json is missing"):
        opened(cohort_config(format="nnunet_raw", path=tmp_path))


def test_broken_dataset_json(tmp_path):
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(CohortError, match="not valid JSON"):
        opened(cohort_config(format="nnunet_raw", path=tmp_path))


def test_wrong_file_ending_finds_no_case(tmp_path):
    config = write_raw(tmp_path, {})
    with pytest.raises(CohortError, match=r"holds no \*_0000\.nii\.gz"):
        opened(config)


def test_patients_come_from_the_table(tmp_path):
    config = write_raw(tmp_path / "raw", {"1": pair(), "2": pair()})
    table = tmp_path / "patients.csv"
    table.write_text("case,patient,note\n2,007,x\n1,007,y\n9,008,z\n")
    config = cohort_config(format="nnunet_raw", path=config.path, patients=table)
    source = opened(config)
    assert source.names() == ["1", "2"]
    assert source.load("1").patient == "007"


def test_without_a_table_every_case_is_a_patient(tmp_path):
    source = opened(write_raw(tmp_path, {"a": pair(), "b": pair()}))
    assert [source.load(name).patient for name in source.names()] == ["a", "b"]


def test_all_problems_of_a_case_are_told_together(tmp_path):
    image, label = ct_arrays()
    image = volume(image.clip(0, 255))
    label = volume(label + np.uint8(6))
    label.SetOrigin((0, 0, 0))
    source = opened(write_raw(tmp_path, {"a": (image, label)}))
    with pytest.raises(CohortError) as error:
        source.load("a")
    for part in ("not on one grid", "windowed picture", "not mapped: 6 (no name)"):
        assert part in str(error.value)


def test_image_and_label_of_different_sizes(tmp_path):
    image, label = ct_arrays()
    label = volume(label, spacing_mm=(0.8, 0.8, 2.5))
    source = opened(write_raw(tmp_path, {"a": (volume(image), label)}))
    with pytest.raises(CohortError, match="Resample the label"):
        source.load("a")


def test_a_label_without_image_is_missed(tmp_path):
    good, (_, label) = pair(), pair()
    source = opened(write_raw(tmp_path, {"a": good, "b": (None, label)}))
    with pytest.raises(CohortError, match=r"the image: .* is missing"):
        source.load("b")


def test_settings_change_with_the_files(tmp_path):
    config = write_raw(tmp_path, {"a": pair()})
    before = opened(config).settings("a")
    image, _ = pair()
    path = tmp_path / "imagesTr" / "a_0000.nii.gz"
    sitk.WriteImage(image + 1, str(path))
    assert opened(config).settings("a") != before


def test_values_beyond_int16_become_float32(tmp_path):
    image, label = ct_arrays()
    image = image.astype(np.float32)
    image[0, 5, 5] = 12.5
    source = opened(write_raw(tmp_path, {"a": (volume(image), volume(label))}))
    got = sitk.GetArrayFromImage(source.load("a").image)
    assert got.dtype == np.float32
    assert got[0, 5, 5] == 12.5


def test_real_single_slices(shared_data):
    folder = shared_data / "kits_slices_nnunet"
    config = cohort_config(
        format="nnunet_raw",
        path=folder,
        patients=folder / "patients.csv",
        intensity="grey",
    )
    source = opened(config)
    assert len(source.names()) == 81
    case = source.load("kits00160_s098")
    assert case.image.GetSize() == (796, 512, 1)
    # The README of the set: 7182 kidney pixels and 14165 tumour pixels.
    label = sitk.GetArrayFromImage(source.load("kits00025_s060").label)
    assert [(label == n).sum() for n in (1, 2)] == [7182, 14165]


def test_real_ct_with_a_mass_on_the_right(shared_data):
    config = cohort_config(
        format="nnunet_raw", path=shared_data / "real_ct_nnunet", patients=None
    )
    case = opened(config).load("ircad_07")
    label = sitk.GetArrayFromImage(case.label)
    voxel_ml = np.prod(case.label.GetSpacing()) / 1000
    # The README of the set: a mass of 669 ml, on the right.
    assert (label == Label.TUMOUR).sum() * voxel_ml == pytest.approx(669, abs=2)
    assert case.side is Side.RIGHT


def write_version_1(folder, names=("a", "b"), **changes):
    """A dataset of version 1: the list has no ``_0000``, the images' files do."""
    config = write_raw(folder, dict.fromkeys(names, pair()))
    dataset = {
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "kidney", "2": "tumor"},
        "training": [
            {"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"}
            for n in names
        ],
    }
    (folder / "dataset.json").write_text(json.dumps(dataset | changes))
    return config


def test_version_1(tmp_path):
    # An image that is not listed is not part of the dataset.
    config = write_version_1(tmp_path, ("a", "b", "c"))
    dataset = json.loads((tmp_path / "dataset.json").read_text())
    dataset["training"].pop()
    (tmp_path / "dataset.json").write_text(json.dumps(dataset))
    source = opened(config)
    assert source.names() == ["a", "b"]
    got = sitk.GetArrayFromImage(source.load("b").label)
    np.testing.assert_array_equal(got, ct_arrays()[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": {"0": "CT", "1": "MRI"}}, "CT as its only channel"),
        ({"labels": {"kidney": 1}}, "label 'kidney' is 1. It must be"),
        ({"training": ["imagesTr/a.nii.gz"]}, "entry 1 of 'training' must have"),
        ({"training": []}, "lists no training cases"),
    ],
)
def test_bad_version_1(tmp_path, changes, message):
    with pytest.raises(CohortError, match=message):
        opened(write_version_1(tmp_path, **changes))


def test_the_decathlons_layout_is_told_apart(tmp_path):
    config = write_version_1(tmp_path, ("a",))
    images = tmp_path / "imagesTr"
    (images / "a_0000.nii.gz").rename(images / "a.nii.gz")
    with pytest.raises(CohortError, match=r"Set cohort\.format to msd"):
        opened(config)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_other_file_endings(tmp_path, ending):
    config = write_raw(tmp_path, {"a": pair()})
    dataset = json.loads((tmp_path / "dataset.json").read_text())
    dataset["file_ending"] = ending
    (tmp_path / "dataset.json").write_text(json.dumps(dataset))
    for path in [*tmp_path.rglob("*.nii.gz")]:
        volume_there = sitk.DICOMOrient(sitk.ReadImage(str(path)), "RAI")
        target = path.with_name(path.name.removesuffix(".nii.gz") + ending)
        sitk.WriteImage(volume_there, str(target))
        path.unlink()
    got = sitk.GetArrayFromImage(opened(config).load("a").label)
    np.testing.assert_array_equal(got, ct_arrays()[1])


def test_files_listed_under_dataset(tmp_path, monkeypatch):
    config = write_raw(tmp_path / "raw", {"a": pair()})
    monkeypatch.setenv("SCANS", str(tmp_path / "raw" / "imagesTr"))
    path = tmp_path / "raw" / "dataset.json"
    files = {"images": ["$SCANS/a_0000.nii.gz"], "label": "labelsTr/a.nii.gz"}
    dataset = json.loads(path.read_text())
    path.write_text(json.dumps(dataset | {"dataset": {"child 1": files}}))
    case = opened(config).load("child 1")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.image), ct_arrays()[0])
    files["images"] *= 2
    path.write_text(json.dumps(dataset | {"dataset": {"child 1": files}}))
    with pytest.raises(CohortError, match="entry 1 of 'dataset' must have a list of"):
        opened(config)


def test_hidden_files_of_archives_are_no_cases(tmp_path):
    config = write_raw(tmp_path, {"a": pair()})
    for name in ("imagesTr/._a_0000.nii.gz", "labelsTr/._a.nii.gz"):
        (tmp_path / name).write_bytes(b"Mac OS X")
    assert opened(config).names() == ["a"]


def test_two_labels_of_one_number_are_refused(tmp_path):
    config = write_raw(tmp_path, {"a": pair()}, labels={"kidney": 1, "tumour": 1})
    with pytest.raises(CohortError, match="two labels have the same number"):
        opened(config)
