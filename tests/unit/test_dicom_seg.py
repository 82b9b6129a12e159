"""DICOM-SEG, as highdicom writes it, against voxels set by hand."""

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from deeprac.cohort.findings import CaseError
from support.dicom_builders import rtstruct, write, write_seg
from support.dicom_loading import SHAPE, a_series, label_of, load, messages


def voxels(k, j, i):
    mask = np.zeros(SHAPE, bool)
    mask[k, j, i] = True
    return mask


LEFT = voxels(slice(1, 4), slice(3, 6), slice(8, 12))
RIGHT = voxels(slice(2, 5), slice(4, 7), slice(3, 5))
# Partly in the left kidney, partly beside it.
MASS = voxels(slice(2, 3), slice(5, 8), slice(9, 11))
MASKS = {"Left Kidney": LEFT, "RIGHT_KIDNEY": RIGHT}


def expected(*, mass=False):
    label = (LEFT | RIGHT).astype(np.uint8)
    label[MASS & mass] = 2
    return label


def refusal(folder, **changes):
    with pytest.raises(CaseError) as caught:
        load(folder, **changes)
    assert "Jane" not in "".join(messages(caught.value))
    return str(caught.value)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_in_some_slices(tmp_path, kind):
    series = a_series()
    write_seg(tmp_path / "1.dcm", series.write(tmp_path / "ct"), MASKS, kind=kind)
    case = load(tmp_path)
    np.testing.assert_array_equal(label_of(case), expected())
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.image), series.hu)


def test_frames_that_begin_within_a_byte(tmp_path):
    # 11 x 13 bits are 17 bytes and 7 bits: each frame begins in the last byte before.
    series = a_series((6, 11, 13))
    masks = {"kidney": LEFT[..., :13], "tumour": RIGHT[..., :13]}
    write_seg(tmp_path / "1.dcm", series.write(tmp_path / "ct"), masks)
    label = label_of(load(tmp_path))
    for number, mask in enumerate(masks.values(), start=1):
        np.testing.assert_array_equal(label == number, mask)


def test_segments_may_overlap(tmp_path):
    slices = a_series().write(tmp_path / "ct")
    write_seg(tmp_path / "seg.dcm", slices, MASKS | {"mass": MASS})
    case = load(tmp_path)
    np.testing.assert_array_equal(label_of(case), expected(mass=True))
    # Two of three columns by one row of three by one slice of the mass: 2 voxels.
    assert any("2 voxels are both kidney and tumour" in m for m in messages(case))


def test_fractions_are_refused(tmp_path):
    slices = a_series().write(tmp_path / "ct")
    write_seg(tmp_path / "seg.dcm", slices, {"kidney": LEFT}, kind="FRACTIONAL")
    assert "fractions" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("axes", "turn"),
    [
        (np.diag([-1.0, -1, 1]), lambda a: a[:, ::-1, ::-1]),
        (np.diag([1.0, 1, -1]), lambda a: a[::-1]),
        (
            np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]]),
            lambda a: a.transpose(0, 2, 1)[::-1],
        ),
    ],
    ids=["turned", "descending", "transposed"],
)
def test_series_of_another_orientation(tmp_path, axes, turn):
    slices = a_series(axes=axes).write(tmp_path / "ct")
    write_seg(tmp_path / "seg.dcm", slices, MASKS)
    np.testing.assert_array_equal(label_of(load(tmp_path)), turn(expected()))


def test_frames_in_reversed_order(tmp_path):
    slices = a_series().write(tmp_path / "ct")
    reversed_masks = {name: mask[::-1] for name, mask in MASKS.items()}
    write_seg(tmp_path / "seg.dcm", slices[::-1], reversed_masks)
    np.testing.assert_array_equal(label_of(load(tmp_path)), expected())


@pytest.mark.parametrize(
    "changes",
    [
        {"spacing_mm": (0.9, 0.9, 2.5)},
        {"spacing_mm": (0.8, 0.8, 3.0)},
        {"origin_mm": (-31.4, 17.5, 102.0)},
        {"origin_mm": (-31.0, 17.5, 103.0)},
    ],
    ids=["pixels", "slices", "shifted by half a pixel", "shifted along the slices"],
)
def test_other_grids_are_refused(tmp_path, changes):
    series = a_series()
    series.write(tmp_path / "ct")
    names = ("study_uid", "series_uid", "frame_uid")
    same = {name: getattr(series, name) for name in names}
    elsewhere = a_series(**same, **changes).write(tmp_path.with_name("elsewhere"))
    write_seg(tmp_path / "seg.dcm", elsewhere, MASKS)
    assert "do not lie on the slices of the series" in refusal(tmp_path)


def test_segmentations_of_a_part_of_the_slices_fit(tmp_path):
    slices = a_series().write(tmp_path / "ct")
    part = {name: mask[1:5] for name, mask in MASKS.items()}
    write_seg(tmp_path / "seg.dcm", slices[1:5], part)
    np.testing.assert_array_equal(label_of(load(tmp_path)), expected())


def test_unknown_segments_are_listed_unless_they_are_background(tmp_path):
    slices = a_series().write(tmp_path / "ct")
    write_seg(tmp_path / "seg.dcm", slices, {"Liver": MASS & ~LEFT} | MASKS)
    assert "Liver" in refusal(tmp_path)
    case = load(tmp_path, labels={"background": ["*"]})
    np.testing.assert_array_equal(label_of(case), expected())


def two_files(folder, dates):
    slices = a_series().write(folder / "ct")
    for number, (name, date) in enumerate(zip(MASKS, dates, strict=True)):
        path = folder / f"{number}.dcm"
        write_seg(path, slices, {name: MASKS[name]})
        dataset = dcmread(path)
        dataset.ContentDate = date
        dataset.save_as(path)


def test_all_files_of_a_series_are_merged(tmp_path):
    two_files(tmp_path, ("20200101", "20210101"))
    np.testing.assert_array_equal(label_of(load(tmp_path, "all")), expected())


def test_the_newest_file_of_a_series(tmp_path):
    two_files(tmp_path, ("20210101", "20200101"))
    np.testing.assert_array_equal(label_of(load(tmp_path, "newest")), LEFT)


def test_several_files_are_refused_unless_one_says_which(tmp_path):
    two_files(tmp_path, ("20210101", "20200101"))
    assert "2 DICOM segmentations refer to the series" in refusal(tmp_path)


def test_seg_and_rtstruct_of_one_series_are_merged(tmp_path):
    series = a_series()
    write_seg(tmp_path / "1.dcm", series.write(tmp_path / "ct"), MASKS)
    corners = np.array([(8.6, 4.6, 2), (10.4, 4.6, 2), (10.4, 7.4, 2), (8.6, 7.4, 2)])
    points_mm = series.origin_mm + corners * series.spacing_mm
    write(rtstruct(series, {"Tumour": [points_mm]}), tmp_path / "2.dcm")
    case = load(tmp_path, "all")
    np.testing.assert_array_equal(label_of(case), expected(mass=True))


def test_a_file_that_is_cut_short(tmp_path):
    slices = a_series().write(tmp_path / "ct")
    path = tmp_path / "seg" / "1.dcm"
    write_seg(path, slices, MASKS)
    dataset = dcmread(path)
    dataset.PixelData = dataset.PixelData[:-100]
    dataset.save_as(path)
    refusal(tmp_path)
