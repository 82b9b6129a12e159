import gzip

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort import voxels
from deeprac.cohort.findings import CaseError, Severity
from deeprac.cohort.frame import canonical
from deeprac.cohort.volume_files import read_volume
from support.cohort_builders import ct_arrays, volume

AFFINE = np.array([[-0.75, 0, 0, 40.5], [0, -0.75, 0, -17.25], [0, 0, 2.5, -300],
                   [0, 0, 0, 1]])  # fmt: skip
DATA = np.arange(4 * 6 * 8, dtype=np.int16).reshape(8, 6, 4) - 90
"""Voxels [x, y, z] as nibabel has them."""


def array(image):
    return sitk.GetArrayFromImage(image)


def nifti(path, data=DATA, affine=AFFINE, **header):
    """Write a NIfTI file, then set fields of its header as they are given."""
    image = nib.Nifti1Image(data, affine, dtype=data.dtype)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    nib.save(image, path)
    packed = path.name.endswith(".gz")
    content = bytearray(
        gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    )
    raw = nib.Nifti1Header(bytes(content[:348]), check=False)
    for field, value in header.items():
        raw[field] = value
    content[:348] = raw.binaryblock
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_convention_nifti_is_turned_from_ras_to_lps(tmp_path, ending):
    got, found = read_volume(nifti(tmp_path / f"ct{ending}"))
    assert found == []
    np.testing.assert_array_equal(array(got).T, DATA)
    assert got.GetSpacing() == (0.75, 0.75, 2.5)
    assert got.GetOrigin() == (-40.5, 17.25, -300)
    assert got.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".mhd"])
@pytest.mark.parametrize("packed", [False, True])
def test_other_formats_and_foreign_letters_in_the_path(tmp_path, ending, packed):
    image = volume(ct_arrays()[0])
    folder = tmp_path / "Ältere Fälle 2"
    folder.mkdir()
    sitk.WriteImage(image, str(folder / f"ct é{ending}"), useCompression=packed)
    got, found = read_volume(folder / f"ct é{ending}")
    assert found == []
    np.testing.assert_array_equal(array(got), ct_arrays()[0])
    assert got.GetSpacing() == image.GetSpacing()
    assert got.GetOrigin() == image.GetOrigin()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.int64, np.int32),
        (np.uint16, np.uint16),
        (np.uint8, np.uint8),
        (np.float64, np.float32),
        (">i2", np.int16),
    ],
)
def test_kinds_of_numbers(tmp_path, given, kept):
    data = (DATA + 90).astype(given)
    got, _ = read_volume(nifti(tmp_path / "ct.nii.gz", data))
    assert array(got).dtype == kept
    np.testing.assert_array_equal(array(got).T, DATA + 90)


def test_whole_numbers_beyond_32_bits(tmp_path):
    data = DATA.astype(np.int64)
    data[1, 2, 3] = 2**40
    with pytest.raises(CaseError, match="beyond 32 bits"):
        read_volume(nifti(tmp_path / "ct.nii", data))


@pytest.mark.parametrize(
    ("slope", "intercept", "expected", "kind"),
    [
        (2, -1024, DATA * 2 - 1024, np.int32),
        (0.5, 1, DATA * 0.5 + 1, np.float32),
        (0, 0, DATA, np.int16),
        (np.nan, np.nan, DATA, np.int16),
    ],
)
def test_scaling(tmp_path, slope, intercept, expected, kind):
    path = nifti(tmp_path / "ct.nii.gz", scl_slope=slope, scl_inter=intercept)
    got, found = read_volume(path)
    assert found == []
    assert array(got).dtype == kind
    np.testing.assert_array_equal(array(got).T, expected)


def test_an_ignored_intercept_is_told(tmp_path):
    path = nifti(tmp_path / "ct.nii", scl_slope=0, scl_inter=-1024)
    _, (finding,) = read_volume(path)
    assert finding.severity is Severity.WARNING
    assert "scl_inter -1024 is ignored" in finding.message


def test_unit_is_converted_and_recorded(tmp_path):
    affine = AFFINE * 1000
    path = nifti(tmp_path / "ct.nii", affine=affine, xyzt_units=3)
    got, (finding,) = read_volume(path)
    assert finding.severity is Severity.REPAIRED
    assert "micrometres; converted" in finding.message
    np.testing.assert_allclose(got.GetSpacing(), (0.75, 0.75, 2.5))
    np.testing.assert_allclose(got.GetOrigin(), (-40.5, 17.25, -300))


def test_one_frame_of_four_dimensions_is_a_volume(tmp_path):
    got, (finding,) = read_volume(nifti(tmp_path / "ct.nii", DATA[..., None]))
    assert finding.severity is Severity.NOTE
    assert "one frame (8 x 6 x 4 x 1)" in finding.message
    np.testing.assert_array_equal(array(got).T, DATA)


def test_nearly_rectangular_axes_are_repaired_and_recorded(tmp_path):
    affine = AFFINE.copy()
    affine[1, 2] = 2.5 * 2e-4
    path = nifti(tmp_path / "ct.nii", affine=affine, qform_code=0)
    got, (finding,) = read_volume(path)
    assert finding.severity is Severity.REPAIRED
    direction = np.reshape(got.GetDirection(), (3, 3))
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(direction, np.eye(3), atol=2e-4)


def sheared():
    affine = AFFINE.copy()
    affine[1, 2] = 0.5
    return affine


BAD_NIFTI = [
    ({"pixdim": [1, 0, 0.75, 2.5, 0, 0, 0, 0]}, "must be above zero"),
    ({"pixdim": [1, 0.75, -0.75, 2.5, 0, 0, 0, 0]}, "must be above zero"),
    ({"pixdim": [1, np.nan, 0.75, 2.5, 0, 0, 0, 0]}, "must be above zero"),
    ({"qoffset_x": 3.0}, r"sform and qform disagree: sform \(.*qform \("),
    ({"srow_x": [0.75, 0, 0, 40.5]}, "sform and qform disagree"),
    (
        {"qform_code": 0, "pixdim": [1, 0.75, 0.75, 5, 0, 0, 0, 0]},
        r"steps of sform are \(0.75, 0.75, 2.5\), pixdim gives \(0.75, 0.75, 5\)",
    ),
    ({"qform_code": 0, "sform_code": 0}, "neither qform nor sform is set"),
    ({"xyzt_units": 1}, r"spacing is \(750, 750, 2500\) mm"),
    ({"affine": sheared(), "qform_code": 0}, "axes are sheared.*gantry"),
    ({"data": DATA[..., 0]}, "8 x 6 voxels: not a volume"),
    ({"data": np.stack([DATA, DATA], axis=3)}, "several frames"),
    ({"data": DATA.astype(np.complex64)}, "complex numbers"),
    ({"data": np.zeros((8, 6, 4), "u1,u1,u1")}, r"colours \(RGB\)"),
    ({"scl_slope": np.inf}, "must be finite"),
    ({"scl_slope": 1, "scl_inter": np.nan}, "must be finite"),
    ({"scl_slope": 1e38}, "scl_slope is 1e.38 and scl_inter 0; both must be finite, w"),
    ({"scl_slope": 1, "scl_inter": -1e30}, "scl_inter -1e.30; both must be finite, w"),
    ({"scl_slope": 1e-30}, "the slope must leave the numbers larger than 0.001"),
    ({"datatype": 999}, "datatype is 999, which stands for no numbers"),
    ({"datatype": 0}, "datatype is 0, which stands for no numbers"),
    ({"datatype": 1}, "datatype is 1, which stands for no numbers"),
    ({"datatype": 1536}, "datatype is 1536, which stands for no numbers"),
    ({"vox_offset": np.nan}, "vox_offset is nan; voxels begin at a whole number of"),
    ({"vox_offset": np.inf}, "vox_offset is inf; voxels begin at a whole number of"),
    ({"vox_offset": 1e18}, "vox_offset is 1e.18; voxels begin at a whole number of"),
    ({"vox_offset": 352.5}, "vox_offset is 352.5; voxels begin at a whole number"),
    ({"vox_offset": 0}, "vox_offset is 0; voxels begin at .* from 348 to"),
    ({"magic": b"ni1"}, "one half of a pair"),
    ({"dim": [3, -1, 1, 1, 1, 1, 1, 1]}, r"dim is \(3, -1, 1, 1\): the number of axes"),
    ({"dim": [3, 8, 0, 4, 1, 1, 1, 1]}, r"dim is \(3, 8, 0, 4\): the number of axes"),
    ({"dim": [0, 8, 6, 4, 1, 1, 1, 1]}, r"dim is \(0,\): the number of axes, 1 to 7"),
    ({"dim": [-3, 8, 6, 4, 1, 1, 1, 1]}, r"dim is \(-3,\): the number of axes, 1 to"),
    ({"dim": [9, 8, 6, 4, 1, 1, 1, 1]}, r"dim is \(9, 8, 6, 4, 1, 1, 1, 1\): the numb"),
    ({"sform_code": 0, "quatern_b": np.nan}, r"qform is broken: its quaternion is \(n"),
    ({"sform_code": 0, "quatern_b": 3}, r"qform is broken: its quaternion is \(3, 0, "),
    ({"sform_code": 0, "pixdim": [2, 0.75, 0.75, 2.5, 0, 0, 0, 0]}, "broken.* is 2, "),
    ({"qoffset_x": np.nan}, r"sform and qform disagree: .*qform .*nan"),
    ({"srow_x": [-0.75, 0, 0, np.inf]}, "sform and qform disagree"),
    ({"qform_code": 0, "srow_x": [np.nan, 0, 0, 40.5]}, "steps of sform are"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_NIFTI)
def test_bad_nifti(tmp_path, changes, message):
    changes = dict(changes)
    data = changes.pop("data", DATA)
    if data.dtype.names:
        data = data.astype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(CaseError, match=message) as error:
        read_volume(nifti(tmp_path / "ct.nii.gz", data, **changes))
    assert str(tmp_path) not in str(error.value)
    assert "ct.nii" not in str(error.value)


def cut(content):
    return content[:-20]


def cut_in_the_header(content):
    return content[:40]


def flipped_checksum(content):
    return content[:-8] + bytes([content[-8] ^ 1]) + content[-7:]


@pytest.mark.parametrize("damage", [cut, cut_in_the_header, flipped_checksum])
def test_damaged_gzip(tmp_path, damage):
    path = nifti(tmp_path / "ct.nii.gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CaseError, match="cut short or damaged"):
        read_volume(path)


def in_two_members(content):
    return gzip.compress(content[:97]) + gzip.compress(content[97:])


def padded_with_zeros(content):
    return gzip.compress(content) + bytes(512)


@pytest.mark.parametrize("pack", [in_two_members, padded_with_zeros, bytes])
def test_gzip_in_all_its_forms(tmp_path, pack):
    path = nifti(tmp_path / "ct.nii.gz")
    path.write_bytes(pack(gzip.decompress(path.read_bytes())))
    got, found = read_volume(path)
    assert found == []
    np.testing.assert_array_equal(array(got).T, DATA)


@pytest.mark.parametrize("repeat", [1, 500])
@pytest.mark.parametrize("after", [b"x", b"garbage!", b"\0\0\0x"])
def test_bytes_after_gzip_are_told(tmp_path, after, repeat):
    noise = np.random.default_rng(2).integers(-999, 999, (repeat, 60, 40), np.int16)
    path = nifti(tmp_path / "ct.nii.gz", noise)
    path.write_bytes(path.read_bytes() + after)
    with pytest.raises(CaseError, match="whole, but after its compressed bytes come"):
        read_volume(path)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [nib.Nifti1Header, nib.Nifti2Header])
def test_both_orders_of_bytes_and_both_kinds_of_header(tmp_path, kind, order):
    header = kind(endianness=order)
    image_kind = {nib.Nifti1Header: nib.Nifti1Image, nib.Nifti2Header: nib.Nifti2Image}
    image = image_kind[kind](DATA.astype(f"{order}i2"), AFFINE, header)
    image.set_sform(AFFINE, 1)
    nib.save(image, tmp_path / "ct.nii")
    assert nib.load(tmp_path / "ct.nii").header.endianness == order
    got, _ = read_volume(tmp_path / "ct.nii")
    np.testing.assert_array_equal(array(got).T, DATA)
    assert got.GetOrigin() == (-40.5, 17.25, -300)


def test_a_damaged_origin_keeps_its_axis(tmp_path):
    """Which of three numbers is damaged is told by who compares the origins."""
    changes = {"qform_code": 0, "srow_y": [0, -0.75, 0, np.nan]}
    got, _ = read_volume(nifti(tmp_path / "ct.nii", **changes))
    np.testing.assert_array_equal(got.GetOrigin(), (-40.5, np.nan, -300))


def test_cut_without_compression(tmp_path):
    path = nifti(tmp_path / "ct.nii")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CaseError, match="cut short or damaged"):
        read_volume(path)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
@pytest.mark.parametrize("packed", [False, True])
def test_cut_files_of_other_formats(tmp_path, ending, packed):
    path = tmp_path / f"ct{ending}"
    sitk.WriteImage(volume(ct_arrays()[0]), str(path), useCompression=packed)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CaseError, match="cut short"):
        read_volume(path)


def test_damaged_meta_image_that_simpleitk_would_read(tmp_path):
    path = tmp_path / "ct.mha"
    noise = np.random.default_rng(0).integers(0, 999, (4, 5, 6), np.int16)
    sitk.WriteImage(volume(noise), str(path), useCompression=True)
    content = bytearray(path.read_bytes())
    content[-60] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(CaseError, match="damaged"):
        read_volume(path)


def test_axes_that_are_not_given(tmp_path):
    nrrd.write(str(tmp_path / "ct.nrrd"), DATA)
    with pytest.raises(CaseError, match="nothing tells left from right"):
        read_volume(tmp_path / "ct.nrrd")
    (tmp_path / "ct.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 8 6 4\nElementSpacing = 1 1 1\n"
        "ElementType = MET_SHORT\nElementDataFile = ct.raw\n"
    )
    (tmp_path / "ct.raw").write_bytes(DATA.tobytes())
    with pytest.raises(CaseError, match="nothing tells left from right"):
        read_volume(tmp_path / "ct.mhd")


def test_sheared_nrrd(tmp_path):
    header = {
        "space": "left-posterior-superior",
        "space directions": np.array([[0.75, 0, 0], [0, 0.75, 0], [0, 0.5, 2.5]]),
        "space origin": [0, 0, 0],
    }
    nrrd.write(str(tmp_path / "ct.nrrd"), DATA, header)
    with pytest.raises(CaseError, match="axes are sheared"):
        read_volume(tmp_path / "ct.nrrd")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ct.nii.gz", None, "the file is missing"),
        ("ct.nii.gz", b"", "the file is empty"),
        ("ct.nii.gz", gzip.compress(b"not an image" * 100, mtime=0), "is not NIfTI"),
        ("ct.mha", b"not an image" * 100, "not what its name says"),
        ("ct.nrrd", b"not an image" * 100, "not what its name says"),
        ("ct.png", b"x", r"of no known kind; volumes end in \.nii"),
    ],
)
def test_files_that_are_no_volumes(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CaseError, match=message):
        read_volume(tmp_path / name)


def test_too_many_voxels(tmp_path, monkeypatch):
    monkeypatch.setattr(voxels, "MAX_VOXELS", 191)
    with pytest.raises(CaseError, match="8 x 6 x 4 voxels; at most 191"):
        read_volume(nifti(tmp_path / "ct.nii"))


def test_one_limit_for_every_reader():
    voxels.refuse_too_large((512, 512, 2048))
    with pytest.raises(CaseError, match="it has 512 x 512 x 2049 voxels; at most 5368"):
        voxels.refuse_too_large((512, 512, 2049))


@pytest.mark.parametrize("name", ["imaging", "segmentation"])
def test_real_lfs_pointers(shared_data, name):
    with pytest.raises(CaseError, match="the file is a Git-LFS pointer"):
        read_volume(shared_data / "bad" / "lfs_pointer" / f"{name}.nii.gz")


@pytest.mark.long
@pytest.mark.parametrize(
    "case", ["kits19/case_00023", "kits19/case_00160", "kits23/case_00425"]
)
def test_real_kits_masks_have_their_volumes_and_true_axes(shared_data, case):
    """uint16, 796 and 632 columns, slices along the first axis of the file."""
    path = shared_data / "kits_masks" / case / "segmentation.nii.gz"
    got = canonical(read_volume(path)[0])
    plain = nib.load(path)
    numbers = np.asanyarray(plain.dataobj)
    # KiTS's first axis runs to inferior, its second to posterior, its third to left.
    assert got.GetSize() == numbers.shape[::-1]
    np.testing.assert_allclose(got.GetSpacing(), plain.header.get_zooms()[::-1])
    np.testing.assert_array_equal(array(got)[::-1], numbers)
    volume_ml = abs(np.linalg.det(plain.affine[:3, :3])) / 1000
    for value in (1, 2):
        expected = np.count_nonzero(numbers == value) * volume_ml
        got_ml = (
            np.count_nonzero(array(got) == value) * np.prod(got.GetSpacing()) / 1000
        )
        assert got_ml == pytest.approx(expected, rel=1e-5)
        assert got_ml > 1
