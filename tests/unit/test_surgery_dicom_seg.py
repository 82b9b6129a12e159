"""DICOM-SEG of a result, read back by our reader and by programs of others."""

import json
import os
import shutil
import subprocess
import venv

import numpy as np
import pytest
import SimpleITK as sitk
from highdicom.seg import segread
from pydicom import dcmread

from deeprac.cohort.dicom.scan import scan
from deeprac.cohort.dicom.segmentations import read_segmentations
from deeprac.surgery.anatomy import Anatomy
from deeprac.surgery.dicom_seg import read_series, write_dicom_seg
from support.studies import (
    STRUCTURES,
    bodies,
    boxes,
    centroids_mm,
    lps_grid,
    middles_mm,
    source_grid,
    write_series,
)

DCMQI = "dcmqi==1.5.7"


def written(folder, anatomy, orientation="LPS"):
    """The path of a DICOM-SEG beside its series, whose axes are in an orientation."""
    source = source_grid(anatomy, orientation)
    paths = write_series(folder / "ct", source, patient="Jane_Doe")
    path = folder / "seg" / "segmentation.dcm"
    write_dicom_seg(anatomy, source, read_series(paths), path)
    return path, source


@pytest.mark.parametrize("tilt_deg", [0, 8])
# The slices of a series are sorted along the normal of their rows and columns.
@pytest.mark.parametrize("orientation", ["LPS", "RAS", "RPI", "PLI"])
def test_our_reader_finds_every_voxel(tmp_path, orientation, tilt_deg):
    anatomy = boxes(tilt_deg)
    path, source = written(tmp_path, anatomy, orientation)
    headers = scan(path.parent).headers
    (layer,), findings = read_segmentations(headers, source, lambda _: True)
    assert findings == []
    assert sorted(layer.names.values()) == ["kidney_left", "kidney_right", "tumour_1"]
    numbers = {name: number for number, name in layer.names.items()}
    order = [numbers[one.name] for one in STRUCTURES]
    found = centroids_mm(layer.volume, order)
    np.testing.assert_allclose(found, middles_mm(anatomy), atol=0.01)
    voxels = sitk.GetArrayFromImage(layer.volume)
    for one in STRUCTURES:
        assert (voxels == numbers[one.name]).sum() == anatomy.mask(one).sum()


def test_what_it_says(tmp_path):
    path, source = written(tmp_path, boxes())
    file = dcmread(path)
    # Frames without structure are there: three segments in every slice.
    assert file.NumberOfFrames == 3 * source.size[2]
    assert (file.PatientID, file.Modality) == ("Jane_Doe", "SEG")
    assert file.SeriesDescription == "DeePRAC, research, not for clinical use"
    left, _, tumour = file.SegmentSequence
    kind = left.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodeMeaning) == ("64033007", "Kidney")
    side = kind.SegmentedPropertyTypeModifierCodeSequence[0]
    assert (side.CodeValue, side.CodeMeaning) == ("7771000", "Left")
    category = tumour.SegmentedPropertyCategoryCodeSequence[0]
    assert category.CodeMeaning == "Morphologically Abnormal Structure"
    region = tumour.AnatomicRegionSequence[0]
    assert region.CodeValue == "64033007"
    assert region.AnatomicRegionModifierSequence[0].CodeMeaning == "Right"
    colours = [
        segread(path).get_segment_description(n)
        .RecommendedDisplayCIELabValue for n in (1, 3)
    ]  # fmt: skip
    assert colours[0] != colours[1]


def test_numbers_with_gaps_are_closed_up(tmp_path):
    anatomy = boxes()
    grid, structures = anatomy.grid, (STRUCTURES[0], STRUCTURES[2])
    numbers = np.where(anatomy.numbers == 2, 0, anatomy.numbers)
    path, source = written(tmp_path, Anatomy(numbers, grid, structures))
    file = segread(path)
    assert list(file.segment_numbers) == [1, 2]
    volume = file.get_volume(segment_numbers=[2], combine_segments=True)
    assert (volume.array > 0).sum() == (numbers == 3).sum()
    assert source.size == grid.size


@pytest.fixture(scope="module")
def a_file(tmp_path_factory):
    grid = lps_grid(5, (48, 40, 20), (2.0, 2.0, 4.0))
    anatomy = Anatomy(bodies(grid), grid, STRUCTURES)
    return anatomy, written(tmp_path_factory.mktemp("seg"), anatomy)[0]


@pytest.mark.long
def test_dciodvfy_finds_no_error(a_file):
    if (dciodvfy := shutil.which("dciodvfy")) is None:
        pytest.skip("no dciodvfy on the PATH; Debian's package is dicom3tools")
    result = subprocess.run(
        [dciodvfy, str(a_file[1])], capture_output=True, text=True, check=False
    )
    said = result.stdout + result.stderr
    assert "Segmentation" in said
    assert [line for line in said.splitlines() if line.startswith("Error")] == []
    assert "not present in standard DICOM IOD" not in said


@pytest.mark.long
def test_dcmqi_reads_what_was_written(a_file, tmp_path):
    anatomy, path = a_file
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    pip = [str(home / "bin" / "pip"), "install", "-q", DCMQI]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"pip cannot install {DCMQI}: {installed.stderr[-300:]}")
    out = tmp_path / "out"
    out.mkdir()
    tool = [str(home / "bin" / "segimage2itkimage"), "--inputDICOM", str(path)]
    subprocess.run(
        [*tool, "--outputDirectory", str(out), "-t", "nrrd"],
        check=True, capture_output=True, env=os.environ,
    )  # fmt: skip
    told = json.loads((out / "meta.json").read_text())["segmentAttributes"]
    codes = [one[0]["SegmentedPropertyTypeCodeSequence"]["CodeValue"] for one in told]
    assert codes == ["64033007", "64033007", "108369006"]
    assert told[0][0]["recommendedDisplayRGBValue"] == [185, 102, 83]
    side = told[0][0]["SegmentedPropertyTypeModifierCodeSequence"]["CodeMeaning"]
    assert side == "Left"
    for one in STRUCTURES:
        volume = sitk.ReadImage(str(out / f"{one.number}.nrrd"))
        voxels = sitk.GetArrayFromImage(volume) > 0
        assert voxels.sum() == anatomy.mask(one).sum()
        place = volume.TransformContinuousIndexToPhysicalPoint
        mean = np.argwhere(voxels).mean(axis=0)[::-1]
        expected = np.argwhere(anatomy.mask(one)).mean(axis=0)[::-1]
        expected_mm = anatomy.grid.lps_from_voxel_mm @ [*expected, 1]
        np.testing.assert_allclose(place(mean.tolist()), expected_mm, atol=0.01)
