"""What NRRD headers say, against positions derived by hand."""

import gzip

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.findings import CaseError
from deeprac.cohort.nrrd_header import read_nrrd_header
from deeprac.cohort.volume_files import read_volume

DATA = np.arange(4 * 3 * 2, dtype=np.int16).reshape(4, 3, 2)
"""Voxels [i, j, k]."""

DIRECTIONS = "(0,2,0) (3,0,0) (0,0,5)"
"""The first axis runs along the second of space, the second along the first."""

ORIGIN = "(10,20,30)"
VOXEL, POSITION = (1, 2, 1), (10 + 2 * 3, 20 + 1 * 2, 30 + 1 * 5)
"""An index, and where it lies along the three axes of space."""


def write(path, voxels=None, **fields):
    """Write a header, fields by key with ``_`` for spaces, None to leave one out."""
    header = {
        "type": "short",
        "dimension": 3,
        "space": "left-posterior-superior",
        "sizes": "4 3 2",
        "space_directions": DIRECTIONS,
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "raw",
        "space_origin": ORIGIN,
    } | fields
    lines = [f"{k.replace('_', ' ')}: {v}" for k, v in header.items() if v is not None]
    text = "\n".join(["NRRD0005", *lines, "", ""])
    content = DATA.tobytes(order="F") if voxels is None else voxels
    path.write_bytes(text.encode() + content)
    return path


SPACES = {
    **dict.fromkeys(("left-posterior-superior", "LPS", "lps"), (1, 1, 1)),
    **dict.fromkeys(("right-anterior-superior", "RAS"), (-1, -1, 1)),
    **dict.fromkeys(("left-anterior-superior", "LAS"), (1, -1, 1)),
}
"""Signs of the axes of space in LPS: R and A point against L and P."""


@pytest.mark.parametrize(("space", "signs"), SPACES.items())
def test_convention_spaces_that_name_anatomy_come_in_lps(tmp_path, space, signs):
    got, found = read_volume(write(tmp_path / "a.nrrd", space=space))
    assert found == []
    expected = np.array(signs) * POSITION
    np.testing.assert_allclose(got.TransformIndexToPhysicalPoint(VOXEL), expected)
    assert got[VOXEL] == DATA[VOXEL]
    assert got.GetSpacing() == (2, 3, 5)


@pytest.mark.parametrize(("space", "signs"), SPACES.items())
def test_convention_spaces_with_time_come_in_lps_too(tmp_path, space, signs):
    """ITK does not turn them."""
    with_time = f"{space}T" if len(space) == 3 else f"{space}-time"
    path = write(
        tmp_path / "a.nrrd",
        space=with_time,
        dimension=4,
        sizes="4 3 2 1",
        kinds="domain domain domain time",
        space_directions="(0,2,0,0) (3,0,0,0) (0,0,5,0) (0,0,0,1)",
        space_origin="(10,20,30,0)",
    )
    got, (note,) = read_volume(path)
    assert "one frame" in note.message
    expected = np.array(signs) * POSITION
    np.testing.assert_allclose(got.TransformIndexToPhysicalPoint(VOXEL), expected)
    assert got[VOXEL] == DATA[VOXEL]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"space": "3D-right-handed"}, "has the space '3D-right-handed', no anatomy"),
        ({"space": "3D-left-handed"}, "has the space '3D-left-handed', no anatomy"),
        ({"space": "scanner-xyz"}, "has the space 'scanner-xyz', no anatomy"),
        ({"space": "right-up"}, "has the space 'right-up', no anatomy"),
        ({"space": None, "space_dimension": 3}, "the header names no space, and noth"),
        ({"space_directions": "none none none"}, "are none none none; 3 finite"),
        ({"space_directions": "(2,0,0) none (0,0,5)"}, r"\(2, 0, 0\) none \(0, 0, 5\)"),
        ({"space_directions": "(nan,0,0) (0,3,0) (0,0,5)"}, r"are \(nan, 0, 0\)"),
        ({"space_directions": "(inf,0,0) (0,3,0) (0,0,5)"}, r"are \(inf, 0, 0\)"),
        ({"space_directions": None, "spacings": "2 3 5"}, "are not given; 3 finite"),
        ({"space_directions": "(0,0,0) (0,3,0) (0,0,5)"}, r"spacing is \(nan, 3, 5\)"),
        ({"space_origin": "(nan,20,30)"}, r"the origin is \(nan, 20, 30\) mm"),
        ({"space_origin": "(inf,20,30)"}, r"the origin is \(inf, 20, 30\) mm"),
        ({"space_units": '"cm" "cm" "cm"'}, "space units are 'cm', which are not conv"),
        ({"encoding": "bzip2"}, "packed as 'bzip2'; read are raw, gzip"),
        ({"sizes": "4 3 x"}, "cut short, damaged"),
        ({"space": "LPS\nspace: RAS"}, "cut short, damaged"),
        ({"data_file": "away.raw"}, "a file of its voxels is missing"),
        ({"data_file": "x%q.raw 1 2 1"}, "cut short, damaged"),
        ({"data_file": "LIST"}, "a file of its voxels is missing"),
    ],
)
def test_headers_that_do_not_say_it(tmp_path, fields, told):
    with pytest.raises(CaseError, match=told):
        read_volume(write(tmp_path / "a.nrrd", **fields))


def test_units_of_mm_are_fine(tmp_path):
    path = write(tmp_path / "a.nrrd", space_units='"mm" "mm" "mm"')
    assert read_volume(path)[0].GetSpacing() == (2, 3, 5)


BYTES = DATA.tobytes(order="F")


@pytest.mark.parametrize(
    ("voxels", "fields"),
    [
        (gzip.compress(BYTES, mtime=0), {"encoding": "gzip"}),
        (gzip.compress(BYTES, mtime=0) + bytes(512), {"encoding": "gz"}),
        (b"four" + BYTES, {"byte_skip": 4}),
        (b"four" + BYTES, {"byte_skip": -1}),
        (b"one\ntwo\n" + BYTES, {"line_skip": 2}),
        (" ".join(map(str, DATA.ravel(order="F"))).encode(), {"encoding": "text"}),
        (BYTES.hex().encode(), {"encoding": "hex"}),
    ],
)
def test_voxels_are_found_where_the_header_says(tmp_path, voxels, fields):
    path = write(tmp_path / "a.nrrd", voxels, **fields)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(path)[0]).T, DATA)
    if fields.get("encoding") in (None, "gzip", "gz"):
        read_nrrd_header(path).voxels.refuse_other_size(DATA.nbytes)


@pytest.mark.parametrize(
    "data_file", ["whole.raw", "LIST\n1.raw\n2.raw", "%d.raw 1 2 1", "%d.raw 1 2 1 2"]
)
def test_voxels_in_files_of_their_own(tmp_path, data_file):
    (tmp_path / "whole.raw").write_bytes(BYTES)
    for number, part in enumerate((BYTES[:24], BYTES[24:]), start=1):
        (tmp_path / f"{number}.raw").write_bytes(part)
    path = write(tmp_path / "a.nhdr", b"", data_file=data_file)
    path.write_bytes(path.read_bytes().rstrip() + b"\n")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(path)[0]).T, DATA)
    for part in tmp_path.glob("*.raw"):
        part.write_bytes(part.read_bytes()[:-2])
    with pytest.raises(CaseError, match="cut short"):
        read_volume(path)


def test_letters_beyond_ascii_are_kept(tmp_path):
    path = write(tmp_path / "a.nrrd")
    content = path.read_bytes().replace(
        b"\n\n", "\nSegment0_Name:=Niere süd\n\n".encode()
    )
    path.write_bytes(content)
    assert read_nrrd_header(path).fields["Segment0_Name"] == "Niere süd"


@pytest.mark.parametrize("content", [b"", b"NRRD0005", b"NRRD0005\n" + b"x" * 2**21])
def test_what_is_no_header(tmp_path, content):
    (tmp_path / "a.nrrd").write_bytes(content)
    with pytest.raises(CaseError, match=r"cut short, damaged|packed as ''"):
        read_nrrd_header(tmp_path / "a.nrrd")


@pytest.mark.parametrize("space", ["left-posterior-superior", "LAS"])
def test_what_pynrrd_writes_is_read_as_itk_reads_it(tmp_path, space):
    header = {
        "space": space,
        "space directions": np.array([[0.75, 0, 0], [0, 0.75, 0], [0, 0, 2.5]]),
        "space origin": [1, 2, 3],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), DATA, header)
    got, _ = read_volume(tmp_path / "a.nrrd")
    own = sitk.ReadImage(str(tmp_path / "a.nrrd"))
    assert got.GetOrigin() == own.GetOrigin()
    assert got.GetDirection() == own.GetDirection()
