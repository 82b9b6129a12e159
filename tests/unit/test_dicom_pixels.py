"""Values of slices: HU whatever the photometric interpretation; the limit of size."""

import numpy as np
import pytest
import SimpleITK as sitk
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom import dcmread
from pydicom.uid import RLELossless, generate_uid

from deeprac.cohort.dicom.pixels import read_stack
from deeprac.cohort.dicom.series import stacks_of
from deeprac.cohort.findings import CaseError
from deeprac.cohort.voxels import MAX_VOXELS
from support.dicom_builders import Series, hu_of
from support.dicom_cases import edit, headers_of

SHAPE = (5, 6, 9)


def read(paths):
    [stack] = stacks_of(headers_of(paths))
    image, _, findings = read_stack(stack)
    return sitk.GetArrayFromImage(image), [finding.message for finding in findings]


def written(folder, **tags):
    return Series(hu_of(SHAPE), tags=tags).write(folder)


def packed(folder, slices, **tags):
    LegacyConvertedEnhancedCTImage(
        legacy_datasets=[dcmread(path) for path in slices],
        series_instance_uid=generate_uid(),
        series_number=5,
        sop_instance_uid=generate_uid(),
        instance_number=1,
    ).save_as(folder / "ct")
    edit(folder / "ct", **tags)
    return folder / "ct"


def test_low_values_shown_bright_are_the_same_hu(tmp_path):
    paths = written(tmp_path, PhotometricInterpretation="MONOCHROME1")
    values, [message] = read(paths)
    np.testing.assert_array_equal(values, hu_of(SHAPE))
    assert message.startswith("5 of 5 files are MONOCHROME1")


def test_low_values_shown_bright_in_one_file(tmp_path):
    paths = written(tmp_path / "slices")
    one = packed(tmp_path, paths, PhotometricInterpretation="MONOCHROME1")
    values, [message] = read([one])
    np.testing.assert_array_equal(values, hu_of(SHAPE))
    assert message.startswith("1 of 1 files are MONOCHROME1")


def test_low_values_shown_bright_and_compressed(tmp_path):
    paths = written(tmp_path, PhotometricInterpretation="MONOCHROME1")
    for path in paths:
        dataset = dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    np.testing.assert_array_equal(read(paths)[0], hu_of(SHAPE))


def test_low_values_shown_bright_that_are_cut_short(tmp_path):
    paths = written(tmp_path, PhotometricInterpretation="MONOCHROME1")
    paths[2].write_bytes(paths[2].read_bytes()[:-20])
    with pytest.raises(CaseError, match=r"slice 3 of 5 cannot be .* MONOCHROME2 only"):
        read(paths)


def test_one_limit_for_every_format(tmp_path, monkeypatch):
    paths = written(tmp_path / "slices")
    one = packed(tmp_path, paths)
    monkeypatch.setattr("deeprac.cohort.voxels.MAX_VOXELS", 5 * 6 * 9 - 1)
    for files in (paths, [one]):
        with pytest.raises(CaseError, match="it has 9 x 6 x 5 voxels; at most 269"):
            read(files)
    assert MAX_VOXELS == 2**29
