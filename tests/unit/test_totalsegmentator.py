import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.convert import ConvertedSource
from deeprac.cohort.findings import CaseError, Severity
from deeprac.cohort.totalsegmentator import open_totalsegmentator
from deeprac.errors import CohortError
from deeprac.labels import source_names
from support.cohort_builders import cohort_config, ct_arrays, volume

IMAGE, LABEL = ct_arrays()
EMPTY = np.zeros_like(LABEL)
# The kidney of ``ct_arrays`` and one more, as far to the right.
LEFT = (LABEL == 1).astype(np.uint8)
RIGHT = LEFT[:, :, ::-1].copy()
BOTH = {"kidney_left": LEFT, "kidney_right": RIGHT}


def write(path, array, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(volume(array, **changes), str(path))


def write_case(folder, masks=BOTH, *, image="ct.nii.gz", below="segmentations"):
    """One case: masks by name, and the image's place in its folder."""
    folder.mkdir(parents=True)
    if image is not None:
        write(folder / image, IMAGE)
    for name, mask in masks.items():
        write(folder / below / f"{name}.nii.gz", mask)
    return folder


def config(root, labels=None, **changes):
    names = source_names("totalsegmentator", labels or {})
    return cohort_config(format="totalsegmentator", path=root, labels=names, **changes)


def opened(root, labels=None, **changes):
    settings = config(root, labels, **changes)
    return ConvertedSource(open_totalsegmentator(settings), settings)


def label_of(source, name):
    return sitk.GetArrayFromImage(source.load(name).label)


@pytest.mark.parametrize(
    ("image", "below"),
    [
        ("ct.nii.gz", "segmentations"),
        ("ct.nii", "segmentations"),
        ("ct.nii.gz", "."),
        ("../s0001.nii.gz", "."),
        ("../s0001.nii.gz", "segmentations"),
    ],
)
def test_every_place_of_image_and_masks(tmp_path, image, below):
    write_case(tmp_path / "s0001", image=image, below=below)
    source = opened(tmp_path)
    assert source.names() == ["s0001"]
    np.testing.assert_array_equal(label_of(source, "s0001"), LEFT + RIGHT)
    got = sitk.GetArrayFromImage(source.load("s0001").image)
    np.testing.assert_array_equal(got, IMAGE)


def test_other_organs_are_not_even_opened(tmp_path):
    folder = write_case(tmp_path / "s0001")
    (folder / "segmentations" / "liver.nii.gz").write_bytes(b"")
    source = opened(tmp_path)
    np.testing.assert_array_equal(label_of(source, "s0001"), LEFT + RIGHT)
    before = source.settings("s0001")
    (folder / "segmentations" / "liver.nii.gz").write_bytes(b"changed")
    assert opened(tmp_path).settings("s0001") == before
    write(folder / "segmentations" / "kidney_left.nii.gz", EMPTY)
    assert opened(tmp_path).settings("s0001") != before


def test_a_tumour_of_ones_own_lies_above_the_kidney(tmp_path):
    whole = (LABEL > 0).astype(np.uint8)
    masks = {"kidney_left": whole, "kidney_right": EMPTY, "Kidney-Tumor": LABEL == 2}
    write_case(tmp_path / "a", {n: np.uint8(m) * 255 for n, m in masks.items()})
    case = opened(tmp_path).load("a")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.label), LABEL)
    # 2 voxels of tumour in ``ct_arrays``.
    (overlap,) = [one for one in case.findings if one.check == "label overlap"]
    assert overlap.severity is Severity.NOTE
    assert overlap.message == "2 voxels are both kidney and tumour; taken as tumour"


def test_cysts_are_kidney_or_a_class_or_ignored(tmp_path):
    cyst = (LABEL == 2).astype(np.uint8)
    cysts = {"kidney_cyst_left": cyst, "kidney_cyst_right": EMPTY}
    write_case(tmp_path / "a", BOTH | cysts)
    kidneys = ["kidney_left", "kidney_right"]
    for labels, number in [
        ({}, 1),
        ({"kidney": kidneys, "cyst": list(cysts)}, 3),
        ({"kidney": kidneys, "background": list(cysts)}, 0),
        ({"kidney": kidneys, "background": ["*"]}, 0),
    ]:
        expected = LEFT + RIGHT + number * cyst
        np.testing.assert_array_equal(label_of(opened(tmp_path, labels), "a"), expected)


def test_a_kidneys_mask_that_nobody_named_is_told(tmp_path):
    cyst = (LABEL == 2).astype(np.uint8)
    write_case(tmp_path / "a", BOTH | {"kidney_cyst_left": cyst})
    labels = {"kidney": ["kidney_left", "kidney_right"]}
    with pytest.raises(CaseError, match=r"not mapped: 1 \(kidney_cyst_left\)"):
        opened(tmp_path, labels).load("a")


def test_the_sides_can_be_kept_apart(tmp_path):
    write_case(tmp_path / "a")
    sides = {"kidney_left": ["kidney_left"], "kidney_right": ["kidney_right"]}
    got = label_of(opened(tmp_path, sides), "a")
    np.testing.assert_array_equal(got, LEFT + 3 * RIGHT)


def test_ages_of_the_training_data(tmp_path):
    for name in ("s0001", "s0002", "s0003"):
        write_case(tmp_path / name)
    text = "image_id;age;gender;split\ns0001;64;m;train\ns0002;;f;test\ns9999;7;f;val\n"
    (tmp_path / "meta.csv").write_text(text, encoding="utf-8-sig")
    source = opened(tmp_path)
    ages = [source.load(name).age_years for name in source.names()]
    assert ages == [64, None, None]
    with (tmp_path / "meta.csv").open("a") as stream:
        stream.write("s0001;64;m;train\n")
    with pytest.raises(CohortError, match="lists a case twice, in lines 2, 5"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"kidney_left": LEFT}, "the mask kidney_left has none of the other side"),
        ({"liver": LEFT}, r"no mask of a kidney \(kidney_left, kidney_right, kidney_c"),
        (dict.fromkeys(BOTH, EMPTY), "the label has no kidney: cohort.labels.kidney"),
        (BOTH | {"tumour": LABEL}, "mask tumour: it holds values from 0 to 2, but"),
        (BOTH | {"tumour": LABEL * 0.25}, "mask tumour: it holds values from 0 to 0.5"),
        (BOTH | {"tumour": LEFT * np.nan}, "mask tumour: it holds values from nan"),
        (BOTH | {"tumour": -1.0 * LEFT}, "mask tumour: it holds values from -1 to"),
    ],
)
def test_bad_masks(tmp_path, masks, message):
    write_case(tmp_path / "a", masks)
    write_case(tmp_path / "good")
    source = opened(tmp_path)
    with pytest.raises(CaseError, match=message):
        source.load("a")
    assert source.load("good")


def test_damaged_and_missing_files_are_told(tmp_path):
    folder = write_case(tmp_path / "a", image=None)
    (folder / "segmentations" / "kidney_right.nii.gz").write_bytes(b"")
    with pytest.raises(CaseError) as error:
        opened(tmp_path).load("a")
    assert "the image: the file is missing. Put it into the case's" in str(error.value)
    assert "the label: mask kidney_right: the file is empty." in str(error.value)


def test_a_mask_on_another_grid_is_told(tmp_path):
    folder = write_case(tmp_path / "a")
    write(folder / "segmentations" / "tumour.nii.gz", LEFT, spacing_mm=(1, 1, 3))
    with pytest.raises(CaseError, match="image and label are not on one grid"):
        opened(tmp_path).load("a")


def test_a_mask_turned_by_another_program_is_turned_back(tmp_path):
    folder = write_case(tmp_path / "a")
    mask = sitk.DICOMOrient(volume(np.uint8(LABEL == 2)), "RAI")
    sitk.WriteImage(mask, str(folder / "segmentations" / "tumour.nrrd"))
    expected = LEFT + RIGHT + 2 * (LABEL == 2)
    np.testing.assert_array_equal(label_of(opened(tmp_path), "a"), expected)


def test_a_segmentation_of_3d_slicer_is_not_taken_for_a_mask(tmp_path):
    folder = write_case(tmp_path / "a")
    write(folder / "segmentations" / "tumour.seg.nrrd", LEFT)
    with pytest.raises(CaseError, match="mask tumour: it is a segmentation of 3D Sl"):
        opened(tmp_path).load("a")


def test_folders_that_are_not_laid_out_so(tmp_path):
    with pytest.raises(CohortError, match="holds no cases"):
        opened(tmp_path)
    folder = write_case(tmp_path / "a", {"liver": LEFT})
    with pytest.raises(CohortError, match="no case with a mask that is called as"):
        opened(tmp_path)
    with pytest.raises(CohortError, match="no case with a mask that is called as"):
        opened(folder)
    write(tmp_path / "a.nii.gz", IMAGE)
    with pytest.raises(CohortError, match="an image in its folder"):
        opened(tmp_path)


def test_one_mask_in_two_files_is_refused(tmp_path):
    folder = write_case(tmp_path / "a")
    write(folder / "segmentations" / "kidney_left.nii", EMPTY)
    with pytest.raises(CohortError, match="two files whose names differ only in their"):
        opened(tmp_path)


def test_organs_are_named_while_names_are_hidden(tmp_path):
    write_case(tmp_path / "Schubert_Franz", {"kidney_left": LEFT})
    source = opened(tmp_path, pseudonyms=True, private=tmp_path / "private")
    (name,) = source.names()
    with pytest.raises(CohortError) as error:
        source.load(name)
    assert "the mask kidney_left has none of the other side" in str(error.value)
    assert "Schubert" not in str(error.value)
