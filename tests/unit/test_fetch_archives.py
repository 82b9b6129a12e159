"""Archives from elsewhere, some of them hostile."""

import io
import stat
import tarfile
import zipfile

import pytest

from deeprac.errors import FetchError
from deeprac.fetch.archives import unpack


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return path


def tarred(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, body in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return path


MAKE = {"zip": zipped, "tar": tarred}


@pytest.fixture(params=MAKE)
def make(request, tmp_path):
    return lambda members: MAKE[request.param](tmp_path / "archive", members)


def test_files_are_unpacked_with_their_folders(make, tmp_path):
    archive = make([("b/2.dcm", b"two"), ("a.dcm", b"one")])
    assert unpack(archive, tmp_path / "out") == ["a.dcm", "b/2.dcm"]
    assert (tmp_path / "out/b/2.dcm").read_bytes() == b"two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "out"]


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "a\\..\\b"])
def test_names_that_lead_out_are_refused_and_nothing_is_left(make, tmp_path, name):
    archive = make([("good", b"1"), (name, b"2")])
    with pytest.raises(FetchError, match="leads out of the folder"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep").iterdir())
    assert not (tmp_path / "evil").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(make, tmp_path):
    with pytest.raises(FetchError, match="'a' is in it twice"):
        unpack(make([("a", b"1"), ("a", b"2")]), tmp_path / "out")


def test_more_than_allowed_is_refused(make, tmp_path):
    archive = make([("a", bytes(60)), ("b", bytes(60))])
    assert unpack(archive, tmp_path / "enough", most_bytes=120) == ["a", "b"]
    with pytest.raises(FetchError, match="more than 119 bytes"):
        unpack(archive, tmp_path / "out", most_bytes=119)
    assert not (tmp_path / "out").exists()


def test_a_size_that_lies_does_not_fill_the_disk(tmp_path):
    """The table of contents says 10 bytes, a megabyte of zeros is in it."""
    archive = zipped(tmp_path / "archive", [("a", bytes(1 << 20))])
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace((1 << 20).to_bytes(4, "little"), b"\n\0\0\0"))
    with pytest.raises(FetchError):
        unpack(archive, tmp_path / "out", most_bytes=1000)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "archive", "w") as archive:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(FetchError, match="'link' in it is a link or device"):
        unpack(tmp_path / "archive", tmp_path / "out")


def test_links_in_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(FetchError, match="'link' in it is a link or device"):
        unpack(tmp_path / "archive", tmp_path / "out")


def test_half_an_archive_is_refused(make, tmp_path):
    archive = make([(f"{n}", bytes(range(256))) for n in range(9)])
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(FetchError, match="no whole archive"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "files", [[("a", b"1")], [("a", b"1"), ("b", b"2"), ("c", b"")]]
)
def test_files_must_be_those_of_the_table_of_md5(make, tmp_path, files):
    table = (
        "Filename,MD5Hash\na,C4CA4238A0B923820DCC509A6F75849B\n"
        "b,c81e728d9d4c2f636f067f89cc14862c\n"
    )
    right = make([("a", b"1"), ("b", b"2"), ("md5hashes.csv", table.encode())])
    assert unpack(right, tmp_path / "right") == ["a", "b", "md5hashes.csv"]
    with pytest.raises(FetchError, match="are not those of its md5hashes"):
        unpack(make([*files, ("md5hashes.csv", table.encode())]), tmp_path / "out")
