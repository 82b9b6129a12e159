"""3D Slicer's segmentations, as Slicer writes them, against hand-made positions."""

from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from deeprac.cohort.case_files import label_file
from deeprac.cohort.findings import CaseError
from deeprac.cohort.formats import open_source
from deeprac.cohort.seg_nrrd import names_by_layer, read_segmentations
from deeprac.labels import source_names
from support.cohort_builders import cohort_config, volume

SHAPE = (7, 5, 4)
KIDNEY, TUMOUR = np.zeros((2, *SHAPE), bool)
KIDNEY[1:5, 2:4, 1:3] = True
# Partly in the kidney, partly beside it: the two cannot share a layer.
TUMOUR[4:6, 3, 1] = True
CYST = np.zeros(SHAPE, bool)
CYST[0, 0, 3] = True


def affine(angle_deg=20):
    """lps_from_ijk_mm: turned about z, voxels of 0.8 x 1.1 x 3 mm, off the origin."""
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) * (
        0.8, 1.1, 3
    )  # fmt: skip
    matrix[:3, 3] = -12, 7, 30
    return matrix


def write(path, *segments, lps_from_ijk_mm=None):
    matrix = affine() if lps_from_ijk_mm is None else lps_from_ijk_mm
    content = slicerio.create_segmentation(SHAPE, matrix)
    for index, (name, mask) in enumerate(segments):
        segment = {"id": f"Segment_{index}", "name": name}
        slicerio.add_segment(content, mask, segment)
    slicerio.write_segmentation(str(path), content)
    return path


def points(volume, value):
    """Positions of all voxels of a value in LPS mm, sorted."""
    found = np.argwhere(sitk.GetArrayFromImage(volume) == value)[:, ::-1]
    placed = [volume.TransformIndexToPhysicalPoint(i.tolist()) for i in found]
    return np.array(sorted(placed))


def expected_points(mask, matrix):
    homogeneous = np.column_stack([np.argwhere(mask), np.ones(mask.sum())])
    return np.array(sorted((homogeneous @ matrix.T)[:, :3].tolist()))


def test_segments_lie_where_the_affine_says(tmp_path):
    path = write(tmp_path / "a.seg.nrrd", ("kidney", KIDNEY), ("cyst", CYST))
    (one,), findings = read_segmentations(path, {})
    assert findings == []
    assert one.names == {1: "kidney", 2: "cyst"}
    assert one.volume.GetSize() == SHAPE
    np.testing.assert_allclose(one.volume.GetSpacing(), (0.8, 1.1, 3))
    for value, mask in ((1, KIDNEY), (2, CYST)):
        got = points(one.volume, value)
        np.testing.assert_allclose(got, expected_points(mask, affine()), atol=1e-9)


def test_by_hand_the_first_voxel_of_the_kidney(tmp_path):
    # Index (1, 2, 1) without a turn: -12 + 0.8, 7 + 2 * 1.1, 30 + 3.
    path = write(tmp_path / "a.seg.nrrd", ("kidney", KIDNEY), lps_from_ijk_mm=affine(0))
    (one,), _ = read_segmentations(path, {})
    np.testing.assert_allclose(points(one.volume, 1)[0], (-11.2, 9.2, 33))


def test_overlapping_segments_come_in_layers(tmp_path):
    path = write(
        tmp_path / "a.seg.nrrd", ("kidney", KIDNEY), ("tumour", TUMOUR), ("cyst", CYST)
    )
    layers, _ = read_segmentations(path, {})
    assert [layer.names for layer in layers] == [
        {1: "kidney", 2: "cyst"},
        {1: "tumour"},
    ]
    got = points(layers[1].volume, 1)
    np.testing.assert_allclose(got, expected_points(TUMOUR, affine()), atol=1e-9)
    assert layers[0].volume.IsSameImageGeometryAs(layers[1].volume)


def test_ras_files_are_turned_to_lps(tmp_path):
    path = write(tmp_path / "lps.seg.nrrd", ("kidney", KIDNEY), ("tumour", TUMOUR))
    voxels, header = nrrd.read(str(path))
    header["space"] = "right-anterior-superior"
    header["space origin"] = header["space origin"] * (-1, -1, 1)
    header["space directions"] = header["space directions"] * (-1, -1, 1)
    nrrd.write(str(tmp_path / "ras.seg.nrrd"), voxels, header)
    lps, _ = read_segmentations(path, {})
    ras, _ = read_segmentations(tmp_path / "ras.seg.nrrd", {})
    for one, other in zip(lps, ras, strict=True):
        np.testing.assert_allclose(points(one.volume, 1), points(other.volume, 1))


def test_one_layer_may_be_written_as_a_list(tmp_path):
    path = write(tmp_path / "a.seg.nrrd", ("kidney", KIDNEY))
    content = slicerio.read_segmentation(str(path))
    content["voxels"] = content["voxels"][np.newaxis]
    slicerio.write_segmentation(str(path), content)
    (one,), _ = read_segmentations(path, {})
    np.testing.assert_array_equal(sitk.GetArrayFromImage(one.volume), KIDNEY.T)


def test_cropped_segmentations_keep_their_place(tmp_path):
    matrix = affine()
    inner = (slice(1, 6), slice(2, 5), slice(1, 3))
    content = slicerio.create_segmentation((5, 3, 2), matrix.copy())
    content["ijkToLPS"][:3, 3] = (matrix @ (1, 2, 1, 1))[:3]
    content["referenceImageExtentOffset"] = [1, 2, 1]
    slicerio.add_segment(content, KIDNEY[inner], {"id": "s", "name": "kidney"})
    slicerio.write_segmentation(str(tmp_path / "a.seg.nrrd"), content)
    (one,), _ = read_segmentations(tmp_path / "a.seg.nrrd", {})
    got = points(one.volume, 1)
    np.testing.assert_allclose(got, expected_points(KIDNEY, matrix), atol=1e-9)


def test_old_files_have_a_segment_per_layer_without_saying_so():
    old = {0: {"ID": "s0", "Name": "kidney"}, 1: {"ID": "s1", "Name": "tumour"}}
    assert names_by_layer(old) == {0: {1: "kidney"}, 1: {1: "tumour"}}


def test_a_plain_volume_is_no_segmentation(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(KIDNEY.T.astype(np.uint8)), str(path))
    with pytest.raises(CaseError, match="tells of 0 segments in 1 layers"):
        read_segmentations(path, {})


def test_a_file_that_is_cut_short(tmp_path):
    path = write(tmp_path / "a.seg.nrrd", ("kidney", KIDNEY), ("tumour", TUMOUR))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CaseError, match="cut short"):
        read_segmentations(path, {})


def test_sheared_segmentations_are_refused(tmp_path):
    sheared = affine(0)
    sheared[1, 2] = 0.6
    path = write(tmp_path / "a.seg.nrrd", ("kidney", KIDNEY), lps_from_ijk_mm=sheared)
    with pytest.raises(CaseError, match="sheared"):
        read_segmentations(path, {})


BESIDE = {1: "kidney", 2: "tumour"}
"""What ``cohort.label_numbers`` says."""


@pytest.mark.parametrize("ending", [".nrrd", ".seg.nrrd", ".nhdr", ".seg.nhdr"])
def test_names_in_the_header_count_whatever_the_ending(tmp_path, ending):
    path = write(tmp_path / "a.seg.nrrd", ("tumour", KIDNEY), ("kidney", CYST))
    voxels, header = nrrd.read(str(path))
    nrrd.write(str(tmp_path / f"b{ending}"), voxels, header)
    (one,), _ = label_file(tmp_path / f"b{ending}", BESIDE).read()
    assert one.names == {1: "tumour", 2: "kidney"}
    # 3D Slicer's own ending says whose numbers they are.
    assert one.expected == ({} if ".seg" in ending else BESIDE)


def test_layers_are_read_whatever_the_ending(tmp_path):
    path = write(tmp_path / "a.seg.nrrd", ("kidney", KIDNEY), ("tumour", TUMOUR))
    layers, _ = label_file(path.rename(tmp_path / "a.nrrd"), BESIDE).read()
    assert [layer.names for layer in layers] == [{1: "kidney"}, {1: "tumour"}]
    # 1 is kidney in one and tumour in the other: nothing beside it can say so.
    assert [layer.expected for layer in layers] == [{}, {}]


def test_without_segments_the_names_beside_it_count(tmp_path):
    header = {"space": "LPS", "space directions": np.eye(3), "space origin": [0, 0, 0]}
    nrrd.write(str(tmp_path / "a.nrrd"), KIDNEY.astype(np.uint8), header)
    (one,), _ = label_file(tmp_path / "a.nrrd", BESIDE).read()
    assert (one.names, one.expected) == (BESIDE, {})


def pairs_of(folder, label):
    image = volume(np.full(SHAPE[::-1], 40, np.int16), (0.8, 1.1, 3))
    image.SetOrigin((-12, 7, 30))
    sitk.WriteImage(image, str(folder / "ct.nrrd"))
    (folder / "pairs.csv").write_text(f"image,label\nct.nrrd,{label.name}\n")
    labels = source_names("pairs", {})
    return cohort_config(format="pairs", path=folder / "pairs.csv", labels=labels)


def test_a_contradiction_reaches_the_user(tmp_path):
    path = write(
        tmp_path / "label.seg.nrrd",
        ("tumour", CYST),
        ("kidney", KIDNEY),
        lps_from_ijk_mm=affine(0),
    )
    config = pairs_of(tmp_path, path.rename(tmp_path / "label.nrrd"))
    with pytest.raises(CaseError, match="calls 1 'tumour' and 2 'kidney', but cohort"):
        open_source(config).load("ct")


@pytest.mark.parametrize("name", ["Niere süd", "Tumor ≥ 3"])
def test_names_keep_their_letters(tmp_path, name):
    path = write(tmp_path / "a.seg.nrrd", ("x", KIDNEY))
    content = path.read_bytes().replace(
        b"Segment0_Name:=x", f"Segment0_Name:={name}".encode()
    )
    path.write_bytes(content)
    (one,), _ = read_segmentations(path, {})
    assert one.names == {1: name}


@pytest.mark.parametrize(("space", "sign"), [("RAS", (-1, -1, 1)), ("LAS", (1, -1, 1))])
def test_short_names_of_spaces(tmp_path, space, sign):
    path = write(tmp_path / "a.seg.nrrd", ("kidney", KIDNEY))
    voxels, header = nrrd.read(str(path))
    header["space"] = space
    header["space origin"] = header["space origin"] * sign
    header["space directions"] = header["space directions"] * sign
    nrrd.write(str(tmp_path / "b.seg.nrrd"), voxels, header)
    (one,), _ = read_segmentations(tmp_path / "b.seg.nrrd", {})
    np.testing.assert_allclose(points(one.volume, 1), expected_points(KIDNEY, affine()))


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        ({0: {"LabelValue": "one"}}, "segment 0 are no whole numbers"),
        (
            {
                0: {"Layer": "0", "LabelValue": "4"},
                1: {"Layer": "0", "LabelValue": "4"},
            },
            "two of its segments have the value 4 in layer 0",
        ),
    ],
)
def test_segments_that_cannot_be_told_apart(segments, told):
    with pytest.raises(CaseError, match=told):
        names_by_layer(segments)


@pytest.mark.parametrize(
    "name", ["Segmentation.seg.nrrd", "SegmentationOverlapping.seg.nrrd"]
)
def test_what_slicer_wrote_is_read_as_slicerio_reads_it(name):
    path = Path(slicerio.__file__).parent / "data" / name
    own = slicerio.read_segmentation(str(path))
    layers, findings = read_segmentations(path, {})
    assert findings == []
    expected = [{} for _ in layers]
    for segment in own["segments"]:
        expected[segment["layer"]][segment["labelValue"]] = segment["name"]
    assert [layer.names for layer in layers] == expected
    voxels = own["voxels"].reshape(-1, *own["voxels"].shape[-3:])
    for layer, numbers in zip(layers, voxels, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(layer.volume).T, numbers)
