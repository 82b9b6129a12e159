import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from deeprac.cohort.convert import ConvertedSource
from deeprac.cohort.pairs import open_pairs
from deeprac.errors import CohortError
from deeprac.labels import source_names
from support.cohort_builders import cohort_config, ct_arrays, volume


def write_volumes(folder, name, ending=".nii.gz"):
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in zip(("ct", "seg"), ct_arrays(), strict=True):
        target = folder / f"{name}_{kind}{ending}"
        sitk.WriteImage(sitk.DICOMOrient(volume(array), "RAI"), str(target))


def pairs(folder, text, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return cohort_config(
        format="pairs", path=path, **({"labels": source_names("pairs", {})} | changes)
    )


def opened(config):
    return ConvertedSource(open_pairs(config), config)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_paths_are_relative_to_the_table(tmp_path, ending):
    write_volumes(tmp_path / "Bilder für Ärzte", "x", ending)
    row = f"Bilder für Ärzte/x_ct{ending},Bilder für Ärzte/x_seg{ending}"
    source = opened(pairs(tmp_path, f"image,label\n{row}\n"))
    assert source.names() == ["x_ct"]
    case = source.load("x_ct")
    for got, expected in zip((case.image, case.label), ct_arrays(), strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(got), expected)
    assert (case.patient, case.age_years) == ("x_ct", None)


def test_case_patient_and_age_are_read(tmp_path):
    for name in "abc":
        write_volumes(tmp_path / "scans", name)
    rows = [f"scans/{n}_ct.nii.gz,scans/{n}_seg.nii.gz" for n in "abc"]
    text = (
        "image,label,case,patient,age_years\n"
        f"{rows[0]},before,p1,2.5\n{rows[1]},after,p1,3\n{rows[2]},other,p2,\n"
    )
    source = opened(pairs(tmp_path, text))
    cases = {name: source.load(name) for name in source.names()}
    assert {n: (c.patient, c.age_years) for n, c in cases.items()} == {
        "before": ("p1", 2.5),
        "after": ("p1", 3),
        "other": ("p2", None),
    }


def test_numbers_are_named_by_the_configuration(tmp_path):
    image, label = ct_arrays()
    sitk.WriteImage(volume(image), str(tmp_path / "ct.nii.gz"))
    label = np.array([0, 7, 4], np.uint8)[label]
    sitk.WriteImage(volume(label), str(tmp_path / "seg.nii.gz"))
    config = pairs(
        tmp_path,
        "image,label\nct.nii.gz,seg.nii.gz\n",
        label_numbers={"Niere": 7, "Tumor": 4},
        labels=source_names("pairs", {"kidney": ["Niere"]}),
    )
    got = sitk.GetArrayFromImage(opened(config).load("ct").label)
    np.testing.assert_array_equal(got, ct_arrays()[1])


def test_unknown_numbers_are_told(tmp_path):
    image, label = ct_arrays()
    sitk.WriteImage(volume(image), str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(volume(label * 4), str(tmp_path / "seg.nii.gz"))
    config = pairs(tmp_path, "image,label\nct.nii.gz,seg.nii.gz\n")
    with pytest.raises(CohortError, match=r"4 \(no name\), 8 \(no name\)"):
        opened(config).load("ct")


def test_segments_of_3d_slicer_bring_their_names(tmp_path):
    array, label = ct_arrays()
    image = volume(array)
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    lps_from_ijk_mm = np.diag([*image.GetSpacing(), 1])
    lps_from_ijk_mm[:3, 3] = image.GetOrigin()
    content = slicerio.create_segmentation(array.T.shape, lps_from_ijk_mm)
    # The kidney as the whole organ, the tumour once more on top: two layers.
    for name, mask in (("Kidney", label > 0), ("Tumor", label == 2)):
        slicerio.add_segment(content, mask.T, {"id": name, "name": name})
    slicerio.write_segmentation(str(tmp_path / "Seg.seg.nrrd"), content)
    config = pairs(tmp_path, "image,label\nct.nrrd,Seg.seg.nrrd\n")
    case = opened(config).load("ct")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.label), label)


def test_accents_of_paths_match_composed_or_not(tmp_path):
    composed, decomposed = "L\xe9ka\u0159", "Le\u0301kar\u030c"
    write_volumes(tmp_path / decomposed, composed)
    row = f"{composed}/{decomposed}_ct.nii.gz;{composed}/{composed}_seg.nii.gz"
    source = opened(pairs(tmp_path, f"image;label;case;;\n{row};a;;\n"))
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(source.load("a").label), ct_arrays()[1]
    )


def test_one_file_in_two_spellings_is_one_file(tmp_path):
    write_volumes(tmp_path, "\xe9")
    rows = "\xe9_ct.nii.gz,a.nii\ne\u0301_ct.nii.gz,b.nii\n"
    with pytest.raises(CohortError, match="a file twice, in lines 2, 3"):
        opened(pairs(tmp_path, f"image,label\n{rows}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,mask\na,b\n", "has the columns image, mask. It needs the columns im"),
        ("image,label,sex\na,b,f\n", "case, patient, age_years may be there"),
        ("image,label\n", "lists no pairs"),
        ("image,label\na.nii,\n", "no label in line 2"),
        ("image,label,case\na.nii,b.nii,\n", "no case in line 2"),
        ("image,label,patient\na.nii,b.nii,\n", "no patient in line 2"),
        ("image,label\na.nii,b.nii\na.nii,c.nii\n", "a file twice, in lines 2, 3"),
        ("image,label\na.nii,b.nii\nc.nii,x/../b.nii\n", "a file twice, in lines 2, 3"),
        ("image,label\na.nii,a.nii\n", "in line 2 are the same file"),
        ("image,label,case\na.nii,b.nii,x\nc.nii,d.nii,x\n", "same case in lines 2, 3"),
        ("image,label\np/ct.nii,b.nii\nq/ct.nii,d.nii\n", "same file name in lines 2"),
        ("image,label,age_years\na.nii,b.nii,old\n", "number of years.*line 2"),
        ("image,label,patient\na,b,P 1\nc,d,p1\n", "case and spaces.*line 2 and line"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    with pytest.raises(CohortError, match=message):
        opened(pairs(tmp_path, text))


def test_patients_are_given_once(tmp_path):
    table = tmp_path / "patients.csv"
    table.write_text("case,patient\na,p\n")
    config = pairs(tmp_path, "image,label,patient\na.nii,b.nii,p\n", patients=table)
    with pytest.raises(CohortError, match=r"cohort\.patients is set too"):
        opened(config)
    config = pairs(tmp_path, "image,label\na.nii,b.nii\n", patients=table)
    assert open_pairs(config)["a"].patient == "p"


def test_both_files_of_a_case_are_told(tmp_path):
    (tmp_path / "b.txt").write_text("x")
    source = opened(pairs(tmp_path, "image,label\na.nii,b.txt\n"))
    with pytest.raises(CohortError) as error:
        source.load("a")
    assert "the image: the file is missing" in str(error.value)
    assert "the label: the file is of no known kind" in str(error.value)


def test_real_ct(shared_data, tmp_path):
    real = shared_data / "real_ct_nnunet"
    image = real / "imagesTr" / "totalseg_example_0000.nii.gz"
    row = f"{image},{real}/labelsTr/totalseg_example.nii.gz"
    config = pairs(tmp_path, f"image,label,case\n{row},totalseg\n")
    case = opened(config).load("totalseg")
    assert case.image.GetSize() == (122, 101, 112)
    np.testing.assert_allclose(case.image.GetSpacing(), 3, rtol=1e-3)
