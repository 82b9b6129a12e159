"""Which series is chosen, and reading whole cohorts of DICOM."""

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from deeprac.cohort.dicom.pixels import read_stack
from deeprac.cohort.dicom.scan import scan
from deeprac.cohort.dicom.series import stacks_of
from deeprac.cohort.findings import CaseError
from deeprac.cohort.formats import open_source
from support.cohort_builders import ct_like
from support.dicom_builders import Series, hu_of, write_seg
from support.dicom_cases import add_label, dicom_config, edit, kidney, told, trunk

BARE = "no segmentation was found"


def chosen(folder, **series):
    """What is told, but for the missing segmentation; and the config's messages."""
    found = told(dicom_config(folder, **series))
    return [entry for entry in found if not entry[1].startswith(BARE)]


def several(folder, study_uid="1.2.3", **second):
    """A scout, a MIP and two CTs of one study, all files in one folder."""
    common = {"study_uid": study_uid, "patient": "p7"}
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    mip = {"ImageType": ["DERIVED", "PRIMARY", "MIP"]}
    for index, series in enumerate(
        [
            Series(hu_of((2, 5, 9)), tags=scout, **common),
            Series(hu_of((9, 5, 9)), tags=mip, **common),
            Series(hu_of((6, 5, 9)), **common),
            Series(
                **({"hu": hu_of((8, 5, 9)), "spacing_mm": (1, 1, 2)} | common | second)
            ),
        ]
    ):
        for path in series.write(folder / f"{index}"):
            path.rename(folder / f"{index}_{path.name}")
        (folder / f"{index}").rmdir()


@pytest.mark.parametrize(
    ("prefer", "size"),
    [("thinnest", "8 slices 2 mm apart"), ("most_slices", "8 slices 2 mm apart")],
)
def test_scout_and_mip_are_left_out_and_the_choice_told(tmp_path, prefer, size):
    several(tmp_path)
    assert chosen(tmp_path, prefer=prefer) == [
        (
            "note",
            f"the series by rule: {size}; of 4 series or parts of series 2 could be "
            f"used, {prefer.replace('_', ' ')} is preferred",
        )
    ]


def test_spacings_outside_the_range_are_left_out(tmp_path):
    several(tmp_path)
    [(_, message)] = chosen(tmp_path, slice_spacing_mm=(2.2, 3))
    assert message.startswith("the series by rule: 6 slices 2.5 mm apart; of 4 ")


def test_description_narrows_the_choice(tmp_path):
    several(tmp_path, tags={"SeriesDescription": "Lung"})
    [(severity, message)] = chosen(tmp_path, description="kidney")
    assert severity == "error"
    assert "2 x its description does not contain" in message
    [(_, message)] = chosen(tmp_path, description="lu.g")
    assert "8 slices 2 mm apart; of 4 series or parts of series 1" in message


def test_equally_good_series_ask_the_user(tmp_path):
    several(tmp_path, hu=hu_of((6, 5, 9)), spacing_mm=(0.7, 0.9, 2.5))
    assert chosen(tmp_path) == [
        (
            "error",
            "2 series are equally good: 6 slices 2.5 mm apart each. Narrow "
            "cohort.dicom.description, or keep one of them",
        )
    ]


def test_phases_of_one_series_are_told_apart(tmp_path):
    common = {"study_uid": "1.2", "series_uid": "1.2.3", "patient": "p7"}
    for phase, slices in enumerate((5, 6)):
        tags = {"AcquisitionNumber": phase}
        Series(hu_of((slices, 5, 9)), tags=tags, **common).write(tmp_path / f"{phase}")
    (_, note), (severity, left_out) = chosen(tmp_path)
    assert "6 slices 2.5 mm apart; of 2 series or parts of series 2" in note
    assert severity == "warning"
    assert left_out.startswith("5 further images of the same series")


def in_one_series(folder, *blocks):
    """Acquisitions of one series: first depth in mm, slices, distance in mm."""
    common = {"study_uid": "1.2", "series_uid": "1.2.3", "patient": "p7"}
    for number, (z_mm, slices, step_mm) in enumerate(blocks):
        Series(
            hu_of((slices, 5, 9)),
            spacing_mm=(0.7, 0.9, step_mm),
            origin_mm=(-31.0, 17.5, z_mm),
            tags={"AcquisitionNumber": number},
            **common,
        ).write(folder / f"{number}")


def test_slices_of_two_phases_between_each_other_are_two_volumes(tmp_path):
    in_one_series(tmp_path, (0, 5, 5.0), (2.5, 7, 5.0))
    (_, note), (severity, left_out) = chosen(tmp_path)
    assert "7 slices 5 mm apart; of 2 series or parts of series 2" in note
    assert severity == "warning"
    assert left_out.startswith("5 further images of the same series")


def test_acquisitions_that_continue_each_other_are_one_volume(tmp_path):
    in_one_series(tmp_path, (0, 5, 2.5), (12.5, 7, 2.5), (30, 4, 2.5))
    [(_, note)] = chosen(tmp_path)
    assert note == "the series by rule: 16 slices 2.5 mm apart"


@pytest.mark.parametrize(
    ("second", "apart"),
    [
        ((30, 6, 2.5), "2.5 to 20"),
        ((12.5, 6, 4.0), "2.5 to 4"),
        ((14, 6, 2.5), "2.5 to 4"),
    ],
)
def test_acquisitions_that_do_not_continue_each_other(tmp_path, second, apart):
    in_one_series(tmp_path, (0, 5, 2.5), second)
    assert (
        "error",
        "the series holds 2 acquisitions that do not continue each other: slices are "
        f"{apart} mm apart. Keep the files of one of them",
    ) in chosen(tmp_path)


def test_a_slice_missing_inside_an_acquisition_is_a_missing_slice(tmp_path):
    in_one_series(tmp_path, (0, 5, 2.5), (12.5, 9, 2.5))
    sorted((tmp_path / "1").iterdir())[4].unlink()
    assert any("1 slices are missing" in message for _, message in chosen(tmp_path))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"Modality": "MR"}, "the modality is MR, not CT"),
        ({"Modality": "MUELLER"}, "the modality is missing or unknown, not CT"),
        ({"NumberOfFrames": 2_000_000_000}, "hold several frames"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "slices are not axial"),
    ],
)
def test_what_is_no_axial_ct_is_refused(tmp_path, tags, message):
    Series(hu_of((6, 5, 9)), patient="p7", tags=tags).write(tmp_path)
    found = chosen(tmp_path)
    assert [severity for severity, _ in found] == ["error"]
    assert message in found[0][1]


def test_a_case_with_a_label_file_comes_through(tmp_path):
    tags = {"PatientAge": "018M"}
    series = trunk(tags=tags)
    series.write(tmp_path)
    add_label(series, tmp_path)
    source = open_source(dicom_config(tmp_path, slice_spacing_mm=(1, 12)))
    case = source.load(source.names()[0])
    assert case.age_years == 1.5
    voxel_ml = 6 * 6 * 10 / 1000
    labels = sitk.GetArrayFromImage(case.label)
    assert (labels == 2).sum() * voxel_ml == pytest.approx(12 * voxel_ml)
    assert sorted(np.unique(sitk.GetArrayFromImage(case.image)))[0] == ct_like(1).min()


def test_a_segmentation_with_another_id_lies_with_its_series(tmp_path):
    series = trunk()
    paths = series.write(tmp_path / "ct")
    write_seg(tmp_path / "seg", paths, {"kidney": kidney() == 1})
    for patient, severities in (("p8", ["error"]), ("", ["error"]), ("P7 ", [])):
        edit(tmp_path / "seg", PatientID=patient)
        source = open_source(dicom_config(tmp_path, slice_spacing_mm=(1, 12)))
        assert len(source.names()) == 1
        found = told(dicom_config(tmp_path, slice_spacing_mm=(1, 12)))
        about = [s for s, message in found if "another one than the series" in message]
        assert about == severities
        assert not any(message.startswith(BARE) for _, message in found)


def test_nothing_of_a_header_or_a_path_is_told(tmp_path):
    tags = {
        "PatientName": "Planted^Name",
        "PatientBirthDate": "20190807",
        "StudyDate": "20260102",
        "SeriesDescription": "planted words",
    }
    folder = tmp_path / "planted_folder"
    paths = trunk(tags=tags, series_uid="1.2.99.77", patient="planted").write(folder)
    edit(paths[0], PatientName="Other^Planted", PatientSex="M")
    edit(paths[1], PatientSex="F", RescaleSlope=None)
    paths[2].write_bytes(paths[2].read_bytes()[:500])
    messages = " ".join(message for _, message in told(dicom_config(folder)))
    assert "2 different sexes" in messages
    for secret in ("lanted", "2019", "2026", "1.2.99", "IM00", str(tmp_path)):
        assert secret not in messages


BAD = {
    "dicom/gantrytilting": r"tilted by 14\.0 degrees",
    "dicom/notavolume": "same place|fewer than 4",
    "dicom/slicecount": "the modality is MR",
    "dicom/sliceincrement": "unevenly spaced|missing",
    "dicom/sliceorientation": "the modality is MR",
    "no_kidney": BARE,
}


@pytest.mark.parametrize("name", BAD)
def test_real_bad_input_is_refused(name, shared_data):
    source = open_source(dicom_config(shared_data / "bad" / name))
    with pytest.raises(CaseError, match=BAD[name]):
        source.load(source.names()[0])


def test_real_series_equals_pydicom(shared_data):
    [stack] = stacks_of(scan(shared_data / "dicom" / "crlm_ct_1004").headers)
    image, stack, findings = read_stack(stack)
    assert findings == []
    assert image.GetSize() == (512, 512, 41)
    for k in (0, 17, 40):
        own = dcmread(stack.headers[k].path)
        hu = own.pixel_array * float(own.RescaleSlope) + float(own.RescaleIntercept)
        assert np.array_equal(sitk.GetArrayViewFromImage(image)[k], hu)
        place = image.TransformIndexToPhysicalPoint((0, 0, k))
        assert place == pytest.approx(list(own.ImagePositionPatient), abs=1e-3)
    assert image.GetSpacing()[:2] == pytest.approx(list(own.PixelSpacing)[::-1])
