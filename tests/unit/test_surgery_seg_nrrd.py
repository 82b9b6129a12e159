"""Label maps on the input's grid, read back by our readers, SimpleITK and slicerio."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from deeprac.cohort.grid import Grid
from deeprac.cohort.seg_nrrd import holds_segments, read_segmentations
from deeprac.cohort.volume_files import read_volume
from deeprac.surgery.anatomy import Anatomy
from deeprac.surgery.seg_nrrd import on_input_grid, write_labels, write_seg_nrrd
from support.studies import (
    BOXES,
    ORIENTATIONS,
    a_study,
    an_anatomy,
    boxes,
    centroids_mm,
    lps_grid,
    middles_mm,
    source_grid,
)


def study_of(anatomy, orientation="LPS"):
    source = source_grid(anatomy, orientation)
    return a_study(anatomy, source=source, image=False)


def corners_mm(grid):
    """The first and the last voxel."""
    last = np.array(grid.size) - 1
    return [grid.lps_from_voxel_mm @ [*index, 1] for index in (0 * last, last)]


@pytest.mark.parametrize("tilt_deg", [0, 8])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_convention_every_orientation_comes_back(orientation, tilt_deg):
    anatomy = boxes(tilt_deg)
    study = study_of(anatomy, orientation)
    volume = on_input_grid(study)
    assert Grid.of(volume) == study.source
    np.testing.assert_allclose(centroids_mm(volume), middles_mm(anatomy), atol=1e-6)
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(volume, "LPS"))
    np.testing.assert_array_equal(back, anatomy.numbers)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR", "SLA"])
@pytest.mark.parametrize("tilt_deg", [0, 8])
def test_all_readers_agree(tmp_path, orientation, tilt_deg):
    anatomy = boxes(tilt_deg)
    study = study_of(anatomy, orientation)
    seg, nifti = tmp_path / "segmentation.seg.nrrd", tmp_path / "labels.nii.gz"
    write_seg_nrrd(study, seg)
    write_labels(study, nifti)
    expected = sitk.GetArrayFromImage(on_input_grid(study))
    assert holds_segments(seg)
    (ours,), findings = read_segmentations(seg, {})
    assert findings == []
    assert ours.names == {1: "kidney_left", 2: "kidney_right", 3: "tumour_1"}
    plain, findings = read_volume(nifti)
    assert findings == []
    for volume in (ours.volume, plain, sitk.ReadImage(str(seg))):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(volume), expected)
        np.testing.assert_allclose(
            corners_mm(Grid.of(volume)), corners_mm(study.source), atol=0.01
        )
        np.testing.assert_allclose(centroids_mm(volume), middles_mm(anatomy), atol=0.01)
    theirs = slicerio.read_segmentation(str(seg))
    np.testing.assert_array_equal(theirs["voxels"].T, expected)
    np.testing.assert_allclose(
        np.array(theirs["ijkToLPS"])[:3], study.source.lps_from_voxel_mm, atol=1e-6
    )


def test_segments_as_slicerio_reads_them(tmp_path):
    path = tmp_path / "segmentation.seg.nrrd"
    write_seg_nrrd(study_of(boxes()), path)
    content = slicerio.read_segmentation(str(path))
    assert content["containedRepresentationNames"] == ["Binary labelmap"]
    assert content["referenceImageExtentOffset"] == [0, 0, 0]
    left, _, tumour = content["segments"]
    assert (left["id"], left["name"], left["labelValue"]) == (
        "kidney_left", "kidney_left", 1,
    )  # fmt: skip
    assert left["color"] == pytest.approx([185 / 255, 102 / 255, 83 / 255], abs=1e-5)
    # (14..22, 3..9, 2..7) along i, j, k, from BOXES.
    _, corner, size = BOXES[0]
    ends = [(c, c + s - 1) for c, s in zip(corner[::-1], size[::-1], strict=True)]
    assert left["extent"] == [edge for pair in ends for edge in pair]
    assert left["terminology"]["typeModifier"] == ["SCT", "7771000", "Left"]
    assert tumour["terminology"]["type"] == ["SCT", "108369006", "Neoplasm"]
    assert tumour["terminology"]["anatomicRegionModifier"] == [
        "SCT", "24028007", "Right",
    ]  # fmt: skip


def test_the_same_study_gives_the_same_bytes(tmp_path):
    study = study_of(an_anatomy(lps_grid(8)), "RAS")
    for folder in ("a", "b"):
        write_seg_nrrd(study, tmp_path / folder / "a.seg.nrrd")
        write_labels(study, tmp_path / folder / "a.nii.gz")
    for name in ("a.seg.nrrd", "a.nii.gz"):
        one, other = (tmp_path / folder / name for folder in "ab")
        assert one.read_bytes() == other.read_bytes()


def test_no_structure_at_all(tmp_path):
    grid = lps_grid(size=(6, 5, 4))
    empty = Anatomy(np.zeros((4, 5, 6), np.uint8), grid, ())
    write_seg_nrrd(study_of(empty), tmp_path / "a.seg.nrrd")
    content = slicerio.read_segmentation(str(tmp_path / "a.seg.nrrd"))
    assert content["segments"] == []


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    real = sitk.WriteImage

    def short(volume, path, **options):
        real(volume, path, **options)
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: len(content) // 2])

    monkeypatch.setattr(sitk, "WriteImage", short)
    with pytest.raises(OSError, match=r"a\.seg\.nrrd could not be written.*full"):
        write_seg_nrrd(study_of(boxes()), tmp_path / "a.seg.nrrd")
    assert list(tmp_path.iterdir()) == []


def test_nifti_has_no_time_of_day(tmp_path):
    write_labels(study_of(boxes()), tmp_path / "a.nii.gz")
    content = (tmp_path / "a.nii.gz").read_bytes()
    # Bytes 4 to 7 of a gzip file are its time.
    assert content[4:8] == bytes(4)
    assert gzip.decompress(content)[:4] == (348).to_bytes(4, "little")
