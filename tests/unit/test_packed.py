"""Voxels are counted before they are unpacked, in little memory."""

import gzip
import tracemalloc
import zlib

import numpy as np
import pytest
import test_meta_image
import test_nrrd_header

from deeprac.cohort.findings import CaseError
from deeprac.cohort.packed import Packing, StoredVoxels
from deeprac.cohort.volume_files import read_volume

MIB = 2**20
ZEROS = bytes(64 * MIB)


def nrrd(path, voxels):
    return test_nrrd_header.write(path, voxels, encoding="gzip")


def detached_nrrd(path, voxels):
    (path.parent / "voxels.gz").write_bytes(voxels)
    target = path.with_suffix(".nhdr")
    fields = {"encoding": "gzip", "data_file": "voxels.gz"}
    return test_nrrd_header.write(target, b"", **fields)


def meta_image(path, voxels):
    size = {"CompressedData": "True", "CompressedDataSize": len(voxels) or 1}
    return test_meta_image.write(path.with_suffix(".mha"), voxels, **size)


def detached_meta_image(path, voxels):
    (path.parent / "voxels.zraw").write_bytes(voxels)
    fields = {"CompressedData": "True", "ElementDataFile": "voxels.zraw"}
    return test_meta_image.write(path.with_suffix(".mhd"), b"", **fields)


FORMATS = [
    (nrrd, gzip.compress),
    (detached_nrrd, gzip.compress),
    (meta_image, zlib.compress),
    (detached_meta_image, zlib.compress),
]


@pytest.mark.parametrize(("write", "pack"), FORMATS)
def test_what_unpacks_to_more_than_the_header_says_is_never_unpacked(
    tmp_path, write, pack
):
    path = write(tmp_path / "a.nrrd", pack(ZEROS))
    tracemalloc.start()
    with pytest.raises(CaseError, match=r"more than the 48 bytes of voxels"):
        read_volume(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MIB


@pytest.mark.parametrize(("write", "pack"), FORMATS)
def test_packed_voxels_that_are_damaged_or_too_few(tmp_path, write, pack):
    whole = pack(test_nrrd_header.BYTES)
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    for voxels in (whole[:-6], bytes(flipped), pack(test_nrrd_header.BYTES[:-2]), b""):
        with pytest.raises(CaseError, match="cut short"):
            read_volume(write(tmp_path / "a.nrrd", voxels))


@pytest.mark.parametrize("module", [test_nrrd_header, test_meta_image])
def test_plain_voxels_have_the_size_that_the_header_says(tmp_path, module):
    path = tmp_path / ("a.nrrd" if module is test_nrrd_header else "a.mha")
    with pytest.raises(CaseError, match=r"more than the 48 bytes"):
        read_volume(module.write(path, module.BYTES + b"xx"))
    with pytest.raises(CaseError, match="cut short"):
        read_volume(module.write(path, module.BYTES[:-1]))


def test_bytes_after_gzip_are_told(tmp_path):
    whole = gzip.compress(test_nrrd_header.BYTES)
    path = nrrd(tmp_path / "a.nrrd", whole + b"garbage")
    with pytest.raises(CaseError, match="after its compressed bytes come others"):
        read_volume(path)
    for fine in (whole + bytes(9), gzip.compress(b"") + whole):
        nrrd(path, fine)
        read_volume(path)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_noise_of_several_chunks_is_counted_right(tmp_path, level):
    noise = np.random.default_rng(1).bytes(3 * MIB + 17)
    for packing, pack in (
        (Packing.ZLIB, zlib.compress),
        (Packing.ZLIB, gzip.compress),
        (Packing.GZIP, gzip.compress),
    ):
        path = tmp_path / "voxels"
        path.write_bytes(b"head" + pack(noise, level))
        StoredVoxels(((path, 4),), packing).refuse_other_size(len(noise))
