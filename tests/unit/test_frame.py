import itertools
import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from deeprac.cohort.convert import convert
from deeprac.cohort.findings import Severity
from deeprac.cohort.frame import (
    FRAME_COLUMNS,
    canonical,
    frame_findings,
    frames_table,
    read_frames,
)
from deeprac.cohort.grid import Grid
from deeprac.cohort.reader import Segmentation, SourceCase
from deeprac.cohort.volume_files import read_volume
from deeprac.errors import CohortError
from support.cohort_builders import cohort_config, ct_arrays, volume

NAMES = {0: "background", 1: "kidney", 2: "tumour"}
SPACING_MM = (0.75, 0.75, 2.5)
ORIGIN_MM = (-40.5, 17.25, -300.0)
ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def array(image):
    return sitk.GetArrayFromImage(image)


def affine_ras(spacing_mm, origin_lps_mm):
    """Voxel [x, y, z] of a canonical LPS array to NIfTI's RAS."""
    affine = np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])
    affine[:3, 3] = np.array(origin_lps_mm) * (-1, -1, 1)
    return affine


def turned(data_xyz, affine, order, signs):
    """The same voxels in space with axes permuted and flipped, by numpy alone."""
    data = data_xyz.transpose(order)
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    for new, (old, sign) in enumerate(zip(order, signs, strict=True)):
        to_old[old, new] = sign
        if sign < 0:
            data = np.flip(data, axis=new)
            to_old[old, 3] = data.shape[new] - 1
    return data, affine @ to_old


def write_nifti(path, data_xyz, affine):
    nifti = nib.Nifti1Image(np.ascontiguousarray(data_xyz), affine)
    nifti.set_qform(affine, code=1)
    nifti.set_sform(affine, code=1)
    nib.save(nifti, path)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_48_orientations_give_one_case_and_the_way_back(tmp_path, order, signs):
    image, label = ct_arrays((5, 9, 12))
    affine = affine_ras(SPACING_MM, ORIGIN_MM)
    paths = {}
    for what, voxels in (("image", image), ("label", label)):
        data, matrix = turned(voxels.T, affine, order, signs)
        paths[what] = tmp_path / f"{what}.nii.gz"
        write_nifti(paths[what], data, matrix)
    volumes = {}
    for what, path in paths.items():
        volumes[what], findings = read_volume(path)
        assert findings == []
    source = SourceCase(volumes["image"], (Segmentation(volumes["label"], NAMES),))
    case = convert(source, "a", "p", cohort_config())
    for got, expected in ((case.image, image), (case.label, label)):
        np.testing.assert_array_equal(array(got), expected)
        assert got.GetSpacing() == SPACING_MM
        assert got.GetOrigin() == ORIGIN_MM
        assert got.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    # The toy has no fat and a tiny kidney; nothing is said of its axes.
    assert {f.check for f in case.findings} <= {"intensity", "label volume"}
    back = case.frame.restore(case.label)
    np.testing.assert_array_equal(array(back), array(volumes["label"]))
    assert Grid.of(back) == Grid.of(volumes["label"])
    np.testing.assert_array_equal(
        array(back).T, np.asanyarray(nib.load(paths["label"]).dataobj)
    )


def test_the_orientations_are_48_different_ones():
    codes = set()
    for order, signs in ORIENTATIONS:
        _, matrix = turned(np.zeros((3, 4, 5)), np.eye(4), order, signs)
        codes.add(nib.aff2axcodes(matrix))
    assert len(codes) == 48


def test_image_and_label_may_be_turned_differently(tmp_path):
    image, label = ct_arrays((5, 9, 12))
    affine = affine_ras(SPACING_MM, ORIGIN_MM)
    write_nifti(tmp_path / "i.nii.gz", *turned(image.T, affine, (2, 0, 1), (1, -1, 1)))
    write_nifti(tmp_path / "l.nii.gz", *turned(label.T, affine, (1, 2, 0), (-1, -1, 1)))
    (volume, _), (mask, _) = (read_volume(tmp_path / f"{n}.nii.gz") for n in "il")
    source = SourceCase(volume, (Segmentation(mask, NAMES),))
    case = convert(source, "a", "p", cohort_config())
    np.testing.assert_array_equal(array(case.image), image)
    np.testing.assert_array_equal(array(case.label), label)
    (finding,) = [f for f in case.findings if f.severity is Severity.NOTE]
    assert finding.severity is Severity.NOTE
    assert "it was turned" in finding.message


@settings(max_examples=60)
@given(
    size=st.tuples(*[st.integers(1, 5)] * 3),
    which=st.integers(0, 47),
    tilt_deg=st.floats(-15, 15),
    seed=st.integers(0, 99),
)
def test_restoring_undoes_turning(size, which, tilt_deg, seed):
    """Also of oblique grids, whose axes are taken off and put back."""
    order, signs = ORIENTATIONS[which]
    cos, sin = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    tilt = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    source = sitk.GetImageFromArray(
        np.random.default_rng(seed).integers(0, 9, size, np.uint8)
    )
    source.SetDirection((tilt @ np.diag(signs)[:, order]).ravel().tolist())
    source.SetSpacing((0.7, 0.9, 3.1))
    source.SetOrigin((5.5, -8.25, 101.3))
    turned_volume = canonical(source)
    assert turned_volume.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    back = Grid.of(source).restore(turned_volume)
    np.testing.assert_array_equal(array(back), array(source))
    assert Grid.of(back) == Grid.of(source)


def test_a_label_map_of_another_case_is_not_restored():
    image, label = (volume(a) for a in ct_arrays())
    with pytest.raises(CohortError, match="does not belong to a source"):
        Grid.of(image).restore(label[:, :, :4])


def tilted(degrees, spacing_mm=(0.8, 0.8, 3.0)):
    """About the patient's x axis."""
    image = volume(ct_arrays()[0], spacing_mm)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    image.SetDirection((1, 0, 0, 0, cos, -sin, 0, sin, cos))
    return image


def test_a_small_tilt_is_taken_off_about_the_middle_and_recorded():
    image = tilted(6)
    (finding,) = frame_findings(image)
    assert finding.severity is Severity.NOTE
    assert "turned by 6.0 degrees; taken as axial" in finding.message
    got = canonical(image)
    np.testing.assert_array_equal(array(got), ct_arrays()[0])
    assert got.GetSpacing() == image.GetSpacing()
    middle = (5.5, 4.0, 2.0)
    np.testing.assert_allclose(
        got.TransformContinuousIndexToPhysicalPoint(middle),
        image.TransformContinuousIndexToPhysicalPoint(middle),
    )


def test_slices_that_are_not_axial():
    (finding,) = frame_findings(tilted(25))
    assert finding.severity is Severity.ERROR
    assert "not axial: the axes are turned by 25 degrees" in finding.message


def test_coronal_slices_of_a_volume_are_turned_not_refused():
    assert frame_findings(sitk.DICOMOrient(tilted(0), "LSA")) == []


@pytest.mark.parametrize("orientation", ["LPS", "SPR", "AIR"])
def test_pixels_that_are_not_square_in_the_patients_axial_plane(orientation):
    image = sitk.DICOMOrient(tilted(0, spacing_mm=(0.8, 0.9, 3.0)), orientation)
    (finding,) = frame_findings(image)
    assert finding.severity is Severity.ERROR
    assert "0.8 x 0.9 mm, not square. Resample" in finding.message


def test_frames_survive_their_table(tmp_path):
    frame = Grid.of(sitk.DICOMOrient(tilted(1 / 3), "SAR"))
    table = frames_table({"007": frame})
    assert tuple(table.columns) == FRAME_COLUMNS
    assert table["size_x"].item() == 5
    assert table["spacing_x_mm"].item() == 3.0
    # The first axis runs to superior: its step is the column xx, yx, zx.
    assert table["direction_zx"].item() == pytest.approx(1, abs=1e-4)
    table.to_csv(tmp_path / "frames.csv", index=False)
    assert read_frames(tmp_path / "frames.csv") == {"007": frame}
    assert Grid.from_json(json.loads(json.dumps(frame.as_json()))) == frame
