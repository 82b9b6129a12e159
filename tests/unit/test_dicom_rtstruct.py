"""RTSTRUCT: contours become voxels, against volumes and voxels found by hand."""

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.dicom.headers import read_header
from deeprac.cohort.dicom.segmentations import read_segmentations
from deeprac.cohort.findings import CaseError
from deeprac.labels import CohortLabels
from support.dicom_builders import ring_mm, rtstruct, write
from support.dicom_loading import a_series, label_of, load, messages

SHAPE = (6, 11, 14)


def box(series, k, i, j):
    """A rectangle in slice k from i[0] to i[1] and j[0] to j[1], in voxels."""
    corners = [(i[0], j[0]), (i[1], j[0]), (i[1], j[1]), (i[0], j[1])]
    return outline(series, k, corners)


def outline(series, k, corners):
    index = np.array([(*corner, k) for corner in corners], float)
    return np.array(series.origin_mm) + index * series.spacing_mm @ series.axes.T


def read(folder, series, contours, segmentations="one", labels=None, **changes):
    series.write(folder / "ct")
    write(rtstruct(series, contours, **changes), folder / "rt" / "1.dcm")
    return load(folder, segmentations, labels)


def region(folder, series, contours):
    """Voxels [k, j, i] of a region, on grids that the workflow refuses too."""
    header = read_header(write(rtstruct(series, {"Kidney": contours}), folder / "rt"))
    (one,), _ = read_segmentations([header], series.grid, lambda name: True)
    return sitk.GetArrayFromImage(one.volume)


def refusal(folder, series, contours, **changes):
    with pytest.raises(CaseError) as caught:
        read(folder, series, contours, **changes)
    assert "Jane" not in "".join(messages(caught.value))
    return messages(caught.value)


def boxes(series, slices, i=(2.6, 6.4), j=(3.6, 5.4)):
    return [box(series, k, i, j) for k in slices]


def expected(slices=(1, 2, 3), shape=SHAPE):
    """Voxels whose centres lie in ``boxes``: columns 3 to 6, rows 4 and 5."""
    label = np.zeros(shape, np.uint8)
    label[list(slices), 4:6, 3:7] = 1
    return label


def test_a_rectangle_is_exact_to_the_voxel(tmp_path):
    # Edges lie 0.4 voxels beside the outermost centres: half a voxel lost shows.
    series = a_series()
    case = read(tmp_path, series, {"Kidney": boxes(series, (1, 2, 3))})
    np.testing.assert_array_equal(label_of(case), expected())
    np.testing.assert_allclose(case.label.GetOrigin(), (-31.0, 17.5, 102.0))
    np.testing.assert_allclose(case.label.GetSpacing(), (0.8, 0.8, 2.5))


def test_a_rectangle_is_exact_where_pixels_are_not_square(tmp_path):
    series = a_series(spacing_mm=(0.7, 0.9, 2.5))
    got = region(tmp_path, series, boxes(series, (1, 2, 3)))
    np.testing.assert_array_equal(got, expected())


@pytest.mark.parametrize(
    ("axes", "turn"),
    [
        # Rows of pixels to the right, columns to the front.
        (np.diag([-1.0, -1, 1]), lambda a: a[:, ::-1, ::-1]),
        # Stored from head to feet.
        (np.diag([1.0, 1, -1]), lambda a: a[::-1]),
        # Columns of pixels swapped with rows: i to the back, j to the left, downwards.
        (
            np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]]),
            lambda a: a.transpose(0, 2, 1)[::-1],
        ),
    ],
    ids=["turned", "descending", "transposed"],
)
def test_series_of_another_orientation(tmp_path, axes, turn):
    series = a_series(axes=axes)
    case = read(tmp_path, series, {"Kidney": boxes(series, (1, 2, 3))})
    np.testing.assert_array_equal(label_of(case), turn(expected()))


RADII_MM = (15.0, 12.0)
HOLE_MM = (8.0, 6.0)
TOLERANCE = 0.015
"""Of the area: 0.63 mm2 voxels along a boundary of some 85 mm, inside or out."""


@pytest.fixture(name="wide")
def wide_series():
    return a_series((5, 60, 70), spacing_mm=(0.7, 0.9, 2.5))


def ml(mask):
    return mask.sum() * 0.7 * 0.9 * 2.5 / 1000


def ellipse_ml(radii_mm, slices=3, thickness_mm=2.5):
    return np.pi * radii_mm[0] * radii_mm[1] * slices * thickness_mm / 1000


def rings(series, radii_mm, centre=(37.3, 26.8)):
    return [ring_mm(series, k, centre, radii_mm) for k in (1, 2, 3)]


def test_volume_of_an_ellipse(tmp_path, wide):
    mask = region(tmp_path, wide, rings(wide, RADII_MM))
    assert ml(mask) == pytest.approx(ellipse_ml(RADII_MM), rel=TOLERANCE)
    # Its centre of mass is the centre that was drawn, to a tenth of a voxel.
    centre = np.argwhere(mask).mean(axis=0)
    np.testing.assert_allclose(centre, (2, 26.8, 37.3), atol=0.1)


def test_a_contour_inside_another_is_a_hole(tmp_path, wide):
    mask = region(tmp_path, wide, rings(wide, RADII_MM) + rings(wide, HOLE_MM))
    volume_ml = ellipse_ml(RADII_MM) - ellipse_ml(HOLE_MM)
    assert ml(mask) == pytest.approx(volume_ml, rel=TOLERANCE)
    assert not mask[1:4, 27, 37].any()


def test_a_keyhole_is_a_hole(tmp_path, wide):
    outer, inner = rings(wide, RADII_MM), rings(wide, HOLE_MM)
    keyholes = [
        np.concatenate([out, out[:1], hole[:1], hole[::-1]])
        for out, hole in zip(outer, inner, strict=True)
    ]
    mask = region(tmp_path, wide, keyholes)
    volume_ml = ellipse_ml(RADII_MM) - ellipse_ml(HOLE_MM)
    assert ml(mask) == pytest.approx(volume_ml, rel=TOLERANCE)
    assert not mask[1:4, 27, 37].any()


def test_islands_in_any_order(tmp_path):
    series = a_series()
    left = boxes(series, (1, 2, 3))
    right = boxes(series, (2, 1), i=(8.6, 10.4))
    contours = [left[2], right[0], left[0], left[1], right[1]]
    case = read(tmp_path, series, {"Kidney": contours})
    wanted = expected()
    wanted[1:3, 4:6, 9:11] = 1
    np.testing.assert_array_equal(label_of(case), wanted)


def test_a_contour_that_is_listed_twice_counts_once(tmp_path):
    series = a_series()
    contours = boxes(series, (1, 2, 3)) + boxes(series, (2,))
    case = read(tmp_path, series, {"Kidney": contours})
    np.testing.assert_array_equal(label_of(case), expected())


def test_tumours_take_precedence_over_the_kidney_around_them(tmp_path):
    series = a_series()
    tumour = boxes(series, (2,), i=(4.6, 8.4), j=(3.6, 4.4))
    contours = {"Kidney": boxes(series, (1, 2, 3)), "Tumour": tumour}
    case = read(tmp_path, series, contours)
    wanted = expected()
    wanted[2, 4, 5:9] = 2
    np.testing.assert_array_equal(label_of(case), wanted)


@pytest.mark.parametrize("name", ["KIDNEY_LEFT", "kidney - left", " Left Kidney "])
def test_names_in_another_spelling(tmp_path, name):
    series = a_series()
    case = read(tmp_path, series, {name: boxes(series, (1, 2, 3))})
    np.testing.assert_array_equal(label_of(case), expected())


def test_kidneys_by_side(tmp_path):
    series = a_series()
    right = boxes(series, (1,), i=(8.6, 10.4))
    contours = {"Kidney Left": boxes(series, (1, 2, 3)), "Kidney Right": right}
    labels = {"kidney_left": ["Kidney Left"], "kidney_right": ["Kidney Right"]}
    case = read(tmp_path, series, contours, labels=labels)
    wanted = expected()
    wanted[1, 4:6, 9:11] = CohortLabels(sides=True).numbers["kidney_right"]
    np.testing.assert_array_equal(label_of(case), wanted)


def test_contours_between_slices_are_refused_with_numbers(tmp_path):
    series = a_series()
    found = refusal(tmp_path, series, {"Kidney": boxes(series, (1, 2.4, 3))})
    (error,) = [text for text in found if "do not lie on the slices" in text]
    assert "1 of 3 contours" in error
    assert "up to 1 mm" in error  # 0.4 of 2.5 mm


def test_contours_a_little_beside_their_slice_are_taken(tmp_path):
    series = a_series()
    case = read(tmp_path, series, {"Kidney": boxes(series, (0.9, 2.1, 3.2))})
    np.testing.assert_array_equal(label_of(case), expected())


def test_contours_beyond_the_last_slice_are_told(tmp_path):
    series = a_series()
    case = read(tmp_path, series, {"Kidney": boxes(series, (4, 5, 6, 7))})
    np.testing.assert_array_equal(label_of(case), expected((4, 5)))
    assert any("2 contours of 'Kidney' lie outside" in m for m in messages(case))


def test_contours_beyond_the_edge_are_cut_and_told(tmp_path):
    series = a_series()
    contours = boxes(series, (1, 2), i=(10.6, 15.4))
    case = read(tmp_path, series, {"Kidney": contours})
    wanted = np.zeros(SHAPE, np.uint8)
    wanted[1:3, 4:6, 11:14] = 1
    np.testing.assert_array_equal(label_of(case), wanted)
    assert any("and 2 reach beyond its edge" in text for text in messages(case))


@pytest.mark.parametrize("shift", [(200, 0, 0), (0, 0, 50)], ids=["aside", "above"])
def test_contours_of_another_place_are_refused(tmp_path, shift):
    series = a_series()
    contours = [points + shift for points in boxes(series, (1, 2, 3))]
    found = refusal(tmp_path, series, {"Kidney": contours})
    assert any("all 3 contours of 'Kidney' lie outside" in text for text in found)


def test_contours_that_overlap_without_nesting_are_told(tmp_path):
    series = a_series()
    right = boxes(series, (2,), i=(4.6, 9.4))
    case = read(tmp_path, series, {"Kidney": boxes(series, (1, 2, 3)) + right})
    wanted = expected()
    wanted[2, 4:6, 7:10] = 1
    wanted[2, 4:6, 5:7] = 0
    np.testing.assert_array_equal(label_of(case), wanted)
    [told] = [m for m in messages(case) if "neither lies inside the other" in m]
    assert told.startswith("warning contours: contours of 'Kidney' overlap in 1 slices")
    assert "the 4 voxels that they share" in told


def test_contours_through_centres_keep_their_border_and_are_noted(tmp_path):
    series = a_series()
    hole = box(series, 2, (4, 5), (4, 5))
    contours = {
        "Kidney": [
            box(series, 2, (2, 7), (3, 6)),
            hole,
            box(series, 3, (2.5, 7), (3, 6)),
        ]
    }
    case = read(tmp_path, series, contours)
    wanted = np.zeros(SHAPE, np.uint8)
    wanted[2, 3:7, 2:8] = 1  # the hole has no centre strictly inside
    wanted[3, 3:7, 3:8] = 1
    np.testing.assert_array_equal(label_of(case), wanted)
    assert any(
        "note contours: 2 of 3 contours of 'Kidney'" in m for m in messages(case)
    )


def test_points_at_no_centre_are_ignored_and_told(tmp_path):
    series = a_series()
    lone = [outline(series, 4, [(5, 5), (7, 5.5)]), outline(series, 4, [(5, 5)] * 2)]
    case = read(tmp_path, series, {"Kidney": [*boxes(series, (1, 2, 3)), *lone]})
    wanted = expected()
    wanted[4, 5, 5] = 1
    np.testing.assert_array_equal(label_of(case), wanted)
    assert any("1 contours of 'Kidney' are points" in m for m in messages(case))


def test_a_slice_that_is_missing_is_told(tmp_path):
    series = a_series()
    series.write(tmp_path / "ct")[2].unlink()
    dataset = rtstruct(series, {"Kidney": boxes(series, (1, 2, 3))})
    write(dataset, tmp_path / "rt.dcm")
    with pytest.raises(CaseError, match="1 slices are missing"):
        load(tmp_path)


def test_every_other_slice_is_told(tmp_path):
    series = a_series()
    case = read(tmp_path, series, {"Kidney": boxes(series, (0, 2, 4))})
    assert any("2 slices between the first and the last" in m for m in messages(case))


def test_points_and_open_lines_are_ignored_and_told(tmp_path):
    series = a_series()
    point = np.array([series.origin_mm])
    contours = {
        "Kidney": [*boxes(series, (1, 2, 3)), point, box(series, 4, (1, 9), (1, 9))]
    }
    dataset = rtstruct(series, contours)
    drawn = dataset.ROIContourSequence[0].ContourSequence
    drawn[-1].ContourGeometricType = "OPEN_PLANAR"
    series.write(tmp_path / "ct")
    write(dataset, tmp_path / "rt.dcm")
    case = load(tmp_path)
    np.testing.assert_array_equal(label_of(case), expected())
    assert any("2 contours of 'Kidney' are points" in m for m in messages(case))


def test_regions_without_contours_mean_nothing(tmp_path):
    series = a_series()
    contours = {"couch": [], "Kidney": boxes(series, (1, 2, 3)), "Tumour": []}
    dataset = rtstruct(series, contours)
    del dataset.ROIContourSequence[2].ContourSequence
    del dataset.ROIContourSequence[0]
    series.write(tmp_path / "ct")
    write(dataset, tmp_path / "rt.dcm")
    np.testing.assert_array_equal(label_of(load(tmp_path)), expected())


def test_kidneys_without_contours_are_refused(tmp_path):
    found = refusal(tmp_path, a_series(), {"Kidney": []})
    assert any("the label has no kidney" in text for text in found)


def test_unknown_regions_are_listed(tmp_path):
    series = a_series()
    contours = {"Kidney": boxes(series, (1, 2)), "Spleen": boxes(series, (3,))}
    found = refusal(tmp_path, series, contours)
    assert any("not mapped" in text and "Spleen" in text for text in found)


def test_the_frame_of_reference_stands_for_a_series_that_is_not_named(tmp_path):
    series = a_series()
    dataset = rtstruct(series, {"Kidney": boxes(series, (1, 2, 3))})
    del dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    series.write(tmp_path / "ct")
    write(dataset, tmp_path / "rt.dcm")
    np.testing.assert_array_equal(label_of(load(tmp_path)), expected())


def test_a_damaged_file_is_refused(tmp_path):
    series = a_series()
    dataset = rtstruct(series, {"Kidney": boxes(series, (1, 2, 3))})
    del dataset.StructureSetROISequence
    series.write(tmp_path / "ct")
    write(dataset, tmp_path / "rt.dcm")
    with pytest.raises(CaseError, match="RTSTRUCT file cannot be read"):
        load(tmp_path)


def versions(folder, series, dates, slices=((1, 2, 3), (1, 2))):
    """One RTSTRUCT series with two files, as some patients have in the archive."""
    series.write(folder / "ct")
    first = None
    for number, (date, drawn) in enumerate(zip(dates, slices, strict=True)):
        dataset = rtstruct(series, {"Kidney": boxes(series, drawn)})
        dataset.StructureSetDate, dataset.StructureSetTime = date, "120000"
        first = first or dataset.SeriesInstanceUID
        dataset.SeriesInstanceUID = first
        write(dataset, folder / "rt" / f"{number}.dcm")


@pytest.mark.parametrize(
    ("rule", "slices"), [("newest", (1, 2)), ("all", (1, 2, 3))]
)  # fmt: skip
def test_two_versions(tmp_path, rule, slices):
    versions(tmp_path, a_series(), ("20100101", "20110101"))
    case = load(tmp_path, rule)
    np.testing.assert_array_equal(label_of(case), expected(slices))
    assert any("2 DICOM segmentations refer" in text for text in messages(case))


@pytest.mark.parametrize(
    ("rule", "dates"), [("one", ("20100101", "20110101")), ("newest", ("", ""))]
)
def test_two_versions_that_cannot_be_chosen(tmp_path, rule, dates):
    versions(tmp_path, a_series(), dates)
    with pytest.raises(CaseError, match="2 DICOM segmentations refer to the series"):
        load(tmp_path, rule)


def test_copies_of_one_file_are_one(tmp_path):
    series = a_series()
    dataset = rtstruct(series, {"Kidney": boxes(series, (1, 2, 3))})
    series.write(tmp_path / "ct")
    write(dataset, tmp_path / "rt" / "1.dcm")
    write(dataset, tmp_path / "rt" / "copy.dcm")
    np.testing.assert_array_equal(label_of(load(tmp_path)), expected())
