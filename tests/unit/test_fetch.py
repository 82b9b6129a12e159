"""Whole cohorts from small copies of their hosts."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pandas as pd
import pytest
import yaml

from deeprac import cli
from deeprac.errors import FetchError
from deeprac.fetch import manifest
from deeprac.fetch.run import fetch_cohort
from deeprac.fetch.web import Patience
from deeprac.schema import load_schema
from support.cohort_builders import cohort_config, fetch_config
from support.http_server import Page, serve
from support.public_hosts import (
    NBIA,
    host_huggingface,
    host_kits,
    host_nbia,
    image_address,
    series_zip,
)

ROOT = Path(__file__).parents[2]
QUICK = Patience(tries=2, backoff_s=0.01, timeout_s=5)
LICENCES = {"pediatric_ct_seg": "CC-BY-4.0"}


def body(seed: int, size: int = 300_000) -> bytes:
    return random.Random(seed).randbytes(size)


BODIES = {f"case_{n:05d}": (body(n), body(1000 + n, 9000)) for n in range(6)}


@pytest.fixture
def server():
    with serve() as running:
        yield running


@pytest.fixture
def kits(server):
    host_kits(server, "kits23", BODIES)
    return server


def config(server, folder, *, source="kits23", **changes):
    licence = LICENCES.get(source, "CC-BY-NC-SA-4.0")
    settings = {"source": source, "licence": licence, "mirror": server.url}
    return cohort_config(path=folder, fetch=fetch_config(**(settings | changes)))


def fetch(server, folder, **changes):
    return fetch_cohort(config(server, folder, **changes), patience=QUICK)


def arrived(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_cohort_arrives_in_its_layout_with_a_record(kits, tmp_path):
    fetched = fetch(kits, tmp_path, cases=2)
    expected = {
        f"case_{n:05d}/{kind}.nii.gz"
        for n in range(2)
        for kind in ("imaging", "segmentation")
    } | {"kits23.json"}
    assert arrived(tmp_path) == expected | {"checksums.csv"}
    for case in ("case_00000", "case_00001"):
        image, label = BODIES[case]
        assert (tmp_path / case / "imaging.nii.gz").read_bytes() == image
        assert (tmp_path / case / "segmentation.nii.gz").read_bytes() == label
    record = pd.read_csv(tmp_path / "checksums.csv").set_index("path")
    assert set(record.index) == expected
    assert record.checked["case_00000/imaging.nii.gz"] == "sha256"
    assert record.checked["case_00000/segmentation.nii.gz"] == "git"
    assert (fetched.new, fetched.there, fetched.unchecked) == (5, 0, ())


def test_a_second_call_fetches_only_what_is_new(kits, tmp_path):
    fetch(kits, tmp_path, cases=("case_00003",))
    kits.requests.clear()
    fetched = fetch(kits, tmp_path, cases=4)
    assert (fetched.new, fetched.there) == (6, 3)
    assert image_address("case_00003") not in [path for path, _ in kits.requests]
    assert len(pd.read_csv(tmp_path / "checksums.csv")) == 9


@pytest.mark.parametrize("licence", [None, "yes", "CC-BY-4.0"])
def test_without_its_licence_nothing_is_asked_for(kits, tmp_path, licence):
    with pytest.raises(FetchError) as error:
        fetch(kits, tmp_path, licence=licence)
    for told in (
        "nothing was fetched",
        "https://creativecommons.org/licenses/by-nc-sa/4.0/",
        "set cohort.fetch.licence to CC-BY-NC-SA-4.0",
    ):
        assert told in str(error.value)
    assert kits.requests == []
    assert arrived(tmp_path) == set()


def test_without_a_source_there_is_nothing_to_fetch(tmp_path):
    with pytest.raises(FetchError, match=r"source is none.*one of kits19, kits21"):
        fetch_cohort(cohort_config(path=tmp_path))


def test_unknown_cases_are_refused(kits, tmp_path):
    with pytest.raises(FetchError, match=r"'case_00399' is no case.*489 cases"):
        fetch(kits, tmp_path, cases=("case_00001", "case_00399"))


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_files_at_once_than_allowed(kits, tmp_path, parallel):
    for page in kits.pages.values():
        page.delay_s = 0.02
    fetch(kits, tmp_path, cases=6, parallel=parallel)
    assert kits.most_at_once == parallel


def test_what_fails_is_told_and_the_others_are_kept(kits, tmp_path):
    kits.pages[image_address("case_00001")].body = body(77)
    del kits.pages[image_address("case_00002")]
    with pytest.raises(FetchError) as error:
        fetch(kits, tmp_path, cases=4)
    message = str(error.value)
    assert "2 of 9 files could not be fetched; the others are kept" in message
    assert "case_00001/imaging.nii.gz: " in message
    assert "answers 404" in message
    assert len(arrived(tmp_path)) == 7 + 1 + 1  # good ones, record, wrong one aside
    host_kits(kits, "kits23", BODIES)
    assert fetch(kits, tmp_path, cases=4).new == 2


def test_many_failures_end_the_call(kits, tmp_path):
    bodies = {f"case_{n:05d}": (b"x" * n, b"y") for n in range(60)}
    host_kits(kits, "kits23", bodies)
    for address in [a for a in kits.pages if "/resolve/" in a or "/raw." in a]:
        kits.pages[address].statuses = [403]
    kits.requests.clear()
    with pytest.raises(FetchError, match="answers 403"):
        fetch(kits, tmp_path, cases=60, parallel=2)
    assert 10 <= len(kits.requests) < 20


def test_files_placed_by_hand_are_checked_and_used(kits, tmp_path):
    image, _ = BODIES["case_00000"]
    (tmp_path / "case_00000").mkdir()
    (tmp_path / "case_00000" / "imaging.nii.gz").write_bytes(image)
    (tmp_path / "case_00000" / "segmentation.nii.gz").write_bytes(b"mine")
    fetched = fetch(kits, tmp_path, cases=1)
    assert (fetched.new, fetched.there) == (2, 1)
    case = tmp_path / "case_00000"
    assert (case / "segmentation.nii.gz").read_bytes() == BODIES["case_00000"][1]
    assert (case / "segmentation.nii.gz.wrong-1").read_bytes() == b"mine"


def test_a_file_that_was_cut_later_is_fetched_again(kits, tmp_path):
    fetch(kits, tmp_path, cases=1)
    image = tmp_path / "case_00000" / "imaging.nii.gz"
    image.write_bytes(image.read_bytes()[:-5])
    assert fetch(kits, tmp_path, cases=1).new == 1
    assert image.read_bytes() == BODIES["case_00000"][0]


def test_a_disk_that_is_too_small_is_told_before(kits, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    # Two images and two label maps are 618000 bytes, the table of the cohort 2.
    for free, enough in ((618_001, False), (618_002, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, f=free: usage(9, 9, f))
        if enough:
            fetch(kits, tmp_path, cases=2)
        else:
            with pytest.raises(FetchError, match=r"0\.00 GB are needed in"):
                fetch(kits, tmp_path, cases=2)
            assert arrived(tmp_path) == set()


def test_a_listing_that_lacks_cases_is_refused(kits, tmp_path):
    part = manifest.read_manifest("kits23").files[0]
    host_huggingface(kits, part, {"case_00000": b"a", "case_00001": b"b"})
    with pytest.raises(FetchError, match=r"lacks 487 of 489 files.*case_00002"):
        fetch(kits, tmp_path, cases=1)


def test_a_page_instead_of_a_listing_is_told(kits, tmp_path):
    listing = next(a for a in kits.pages if "/api/datasets/" in a)
    kits.pages[listing] = Page(b"<html>log in</html>")
    with pytest.raises(FetchError, match="should be a listing in JSON"):
        fetch(kits, tmp_path, cases=1)


def test_without_known_checksums_they_are_recorded_and_told(server, tmp_path, caplog):
    part = manifest.read_manifest("kits21").files[0]
    cases = manifest.read_manifest("kits21").cases
    host_huggingface(server, part, dict.fromkeys(cases, b"image"))
    raw = "/raw.githubusercontent.com/neheller/kits21/master/kits21/data"
    server.pages[f"{raw}/case_00000/aggregated_MAJ_seg.nii.gz"] = Page(b"label")
    label = "case_00000/aggregated_MAJ_seg.nii.gz"
    assert fetch(server, tmp_path, source="kits21", cases=1).unchecked == (label,)
    record = pd.read_csv(tmp_path / "checksums.csv").set_index("path")
    assert record.checked[label] == "none"
    assert len(record.sha256[label]) == 64
    write_config(tmp_path, server, source="kits21", cases=1)
    assert cli.main(["cohort", "fetch", str(tmp_path / "own.yaml")]) == 0
    assert f"no checksum is known of 1 files, such as {label}" in caplog.text


CT = {"00000001.dcm": b"one", "00000002.dcm": b"two"}


def test_dicom_series_are_unpacked_by_patient_and_series(server, tmp_path):
    host_nbia(
        server,
        {
            ("P-1", "1.2.1", "CT"): series_zip(CT),
            ("P-1", "1.2.2", "RTSTRUCT"): series_zip({"00000001.dcm": b"contours"}),
            ("P-2", "1.3.1", "CT"): series_zip(CT),
            ("P-2", "1.3.9", "SR"): series_zip(CT),
        },
    )
    fetched = fetch(server, tmp_path, source="pediatric_ct_seg")
    assert (fetched.new, fetched.unchecked) == (3, ())
    assert (tmp_path / "P-1/1.2.1/00000002.dcm").read_bytes() == b"two"
    assert (tmp_path / "P-1/1.2.2/00000001.dcm").read_bytes() == b"contours"
    assert sorted(p.name for p in (tmp_path / "P-2").iterdir()) == ["1.3.1"]
    record = pd.read_csv(tmp_path / "checksums.csv").set_index("path")
    assert set(record.checked) == {"md5"}
    server.requests.clear()
    assert fetch(server, tmp_path, source="pediatric_ct_seg").there == 3
    assert len(server.requests) == 1
    (tmp_path / "checksums.csv").unlink()
    assert fetch(server, tmp_path, source="pediatric_ct_seg").there == 3


def test_a_series_with_a_wrong_file_is_kept_aside(server, tmp_path):
    wrong = series_zip(CT, md5={"00000002.dcm": "0" * 32})
    host_nbia(server, {("P-1", "1.2.1", "CT"): wrong})
    with pytest.raises(FetchError, match=r"md5 of 00000002\.dcm is .* not 0000"):
        fetch(server, tmp_path, source="pediatric_ct_seg")
    assert arrived(tmp_path) == {"P-1/1.2.1.wrong-1"}


def test_an_archive_that_ends_early_is_refused_and_fetched_again(server, tmp_path):
    whole = series_zip(CT)
    host_nbia(server, {("P-1", "1.2.1", "CT"): whole[: len(whole) // 2]})
    with pytest.raises(FetchError, match="no whole archive"):
        fetch(server, tmp_path, source="pediatric_ct_seg")
    host_nbia(server, {("P-1", "1.2.1", "CT"): whole})
    assert fetch(server, tmp_path, source="pediatric_ct_seg").new == 1


def test_a_collection_under_another_licence_than_accepted_is_refused(server, tmp_path):
    host_nbia(
        server,
        {("P-1", "1.2.1", "CT"): series_zip(CT)},
        licence="http://creativecommons.org/licenses/by-nc/4.0/",
    )
    with pytest.raises(FetchError, match=r"by-nc/4\.0/, but the licence"):
        fetch(server, tmp_path, source="pediatric_ct_seg")


def test_an_archive_that_moved_is_told(server, tmp_path):
    host_nbia(server, {})
    with pytest.raises(FetchError, match="lists no series of Pediatric-CT-SEG"):
        fetch(server, tmp_path, source="pediatric_ct_seg")
    assert NBIA in server.requests[0][0]


def write_config(folder, server, **fetch):
    licence = {"licence": "CC-BY-NC-SA-4.0", "mirror": server.url}
    cohort = {"name": "own", "format": "kits", "path": str(folder)}
    content = {"cohort": {**cohort, "fetch": licence | fetch}}
    (folder / "own.yaml").write_text(yaml.safe_dump(content))


def test_a_killed_call_goes_on_where_it_was(kits, tmp_path):
    """Killed without warning in the middle of a file; the next asks for the rest."""
    write_config(tmp_path, kits, source="kits23", cases=2, parallel=1)
    address = image_address("case_00001")
    kits.pages[address].chunk = 5000
    kits.pages[address].delay_s = 0.05
    command = [sys.executable, "-m", "deeprac", "cohort", "fetch", "own.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    call = {"cwd": tmp_path, "env": environment, "stderr": subprocess.DEVNULL}
    for name in ("methods.yaml", "experiments.tsv"):
        (tmp_path / "config").mkdir(exist_ok=True)
        shutil.copy(ROOT / "config" / name, tmp_path / "config")
    part = tmp_path / "case_00001" / "imaging.nii.gz.part"
    with subprocess.Popen(command, **call) as process:
        deadline = time.monotonic() + 60
        while not (part.is_file() and part.stat().st_size):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    kept = part.stat().st_size
    assert 0 < kept < 300_000
    kits.pages[address].delay_s = 0
    assert subprocess.run(command, **call, check=False).returncode == 0
    assert kits.ranges(address) == [None, f"bytes={kept}-"]
    assert len(kits.ranges(image_address("case_00000"))) == 1
    whole = (tmp_path / "case_00001" / "imaging.nii.gz").read_bytes()
    assert whole == BODIES["case_00001"][0]


def test_sources_of_the_schema_are_the_manifests():
    keys = load_schema()["properties"]["cohort"]["properties"]["fetch"]["properties"]
    assert keys["source"]["enum"] == ["none", *manifest.sources()]


@pytest.mark.parametrize("source", manifest.sources())
def test_each_manifest_states_its_terms_and_only_safe_addresses(source):
    read = manifest.read_manifest(source)
    assert read.licence_url.startswith("https://creativecommons.org/licenses/")
    for text in (read.title, read.homepage, read.citation, read.licence):
        assert text
    for part in read.files:
        assert not part.remote.startswith("http://")
        if part.listing in ("huggingface", "github"):
            assert len(part.revision) == 40  # a commit, not a branch that moves
