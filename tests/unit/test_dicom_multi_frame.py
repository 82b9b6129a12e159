"""CT with all slices in one file, and random damage."""

import numpy as np
import pytest
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom import dcmread
from pydicom.uid import generate_uid

from deeprac.cohort.dicom.pixels import read_stack
from deeprac.cohort.dicom.series import stacks_of
from deeprac.cohort.findings import CaseError
from deeprac.cohort.formats import open_source
from deeprac.errors import CohortError
from support.dicom_builders import Series, hu_of
from support.dicom_cases import add_label, dicom_config, edit, headers_of, trunk

SHAPE = (6, 20, 24)  # k, j, i
FEET_FIRST = np.diag([-1.0, 1.0, -1.0])
LAST_SLICE_DOWN = np.diag([1.0, -1.0, -1.0])


def packed(folder, slices):
    """One file of multi-frame CT with these slices."""
    LegacyConvertedEnhancedCTImage(
        legacy_datasets=[dcmread(path) for path in slices],
        series_instance_uid=generate_uid(),
        series_number=5,
        sop_instance_uid=generate_uid(),
        instance_number=1,
    ).save_as(folder / "ct")
    return folder / "ct"


def read(path):
    [stack] = stacks_of(headers_of([path]))
    return read_stack(stack)[0]


@pytest.mark.parametrize("axes", [np.eye(3), FEET_FIRST, LAST_SLICE_DOWN])
def test_every_voxel_lies_where_the_single_slices_say(tmp_path, axes):
    series = Series(hu_of(SHAPE), axes=axes)
    image = read(packed(tmp_path, series.write(tmp_path / "single")))
    assert image.GetSpacing() == pytest.approx((0.7, 0.9, 2.5))
    assert np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) > 0.99
    for k, j, i in ((2, 7, 5), (4, 3, 20)):
        offset_mm = series.axes @ (np.array([i, j, k]) * series.spacing_mm)
        at_mm = (np.array(series.origin_mm) + offset_mm).tolist()
        value = image[image.TransformPhysicalPointToIndex(at_mm)]
        assert value == hu_of(SHAPE)[k, j, i]


@pytest.mark.parametrize("missing", [1, 3])
def test_a_missing_slice_is_refused(tmp_path, missing):
    slices = Series(hu_of(SHAPE)).write(tmp_path / "single")
    path = packed(tmp_path, slices[:missing] + slices[missing + 1 :])
    with pytest.raises(CaseError, match="frames of the multi-frame file are no evenly"):
        read(path)


def test_a_wrong_number_of_frames_is_refused_before_memory_is_taken(tmp_path):
    slices = Series(hu_of(SHAPE)).write(tmp_path / "single")
    path = packed(tmp_path, slices)
    edit(path, NumberOfFrames=2**31 - 1)
    with pytest.raises(CaseError, match=r"2147483647 frames .* cannot be read"):
        read(path)


def test_frames_without_rescaling_are_refused(tmp_path):
    slices = Series(hu_of(SHAPE)).write(tmp_path / "single")
    dataset = dcmread(packed(tmp_path, slices))
    groups = [*dataset.SharedFunctionalGroupsSequence]
    for group in [*groups, *dataset.PerFrameFunctionalGroupsSequence]:
        if "PixelValueTransformationSequence" in group:
            del group.PixelValueTransformationSequence
    dataset.save_as(tmp_path / "ct")
    with pytest.raises(CaseError, match="cannot be read"):
        read(tmp_path / "ct")


@pytest.mark.parametrize("seed", range(12))
def test_random_damage_is_told_and_never_a_bug(tmp_path, seed):
    # 25 bytes of each slice at random, everywhere behind the preamble.
    rng = np.random.default_rng(seed)
    series = trunk()
    paths = series.write(tmp_path / "ct")
    add_label(series, tmp_path / "ct")
    for path in paths:
        content = bytearray(path.read_bytes())
        for place in rng.integers(132, min(len(content), 1500), 25):
            content[place] = rng.integers(256)
        path.write_bytes(content)
    with pytest.raises(CohortError):
        load_all(dicom_config(tmp_path))


def load_all(config):
    source = open_source(config)
    for name in source.names():
        source.load(name)
