"""Bundles are listed and checked before they are read; foreign ones are refused."""

import io
import json
import os
import stat
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_checkpoint import Payload

from deeprac.bundle.archive import (
    check_bundle,
    opened,
    unpack_bundle,
    write_bundle,
)
from deeprac.errors import BundleError
from deeprac.inference.load import load_bundle
from support.bundles import edit_manifest, rewritten, toy_bundle

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def copy(sound, tmp_path):
    path = tmp_path / "copy.zip"
    path.write_bytes(sound.read_bytes())
    return path


def test_a_sound_bundle_is_whole_and_its_folds_load(sound):
    manifest = check_bundle(sound)
    assert manifest["folds"] == [0, 1]
    with opened(sound) as bundle:
        ensemble = load_bundle(bundle, (1, 0), CPU)
    assert ensemble.folds == (1, 0)


def test_the_same_contents_are_the_same_bytes(sound, tmp_path):
    again = toy_bundle(tmp_path)
    assert again.read_bytes() == sound.read_bytes()
    with zipfile.ZipFile(again) as archive:
        assert archive.namelist()[0] == "bundle.json"
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


def test_a_bundle_is_never_overwritten(sound):
    before = sound.read_bytes()
    with pytest.raises(BundleError, match="is there already"):
        write_bundle(sound, {}, {})
    assert sound.read_bytes() == before


def test_unpacking_writes_all_of_it_once(sound, tmp_path):
    folder = tmp_path / "new" / "folder"
    unpack_bundle(sound, folder)
    with zipfile.ZipFile(sound) as archive:
        for name in set(archive.namelist()) - {"bundle.json"}:
            assert (folder / name).read_bytes() == archive.read(name)
        manifest = json.loads((folder / "bundle.json").read_text())
        assert manifest == json.loads(archive.read("bundle.json"))
    with pytest.raises(BundleError, match="is there already"):
        unpack_bundle(sound, folder)


def add(name, content=b"x", mode=0o100644):
    def edit(members):
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        members.append((info, content))

    return edit


def change_a_byte(members):
    info, content = members[1]
    members[1] = info, content[:-1] + bytes([content[-1] ^ 1])


def drop_a_fold(members):
    members[:] = [one for one in members if "fold_1" not in one[0].filename]


def bomb(members):
    members[1][0].compress_type = zipfile.ZIP_DEFLATED
    members[1] = members[1][0], b"0" * 2**22


def packed_weights(members):
    """A small file that fills the memory: weights are never packed."""
    place = next(i for i, one in enumerate(members) if one[0].filename.endswith(".pth"))
    members[place][0].compress_type = zipfile.ZIP_DEFLATED
    members[place] = members[place][0], b"0" * 2**22


def newer(members):
    edit_manifest(members, schema=2)


def foreign(members):
    edit_manifest(members, schema="x\x1b[31m")


def without_folds(members):
    edit_manifest(members, folds=[])


def more_folds(members):
    edit_manifest(members, folds=[0, 1, 2])


def control_characters(members):
    edit_manifest(members, name="toy\x1b[2J")


def training(**ranges):
    def edit(members):
        manifest = json.loads(members[0][1])
        edit_manifest(members, training=manifest["training"] | {"ranges": ranges})

    return edit


def nested(members):
    info, deep = members[0][0], b"[" * 10**5 + b"]" * 10**5
    info.compress_type = zipfile.ZIP_STORED
    members[0] = info, b'{"schema": 1, "a": ' + deep + b"}"


def no_manifest(members):
    del members[0]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (add("../outside.json"), "leads out of the folder"),
        (add("/tmp/outside.json"), "leads out of the folder"),
        (add("model/../../outside.json"), "leads out of the folder"),
        (add("a\\b.json"), "leads out of the folder"),
        (add("link.json", b"/etc/passwd", stat.S_IFLNK | 0o777), "is a link or device"),
        (add("LICENSE"), "is in it twice"),
        (add("more.json"), r"'more.json' in it is not in bundle.json"),
        (add("folder/", b""), "is a folder or encrypted"),
        (change_a_byte, "was changed: its checksum is not that in bundle.json"),
        (drop_a_fold, r"fold_1/checkpoint_final.pth is missing in it"),
        (bomb, "unpacks to 4194304 bytes, which no bundle holds"),
        (packed_weights, "unpacks to 4194304 bytes, which no bundle holds"),
        (newer, "has schema '2'.*Install a newer DeePRAC"),
        (foreign, "has schema 'x"),
        (without_folds, "folds: .* is too short|folds: .* non-empty"),
        (more_folds, "lacks model/fold_2/checkpoint_final.pth"),
        (control_characters, "name: .* does not match"),
        (partial(edit_manifest, name="a\ud800b"), "name: .* does not match"),
        (partial(edit_manifest, name="a\u202egpj"), "name: .* does not match"),
        (partial(edit_manifest, version="1.0.0\n"), "version: .* does not match"),
        (partial(edit_manifest, cost={"seconds_per_slice": "x"}), "cost"),
        (training(spacing_z_mm=[9, 1]), "spacing_z_mm goes from 9 to 1"),
        (training(spacing_z_mm=[float("nan")] * 2), "NaN is no number"),
        (nested, "nested too deeply"),
        (no_manifest, "it has no bundle.json"),
    ],
)
def test_what_no_bundle_holds_is_refused(copy, tmp_path, edit, message):
    rewritten(copy, edit)
    before = sorted(tmp_path.iterdir())
    for use in (check_bundle, lambda path: unpack_bundle(path, tmp_path / "out")):
        with pytest.raises(BundleError, match=message) as error:
            use(copy)
        assert "\x1b" not in str(error.value)
    assert sorted(tmp_path.iterdir()) == before
    assert not (tmp_path.parent / "outside.json").exists()


@settings(max_examples=60)
@given(at=st.floats(0, 1), flip=st.integers(1, 255))
def test_whatever_byte_is_changed_there_is_one_message(sound, at, flip):
    """Or none, where the change says nothing, such as in the time of a member."""
    content = bytearray(sound.read_bytes())
    content[int(at * (len(content) - 1))] ^= flip
    path = sound.with_name("changed.zip")
    path.write_bytes(content)
    with suppress(BundleError):
        check_bundle(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"{}"])
def test_other_files_are_no_bundles(tmp_path, content):
    path = tmp_path / "kidney.zip"
    with pytest.raises(BundleError, match="is no bundle: it is missing"):
        check_bundle(path)
    path.write_bytes(content)
    with pytest.raises(BundleError, match="is no bundle: it is missing, damaged or no"):
        check_bundle(path)
    with pytest.raises(BundleError, match="is no bundle"):
        check_bundle(tmp_path)


def plans_with(change):
    def edit(files, manifest):
        plans = json.loads(files["model/plans.json"])
        change(plans)
        files["model/plans.json"] = json.dumps(plans).encode()

    return edit


def architecture(plans):
    return plans["configurations"]["2d"]["architecture"]


CONTENTS = {
    "network": (
        plans_with(lambda p: architecture(p).update(network_class_name="os.system")),
        "names 'os.system' as network",
    ),
    "layer": (
        plans_with(
            lambda p: architecture(p)["arch_kwargs"].update(conv_op="subprocess.run")
        ),
        "names 'subprocess.run' as conv_op",
    ),
    "argument": (
        plans_with(lambda p: architecture(p)["_kw_requires_import"].append("air")),
        "names 'air' as argument to import",
    ),
    "preprocessor": (
        plans_with(
            lambda p: p["configurations"]["2d"].update(preprocessor_name="Other")
        ),
        "names 'Other' as preprocessor",
    ),
    "resampling": (
        plans_with(
            lambda p: p["configurations"]["2d"].update(resampling_fn_data="other")
        ),
        "names 'other' as resampling_fn_data",
    ),
    "oracle": (
        plans_with(lambda p: p["deeprac"]["front_end"].update(normaliser="oracle")),
        "is told from the labels",
    ),
    "foreign plans": (
        plans_with(lambda p: p.pop("deeprac")),
        "are no plans of DeePRAC",
    ),
    "inference": (
        plans_with(lambda p: p["deeprac"].pop("inference")),
        "'inference' is a required property",
    ),
    "batch size": (
        plans_with(lambda p: p["deeprac"]["inference"].update(batch_size="x")),
        r"deeprac.inference.batch_size: 'x' is not of type 'integer'",
    ),
    "patch": (
        plans_with(lambda p: p["configurations"]["2d"].update(patch_size=[10**9] * 2)),
        r"patch_size.\d: .* is greater than the maximum",
    ),
    "air": (
        plans_with(lambda p: p["deeprac"].update(air="x")),
        "deeprac.air: 'x' is not of type 'number'",
    ),
    "intensity": (
        lambda files, manifest: manifest.update(intensity="grey"),
        "labels or intensity in bundle.json contradict",
    ),
    "licence": (
        lambda files, manifest: files.update(LICENSE=b" \n"),
        "LICENSE is empty",
    ),
    "json": (
        lambda files, manifest: files.update({"model/dataset.json": b"{"}),
        "dataset.json is no JSON",
    ),
    "post-processing": (
        lambda files, manifest: files.update({"postprocessing.json": b"[]"}),
        "postprocessing.json",
    ),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_contents_that_must_not_be_used_are_refused(tmp_path, what):
    edit, message = CONTENTS[what]
    path = toy_bundle(tmp_path, edit=edit)
    with pytest.raises(BundleError, match=message):
        check_bundle(path)


def test_a_bundle_without_licence_is_not_written(tmp_path):
    with pytest.raises(BundleError, match="lacks LICENSE"):
        toy_bundle(tmp_path, edit=lambda files, manifest: files.pop("LICENSE"))


def saved(content):
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def test_a_pickle_in_a_checkpoint_is_not_run(tmp_path):
    flag = tmp_path / "flag"
    name = "model/fold_0/checkpoint_final.pth"
    path = toy_bundle(
        tmp_path,
        edit=lambda files, manifest: files.update(
            {name: saved({"network_weights": Payload(flag)})}
        ),
    )
    with opened(path) as bundle, pytest.raises(BundleError, match="none of it was run"):
        load_bundle(bundle, (0,), CPU)
    assert not flag.exists()


@pytest.mark.parametrize("features", [[4, 8, 12], [4] * 9, ["x"] * 3])
def test_plans_of_another_network_are_refused(tmp_path, features):
    def edit(plans):
        architecture(plans)["arch_kwargs"]["features_per_stage"] = features

    path = toy_bundle(tmp_path, edit=plans_with(edit))
    with opened(path) as bundle, pytest.raises(BundleError, match="cannot be used wi"):
        load_bundle(bundle, (0,), CPU)


def test_a_missing_fold_is_named(sound):
    with opened(sound) as bundle, pytest.raises(BundleError, match="has no fold 3; it"):
        load_bundle(bundle, (0, 3), CPU)


@pytest.mark.parametrize("verb", ["show", "check"])
def test_showing_and_checking_load_no_torch_and_take_no_time(sound, verb):
    script = (
        "import sys\n"
        "from deeprac.cli import main\n"
        f"code = main(['bundle', {verb!r}, {str(sound)!r}])\n"
        "assert code == 0, code\n"
        "assert not {'torch', 'nnunetv2'} & set(sys.modules)\n"
    )
    begun = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == 0, result.stderr
    assert "toy" in result.stdout
    assert time.perf_counter() - begun < 20  # 0.6 s on a quiet machine
