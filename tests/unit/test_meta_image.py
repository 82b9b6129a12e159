"""What MetaImage headers say, and what ITK would read instead."""

import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.findings import CaseError
from deeprac.cohort.volume_files import read_volume

DATA = np.arange(4 * 3 * 2, dtype=np.int16).reshape(4, 3, 2)
"""Voxels [i, j, k]."""
BYTES = DATA.tobytes(order="F")


def write(path, voxels=BYTES, **fields):
    """Write a header, with fields changed or, where they are None, left out."""
    header = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "0 1 0 1 0 0 0 0 1",
        "Offset": "10 20 30",
        "ElementSpacing": "2 3 5",
        "DimSize": "4 3 2",
        "ElementType": "MET_SHORT",
    } | fields
    file = header.pop("ElementDataFile", "LOCAL")
    header["ElementDataFile"] = file
    lines = [f"{key} = {value}\n" for key, value in header.items() if value is not None]
    path.write_bytes("".join(lines).encode() + voxels)
    return path


PACKED = zlib.compress(BYTES)


@pytest.mark.parametrize(
    ("voxels", "fields"),
    [
        (BYTES, {}),
        (PACKED, {"CompressedData": "True", "CompressedDataSize": len(PACKED)}),
        (PACKED, {"CompressedData": "true", "CompressedDataSize": len(PACKED)}),
        (b"head" + BYTES, {"HeaderSize": -1}),
        (BYTES, {"Offset": None, "Position": "10 20 30"}),
        (BYTES, {"ElementSpacing": None, "ElementSize": "2 3 5"}),
        (BYTES, {"DistanceUnits": "mm"}),
        (BYTES, {"ElementToIntensityFunctionSlope": 1}),
    ],
)
def test_convention_the_axes_are_columns_in_lps(tmp_path, voxels, fields):
    got, found = read_volume(write(tmp_path / "a.mha", voxels, **fields))
    assert found == []
    # MetaImage lists the matrix by axes: the first runs along y, the second along x.
    expected = (10 + 2 * 3, 20 + 1 * 2, 30 + 1 * 5)
    np.testing.assert_allclose(got.TransformIndexToPhysicalPoint((1, 2, 1)), expected)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(got).T, DATA)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"Offset": "nan 20 30"}, r"the origin is \(nan, 20, 30\) mm"),
        ({"Offset": "10 inf 30"}, r"the origin is \(10, inf, 30\) mm"),
        ({"Offset": "a b c"}, r"the origin is \(nan, nan, nan\) mm"),
        ({"Offset": "10 20"}, r"the origin is \(10, 20, nan\) mm"),
        ({"ElementSpacing": "nan 3 5"}, "ElementSpacing is 'nan 3 5', not 3 numbers"),
        ({"ElementSpacing": "2,0 3 5"}, "ElementSpacing is '2,0 3 5', not 3 numbers"),
        ({"ElementSpacing": None}, "does not give the spacing"),
        ({"TransformMatrix": "1 0 0 1"}, "TransformMatrix is '1 0 0 1', not 9 numbers"),
        ({"TransformMatrix": "0 0 0 0 0 0 0 0 0"}, "affine|axes|spacing"),
        ({"TransformMatrix": None}, "nothing tells left from right"),
        ({"DistanceUnits": "cm"}, "DistanceUnits is 'cm', which is not converted"),
        ({"ElementToIntensityFunctionSlope": 2}, "scales values by '2' and '0'"),
        ({"ElementToIntensityFunctionOffset": -1024}, "by '1' and '-1024'"),
        ({"NDims": 10**9}, "cut short, damaged"),
        ({"NDims": "three"}, "cut short, damaged"),
        ({"CompressedData": "True", "CompressedDataSize": 10**12}, "cut short"),
        ({"CompressedData": "True"}, "does not tell the CompressedDataSize"),
        ({"ElementDataFile": "away.raw"}, "a file of its voxels is missing"),
        ({"ElementDataFile": "LIST 3D"}, "in several files"),
        ({"ElementDataFile": ""}, "cut short, damaged"),
    ],
)
def test_headers_that_itk_would_take(tmp_path, fields, told):
    with pytest.raises(CaseError, match=told):
        read_volume(write(tmp_path / "a.mha", **fields))


@pytest.mark.parametrize("file", ["whole.raw", "LIST\n1.raw\n2.raw", "%d.raw 1 2 1"])
def test_voxels_in_files_of_their_own(tmp_path, file):
    (tmp_path / "whole.raw").write_bytes(BYTES)
    for number, part in enumerate((BYTES[:24], BYTES[24:]), start=1):
        (tmp_path / f"{number}.raw").write_bytes(part)
    path = write(tmp_path / "a.mhd", b"", ElementDataFile=file)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(path)[0]).T, DATA)
    last = tmp_path / ("2.raw" if "2" in file else "whole.raw")
    last.write_bytes(last.read_bytes()[:-2])
    with pytest.raises(CaseError, match="cut short"):
        read_volume(path)


def test_packed_voxels_in_a_file_of_their_own_need_no_size(tmp_path):
    (tmp_path / "voxels.zraw").write_bytes(PACKED)
    fields = {"CompressedData": "True", "ElementDataFile": "voxels.zraw"}
    got, _ = read_volume(write(tmp_path / "a.mhd", b"", **fields))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(got).T, DATA)
    for size in (len(PACKED) - 9, len(PACKED) + 9, 10**12):
        path = write(tmp_path / "b.mhd", b"", **fields, CompressedDataSize=size)
        with pytest.raises(CaseError, match="cut short"):
            read_volume(path)
