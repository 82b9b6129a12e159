"""Masks written by rt-utils itself come back voxel for voxel.

rt-utils, and what is built on it, draws contours through the centres of border voxels
(OpenCV's findContours): round holes through voxels of the organ, and along structures
of one voxel's width there and back.
"""

import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.dataset import Dataset

from deeprac.cohort.dicom.contours import filled
from deeprac.cohort.dicom.geometry import grid_of
from deeprac.cohort.dicom.headers import quiet, read_header
from deeprac.cohort.dicom.segmentations import read_segmentations
from deeprac.cohort.dicom.series import stacks_of
from deeprac.cohort.findings import Severity
from deeprac.cohort.grid import Grid
from support.dicom_builders import Series, hu_of
from support.dicom_cases import headers_of

# Where OpenCV lacks the libraries of the system, as .ci/run installs them.
rt_utils = pytest.importorskip("rt_utils", exc_type=ImportError)
cv2 = pytest.importorskip("cv2", exc_type=ImportError)

SHAPE = (6, 48, 64)


def shapes() -> np.ndarray:
    """A mask [k, j, i]: blobs, holes, islands in holes, and thin structures."""
    k, j, i = np.indices(SHAPE)
    blob = ((i - 20.3) / 14) ** 2 + ((j - 21.8 - k) / 11) ** 2
    mask = (blob < 1) & ~((blob < 0.5) & (k > 1)) | ((blob < 0.15) & (k > 2))
    mask[4, 21:28, 20] = False  # the hole ends between two voxels that touch
    mask[1, 30:32, 50] = mask[2, 5, 40:60] = mask[3, 6, 45] = True  # lines, a voxel
    mask[4, range(8, 20), range(40, 52)] = True  # a slanting line
    mask[5, 30:33, 50:53] = True
    mask[5, 31, 51] = False  # a hole of one voxel
    mask[0, :4, 60:] = True  # in the corner
    return mask


def drawn(series: Path, mask: np.ndarray, **options) -> Dataset:
    """A mask [k, j, i] of slices upwards as RTSTRUCT of rt-utils."""
    with warnings.catch_warnings():
        # It sets what pydicom 4 will drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        structures = rt_utils.RTStructBuilder.create_new(str(series))
    structures.add_roi(mask.transpose(1, 2, 0), name="Kidney", **options)
    return structures.ds


def with_digits(dataset: Dataset, digits: int) -> Dataset:
    """A copy whose coordinates have that many digits behind the point."""
    dataset = deepcopy(dataset)
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        contour.ContourData = [f"{value:.{digits}f}" for value in contour.ContourData]
    return dataset


def read(dataset: Dataset, path: Path, grid: Grid):
    """The mask [k, j, i] and what is told."""
    dataset.save_as(path)
    with quiet():
        (one,), found = read_segmentations([read_header(path)], grid, lambda name: True)
    return sitk.GetArrayFromImage(one.volume) > 0, found


def assert_equal_but_for_a_note(dataset, path, grid, mask):
    got, found = read(dataset, path, grid)
    np.testing.assert_array_equal(got, mask)
    count = len(dataset.ROIContourSequence[0].ContourSequence)
    [note] = [finding for finding in found if "through the centres" in finding.message]
    assert note.severity is Severity.NOTE
    assert note.message.startswith(f"{count} of {count} contours of 'Kidney' are drawn")


@pytest.mark.parametrize(
    "pixel_mm", [0.5, 0.683594, 0.703125, 0.7421875, 0.78125, 0.8, 0.845703, 0.9765625]
)
def test_pixel_sizes_and_digits(tmp_path, pixel_mm):
    series = Series(
        hu_of(SHAPE),
        spacing_mm=(pixel_mm, pixel_mm, 2.5),
        origin_mm=(-257.7 * pixel_mm, -190.5 * pixel_mm, -1203.25),
    )
    series.write(tmp_path / "ct")
    dataset = drawn(tmp_path / "ct", shapes())
    path = tmp_path / "rt.dcm"
    assert_equal_but_for_a_note(dataset, path, series.grid, shapes())
    for digits in range(2, 11):
        rounded = with_digits(dataset, digits)
        assert_equal_but_for_a_note(rounded, path, series.grid, shapes())


@pytest.mark.parametrize("approximate", [True, False])
def test_an_oblique_series(tmp_path, approximate):
    # Turned by 20 degrees about the axis, then by 15 about the rows.
    a, b = np.deg2rad([20, 15])
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    series = Series(hu_of(SHAPE), spacing_mm=(0.8, 0.8, 2.5), axes=turn @ tilt)
    series.write(tmp_path / "ct")
    dataset = drawn(tmp_path / "ct", shapes(), approximate_contours=approximate)
    path = tmp_path / "rt.dcm"
    assert_equal_but_for_a_note(dataset, path, series.grid, shapes())


def test_a_real_series(tmp_path, shared_data):
    folder = shared_data / "dicom" / "crlm_ct_1004"
    [stack] = stacks_of(headers_of(sorted(folder.glob("*.dcm"))))
    grid = grid_of(stack.headers)
    mask = np.zeros(grid.size[::-1], bool)
    mask[20:26, 200:248, 130:194] = shapes()
    k, j, i = np.indices(mask.shape)
    for centre in (180.4, 330.6):
        mask |= (
            ((i - centre) / 31) ** 2 + ((j - 301.7) / 24) ** 2 + ((k - 21) / 9.5) ** 2
        ) < 1
    path = tmp_path / "rt.dcm"
    assert_equal_but_for_a_note(drawn(folder, mask), path, grid, mask)


@settings(max_examples=300)
@given(arrays(bool, (9, 12)), st.sampled_from(["SIMPLE", "NONE"]))
def test_any_mask_comes_back_from_the_contours_of_opencv(mask, chain):
    assume(mask.any())
    method = getattr(cv2, f"CHAIN_APPROX_{chain}")
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_TREE, method)
    got, shared = filled([one[:, 0].astype(float) for one in contours], mask.shape)
    np.testing.assert_array_equal(got, mask)
    assert shared == 0
