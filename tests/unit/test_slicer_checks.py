"""The button Check: each answer, right or with its remedy."""

import os
import sys
from dataclasses import replace

import pytest
from DeePRACLib.checks import Checker
from DeePRACLib.settings import Settings

from support import fake_engine

STAND_IN = [sys.executable, str(fake_engine.STAND_IN)]


@pytest.fixture
def place(tmp_path):
    fake_engine.install(tmp_path / "bin", STAND_IN, tmp_path / "engine")
    program = tmp_path / "bin" / "deeprac"
    program.write_text(f'#!/bin/sh\nexec "{STAND_IN[0]}" "{STAND_IN[1]}" "$@"\n')
    program.chmod(0o755)
    (tmp_path / "bundle.zip").write_bytes(b"PK")
    return tmp_path


def settings_of(place, **changed):
    settings = Settings(image="deeprac:1", bundle=str(place / "bundle.zip"))
    return replace(settings, **changed)


def answers(place, settings):
    path = f"{place / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    checker = Checker(settings, os.environ | {"PATH": path})
    return {one.question: one for one in checker.answers()}


def with_gpu(place):
    program = place / "bin" / "nvidia-smi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


@pytest.mark.parametrize("backend", ["docker", "podman"])
def test_all_is_well(place, backend):
    found = answers(place, settings_of(place, backend=backend))
    assert list(found) == [
        *("settings", "disk", backend, "engine answers", "image", "bundle", "GPU")
    ]
    assert {one.ok for name, one in found.items() if name != "GPU"} == {True}
    assert found["GPU"].ok is None
    assert "auto will take the CPU" in found["GPU"].detail
    assert found["bundle"].detail == "phantom, not for patients 1 is whole"
    assert list((place / "engine" / "containers").iterdir()) == []


def test_all_is_well_without_an_engine(place):
    found = answers(place, settings_of(place, backend="local", device="cpu"))
    assert list(found) == ["settings", "disk", "deeprac", "bundle", "GPU"]
    assert found["GPU"].detail == "not asked for: cpu is chosen"


def test_what_is_run_in_the_image_is_hardened_as_a_run(place):
    answers(place, settings_of(place))
    (call,) = fake_engine.calls(place / "engine", "run")
    for option in ("--network", "--read-only", "--cap-drop", "--pids-limit"):
        assert option in call
    inside = call[call.index("deeprac:1") + 1 :]
    assert inside == ["bundle", "check", "/opt/ml/model/bundle.zip"]


@pytest.mark.parametrize(
    ("fault", "question", "words"),
    [
        ("daemon off", "engine answers", "Start it"),
        ("socket denied", "engine answers", "Add the user to the engine's group"),
        ("image missing", "image", "Load it"),
        ("folder unseen", "bundle", "home folder"),
    ],
)
def test_faults_of_the_engine(place, fault, question, words):
    (place / "engine" / "fault").write_text(fault)
    found = answers(place, settings_of(place))
    assert found[question].ok is False
    assert words in found[question].remedy


def test_a_missing_program(place):
    found = answers(place, settings_of(place, program=str(place / "other")))
    assert found["docker"].ok is False
    assert list(found)[-1] == "docker"


def test_a_program_that_cannot_be_started(place):
    broken = place / "broken"
    broken.write_text("#!/not/there\n")
    broken.chmod(0o755)
    assert answers(place, settings_of(place, program=str(broken)))["docker"].ok is False


def test_a_bad_bundle(place):
    (place / "bundle.zip").write_bytes(b"no zip")
    found = answers(place, settings_of(place))
    assert found["bundle"].ok is False
    assert found["bundle"].detail == "the bundle is no zip."


def test_settings_that_are_not_complete_are_named_and_nothing_is_run(place):
    found = answers(place, settings_of(place, bundle="", image="-v"))
    assert found["settings"].ok is False
    assert fake_engine.calls(place / "engine", "run") == []


def test_a_gpu_that_is_asked_for_and_not_there(place):
    for backend in ("docker", "local"):
        found = answers(place, settings_of(place, backend=backend, device="cuda"))
        assert found["GPU"].ok is False
        assert "cpu" in found["GPU"].remedy


@pytest.mark.parametrize(("count", "ok"), [(2, True), (0, False)])
def test_the_gpu_is_counted_inside_the_container(place, monkeypatch, count, ok):
    with_gpu(place)
    fake_torch = place / "modules" / "torch"
    fake_torch.mkdir(parents=True)
    (fake_torch / "__init__.py").write_text(
        f"class cuda:\n    def device_count():\n        return {count}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(place / "modules"))
    found = answers(place, settings_of(place))
    assert found["GPU"].ok is ok
    assert found["GPU"].detail == f"GPUs seen in the container: {count}"
    call = fake_engine.calls(place / "engine", "run")[-1]
    assert '"device=0"' in call


def test_an_engine_that_cannot_hand_it_over(place):
    with_gpu(place)
    (place / "engine" / "fault").write_text("no GPU")
    found = answers(place, settings_of(place, device="cuda"))
    assert "NVIDIA Container Toolkit" in found["GPU"].remedy


def test_an_engine_that_hangs(place, monkeypatch):
    monkeypatch.setattr("DeePRACLib.checks._QUICK_SECONDS", 0.3)
    hanging = place / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    found = answers(place, settings_of(place, program=str(hanging)))
    assert "no answer" in found["docker"].detail
    assert "Restart" in found["docker"].remedy


def test_a_full_disk(place, monkeypatch):
    monkeypatch.setattr("DeePRACLib.checks.FREE_GIB", 1e9)
    found = answers(place, settings_of(place))
    assert found["disk"].ok is False
    assert "1e+09 needed" in found["disk"].detail
