import errno
import json
import os
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from deeprac.files import (
    atomic_folder,
    atomic_path,
    foreign_names,
    on_disk,
    read_json,
    write_csv,
    write_json,
    write_text,
)


def test_atomic_path_makes_folders_and_leaves_only_the_target(tmp_path):
    target = tmp_path / "a" / "b" / "case.nii.gz"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.endswith("case.nii.gz")  # writers choose by suffix
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["case.nii.gz"]


def write_half(target, error):
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error


def test_atomic_path_waits_for_the_disk_before_and_after_renaming(
    tmp_path, monkeypatch
):
    flushed, target = [], tmp_path / "table.csv"

    def fsync(number):
        flushed.append((os.readlink(f"/proc/self/fd/{number}"), target.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(target, "a,b")
    (file, before), (folder, after) = flushed
    assert Path(file).name == f".tmp-{os.getpid()}-table.csv"
    assert (folder, before, after) == (str(tmp_path), False, True)


@pytest.mark.parametrize(
    ("number", "raises"), [(errno.EINVAL, False), (errno.EIO, True)]
)
def test_a_disk_that_cannot_flush_folders_is_no_error(
    tmp_path, monkeypatch, number, raises
):
    def fsync(_):
        raise OSError(number, "no")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="no") if raises else nullcontext():
        write_text(tmp_path / "table.csv", "a,b")


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_atomic_path_keeps_the_old_file_when_writing_ends_early(tmp_path, error):
    target = tmp_path / "run.json"
    target.write_text("old")
    with pytest.raises(type(error)):
        write_half(target, error)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize("named", [None, "other.nii.gz"])
def test_an_error_of_the_system_names_the_file(tmp_path, named):
    target = tmp_path / "cases.csv"
    full = (OSError(28, "No space left on device"), OSError(28, "No space left", named))
    error = full[named is not None]
    with pytest.raises(OSError, match=named or "cases.csv"), atomic_path(target):
        raise error


def test_json_round_trip_keeps_the_order_of_keys(tmp_path):
    write_json(tmp_path / "x.json", {"b": [1, None], "a": "µ"})
    assert list(read_json(tmp_path / "x.json")) == ["b", "a"]
    assert (tmp_path / "x.json").read_text(encoding="utf-8").endswith("}\n")


def test_json_refuses_nan_which_no_other_reader_knows(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"dice": float("nan")})
    assert os.listdir(tmp_path) == []


def test_csv_keeps_full_precision_and_unix_line_ends(tmp_path):
    value = 0.1 + 0.2
    write_csv(tmp_path / "x.csv", pd.DataFrame({"case": ["007"], "dice": [value]}))
    assert (tmp_path / "x.csv").read_bytes() == b"case,dice\n007,0.30000000000000004\n"


def test_plain_names_of_cases_and_patients():
    plain = ["001", "case_00001", "Wilms 3.b", "p-1+2", "Müller", "1e5"]
    assert foreign_names(plain) == []
    foreign = [
        "<script>",
        "../x",
        "a/b",
        "a\\b",
        ".a",
        "a.",
        " a",
        "a ",
        "a\n",
        "a:b",
        "",
    ]
    assert foreign_names([*plain, *foreign]) == foreign


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "x.md", "µ\n")
    assert (tmp_path / "x.md").read_bytes() == "µ\n".encode()


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "x.json", {"epoch": 1})
    with pytest.raises(TypeError, match="serializable"):
        write_json(tmp_path / "x.json", {"epoch": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"epoch": 1}


@pytest.mark.parametrize("calls_until_failure", [0, 1])
def test_a_folder_that_cannot_be_renamed_leaves_the_old_one(
    tmp_path, monkeypatch, calls_until_failure
):
    target = tmp_path / "release"
    target.mkdir()
    (target / "old").write_text("")
    replace, calls = os.replace, iter(range(10))

    def full_disk(source, goal):
        if next(calls) == calls_until_failure:
            raise OSError(28, "No space left on device")
        replace(source, goal)

    monkeypatch.setattr(os, "replace", full_disk)
    with (
        pytest.raises(OSError, match="No space"),
        atomic_folder(target, replace=True) as folder,
    ):
        (folder / "new").write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["release"]
    assert (target / "old").is_file()


@pytest.mark.parametrize(
    "there", ["\xe9/\xfc", "e\u0301/\xfc", "e\u0301/u\u0308", "\xe9/u\u0308"]
)
@pytest.mark.parametrize("asked", ["\xe9/\xfc", "e\u0301/u\u0308"])
def test_a_path_is_found_however_its_accents_are_composed(tmp_path, there, asked):
    (tmp_path / there).mkdir(parents=True)
    assert on_disk(tmp_path / asked) == tmp_path / there
    missing = tmp_path / asked / "x"
    assert on_disk(missing) == missing


def test_a_path_as_it_was_given_comes_first(tmp_path, monkeypatch):
    for name in ("\xe9", "e\u0301"):
        (tmp_path / name).mkdir()
        assert on_disk(tmp_path / name).name == name
    monkeypatch.chdir(tmp_path / "\xe9")
    assert on_disk(Path("../\xe9")) == Path("../\xe9")


def test_decomposed_names_are_plain():
    assert foreign_names(["Le\u0301kar\u030c", "\u0301"]) == ["\u0301"]
