"""One file from a host that misbehaves."""

import hashlib
import threading
import time

import pytest

from deeprac.errors import FetchError
from deeprac.fetch.download import StoppedError, download, part_of
from deeprac.fetch.remote import RemoteFile
from deeprac.fetch.web import Patience, Web
from support.http_server import Page, serve

BODY = bytes(range(256)) * 2000
"""512000 bytes."""
OTHER = BODY[::-1]
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()
SIZE = 512_000
RIGHT = f"sha256:{SHA256}"
GIT = hashlib.sha1(b"blob 512000\0" + BODY).hexdigest()
QUICK = Patience(tries=3, backoff_s=0.01, timeout_s=5)


@pytest.fixture
def server():
    with serve() as running:
        yield running


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "case.nii.gz"


def get(server, target, *, checksum=RIGHT, size=SIZE, **kw):
    file = RemoteFile(
        url=f"{server.url}/file", path="case.nii.gz", size=size, checksum=checksum
    )
    moved = []
    web = Web(patience=kw.pop("patience", QUICK))
    stop = kw.pop("stop", threading.Event())
    row = download(file, target, web, stop=stop, progress=moved.append)
    return row, sum(moved)


def leftovers(target):
    return sorted(p.name for p in target.parent.iterdir() if p != target)


@pytest.mark.parametrize(
    "checksum",
    ["", RIGHT, f"md5:{MD5}", f"git:{GIT}"],
)
def test_a_file_arrives_whole_under_its_name_alone(server, target, checksum):
    server.pages["/file"] = Page(BODY)
    row, moved = get(server, target, checksum=checksum)
    assert target.read_bytes() == BODY
    assert row.sha256 == SHA256
    assert moved == len(BODY)
    assert leftovers(target) == []


def test_dropped_connections_are_resumed_and_only_the_rest_is_asked_for(server, target):
    server.pages["/file"] = Page(BODY, drops=[100_000, 200_000])
    _, moved = get(server, target)
    assert target.read_bytes() == BODY
    assert server.ranges("/file") == [None, "bytes=100000-", "bytes=300000-"]
    assert server.sent["/file"] == moved == len(BODY)


def test_a_later_call_asks_only_for_the_rest(server, target):
    server.pages["/file"] = Page(BODY, drops=[100_000, 0, 0, 0])
    with pytest.raises(
        FetchError, match=r"broke off 3 times.*what has arrived is kept"
    ):
        get(server, target)
    assert not target.exists()
    assert part_of(target).read_bytes() == BODY[:100_000]
    server.requests.clear()
    get(server, target)
    assert server.ranges("/file") == ["bytes=100000-"]
    assert target.read_bytes() == BODY
    assert leftovers(target) == []


def test_a_host_without_ranges_starts_anew(server, target):
    server.pages["/file"] = Page(BODY, ranges=False, drops=[100_000])
    _, moved = get(server, target)
    assert target.read_bytes() == BODY
    assert server.sent["/file"] == len(BODY) + 100_000
    assert moved == len(BODY)


def test_a_file_without_a_known_checksum_is_not_continued(server, target):
    """Nothing could tell whether the bytes of two answers belong together."""
    server.pages["/file"] = Page(BODY, drops=[100_000])
    get(server, target, checksum="")
    assert server.ranges("/file") == [None, None]
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("obeys", [True, False])
def test_a_file_that_changed_meanwhile_is_never_joined(server, target, obeys):
    server.pages["/file"] = Page(OTHER, etag='"v0"', drops=[100_000, 0, 0, 0])
    with pytest.raises(FetchError):
        get(server, target)
    server.pages["/file"] = Page(BODY, etag='"v1"', obeys_if_range=obeys)
    get(server, target, checksum="", size=None)
    assert target.read_bytes() == BODY


def test_a_resumed_file_that_is_wrong_starts_once_anew(server, target):
    """The host claims the same ETag for other bytes; the checksum finds it out."""
    server.pages["/file"] = Page(OTHER, drops=[100_000, 0, 0, 0])
    with pytest.raises(FetchError):
        get(server, target)
    server.pages["/file"] = Page(BODY)
    server.requests.clear()
    get(server, target)
    assert server.ranges("/file") == ["bytes=100000-", None]
    assert target.read_bytes() == BODY


def test_wrong_bytes_are_refused_with_both_hashes_and_kept_aside(server, target):
    server.pages["/file"] = Page(OTHER)
    wrong = hashlib.sha256(OTHER).hexdigest()
    with pytest.raises(FetchError) as error:
        get(server, target)
    for told in (f"{server.url}/file", wrong, SHA256, "not used"):
        assert told in str(error.value)
    assert not target.exists()
    assert leftovers(target) == ["case.nii.gz.wrong-1"]
    with pytest.raises(FetchError):
        get(server, target)
    assert leftovers(target) == ["case.nii.gz.wrong-1", "case.nii.gz.wrong-2"]
    server.pages["/file"] = Page(BODY)
    get(server, target)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"x"], ids=["short", "long"])
def test_another_size_than_listed_is_refused(server, target, body):
    server.pages["/file"] = Page(body)
    with pytest.raises(FetchError, match=f"{len(body)} bytes, not 512000"):
        get(server, target, checksum="")
    assert not target.exists()


def test_a_body_shorter_than_told_is_no_whole_file(server, target):
    server.pages["/file"] = Page(BODY, etag=None, length=len(BODY) + 10)
    with pytest.raises(FetchError, match="broke off"):
        get(server, target, checksum="", size=None)
    assert not target.exists()


def test_a_body_longer_than_told_is_cut_and_found_out(server, target):
    server.pages["/file"] = Page(BODY, length=len(BODY) - 10)
    with pytest.raises(FetchError, match="wrong bytes"):
        get(server, target)


def test_a_pointer_of_git_lfs_is_not_the_file(server, target):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    server.pages["/file"] = Page(pointer)
    with pytest.raises(FetchError, match="Git-LFS pointer"):
        get(server, target, checksum="", size=None)


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_told_at_once(server, target, status):
    server.pages["/file"] = Page(BODY, statuses=[status])
    with pytest.raises(FetchError, match=f"/file answers {status}"):
        get(server, target)
    assert len(server.requests) == 1


def test_busy_hosts_are_asked_again(server, target):
    server.pages["/file"] = Page(BODY, statuses=[503, 500])
    get(server, target)
    assert len(server.requests) == 3
    assert target.read_bytes() == BODY


def test_a_host_that_stays_busy_is_given_up(server, target):
    server.pages["/file"] = Page(BODY, statuses=[503] * 9)
    with pytest.raises(FetchError, match=r"503.*busy.*later"):
        get(server, target)
    assert len(server.requests) == QUICK.tries


def test_retry_after_is_honoured(server, target):
    server.pages["/file"] = Page(BODY, statuses=[429], retry_after="1")
    start = time.monotonic()
    get(server, target)
    assert time.monotonic() - start >= 1
    assert len(server.requests) == 2


def test_a_silent_host_is_left_and_resumed(server, target):
    """The body stalls for longer than the patience after some bytes."""
    server.pages["/file"] = Page(BODY, delay_s=0.6, chunk=200_000)
    brief = Patience(tries=2, backoff_s=0.01, timeout_s=0.3)
    with pytest.raises(FetchError, match="broke off 2 times"):
        get(server, target, patience=brief)
    server.pages["/file"].delay_s = 0
    get(server, target)
    assert target.read_bytes() == BODY


def test_a_host_that_is_not_there_is_named(server, target):
    server.url = "http://127.0.0.1:9"
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:9/file cannot be reached"):
        get(server, target)


def test_a_stop_keeps_the_part(server, target):
    server.pages["/file"] = Page(BODY, drops=[100_000] * 2)
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        get(server, target, stop=stop)
    assert not target.exists()


def test_all_bytes_there_but_unnamed_need_no_more(server, target):
    """Killed between the last byte and the new name."""
    server.pages["/file"] = Page(BODY, drops=[100_000, 0, 0, 0])
    with pytest.raises(FetchError):
        get(server, target)
    part_of(target).write_bytes(BODY)
    server.sent.clear()
    get(server, target)
    assert target.read_bytes() == BODY
    assert server.sent["/file"] == 0


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\\b", "C:x", ""])
def test_paths_that_lead_out_of_the_folder_are_refused(path):
    with pytest.raises(FetchError, match="no plain path"):
        RemoteFile(url="https://host/x", path=path)
