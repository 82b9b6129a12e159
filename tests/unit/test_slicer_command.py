"""The command line of a run: hardened, and any path is one argument."""

import csv
import os
from dataclasses import replace

import pytest
from DeePRACLib.command import (
    IN_CONTAINER,
    Machine,
    build_argv,
    container_arguments,
    found_program,
    gpu_arguments,
    mount,
    task_arguments,
)
from DeePRACLib.errors import ProblemError
from DeePRACLib.settings import Settings
from hypothesis import given
from hypothesis import strategies as st

from support.slicer_paths import NASTY

DOCKER = Settings(image="deeprac:1", bundle="/data/b.zip")
HERE = Machine(user="1000:100", gpu=True)


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """Empty programs of all backends, first on the PATH."""
    for name in ("docker", "podman", "deeprac"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        program = tmp_path / "bin" / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def build(task, settings, folder, name, machine):
    program = found_program(settings, os.environ)
    return build_argv(program, task, settings, folder, name, machine)


def values(argv, option):
    return [argv[i + 1] for i, one in enumerate(argv) if one == option]


def test_the_run_line_of_docker(engines):
    argv = build("segment", DOCKER, "/run", "deeprac-1", HERE)
    assert argv == [
        *(str(engines / "docker"), "run", "--name", "deeprac-1", "--init"),
        *("--pull", "never", "--network", "none", "--read-only"),
        *("--tmpfs", "/tmp:rw,noexec,nosuid,size=4g", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", "--pids-limit", "512"),
        *("--memory", "16g", "--shm-size", "2g", "--user", "1000:100"),
        *("--mount", "type=bind,src=/run/input,dst=/input,readonly"),
        *("--mount", "type=bind,src=/run/output,dst=/output"),
        *("--mount", "type=bind,src=/data/b.zip,dst=/opt/ml/model/bundle.zip,readonly"),
        *("--gpus", '"device=0"', "deeprac:1"),
        *("segment", "/input/ct.nrrd", "--bundle", "/opt/ml/model/bundle.zip"),
        *("--out", "/output/result", "--device", "auto", "--events", "-"),
    ]


def test_podman_has_its_own_gpu_argument_and_keeps_ids_without_root(engines):
    podman = replace(DOCKER, backend="podman")
    argv = build("segment", podman, "/run", "n", replace(HERE, keep_id=True))
    assert values(argv, "--device")[0] == "nvidia.com/gpu=0"
    assert values(argv, "--userns") == ["keep-id"]
    assert "--gpus" not in argv
    assert "label=disable" in argv


def test_the_same_arguments_follow_the_program_in_every_backend(engines):
    settings = replace(DOCKER, folds=(0, 3), batch=4, timepoint="diagnosis")
    settings = replace(settings, age_years=3.5, margin_mm=5.0, postprocessing=False)
    container = build("segment", settings, "/run", "n", HERE)
    local = build("segment", replace(settings, backend="local"), "/run", "n", HERE)
    inside = container[container.index("deeprac:1") + 1 :]
    assert [one.replace("/run/", "/") for one in local[1:]] == [
        one.replace(IN_CONTAINER.bundle, "/data/b.zip") for one in inside
    ]
    assert local[0] == str(engines / "deeprac")
    assert values(local, "--age") == ["3.5"]
    assert values(local, "--margin") == ["5"]
    assert local[local.index("--folds") + 1 :][:2] == ["0", "3"]
    assert "--no-postprocessing" in local


def test_measure_needs_no_bundle(engines):
    argv = build("measure", DOCKER, "/run", "n", HERE)
    assert argv[argv.index("deeprac:1") + 1 :] == [
        *("measure", "/input/labels.seg.nrrd", "--image", "/input/ct.nrrd"),
        *("--out", "/output/result"),
    ]
    assert len(values(argv, "--mount")) == 2


@pytest.mark.parametrize(
    ("device", "gpu", "given"),
    [
        ("cpu", True, False),
        ("auto", True, True),
        ("auto", False, False),
        # Asked for, it is always handed over: the engine's refusal is the error.
        ("cuda", False, True),
    ],
)
def test_a_gpu_is_never_replaced_by_the_cpu(device, gpu, given):
    settings = replace(DOCKER, device=device)
    assert bool(gpu_arguments(settings, Machine(gpu=gpu))) == given
    assert values(task_arguments("segment", settings, IN_CONTAINER), "--device") == [
        device
    ]


def test_several_gpus_are_quoted_for_docker():
    assert gpu_arguments(replace(DOCKER, gpu="1"), HERE) == ["--gpus", '"device=1"']
    assert gpu_arguments(replace(DOCKER, gpu="all"), HERE) == ["--gpus", "all"]


def test_no_user_where_the_engine_maps_users():
    desktop, rootless, plain = (
        Machine.here(DOCKER, os.environ, info)
        for info in (
            'Docker Desktop ["name=seccomp,profile=unconfined"]',
            'Debian ["name=seccomp","name=rootless"]',
            'Debian ["name=seccomp"]',
        )
    )
    assert (desktop.user, rootless.user) == ("", "")
    assert plain.user == f"{os.getuid()}:{os.getgid()}"
    assert "--user" not in container_arguments(DOCKER, "n", Machine(), [])


@given(st.text(st.characters(exclude_characters="\r\n\0"), min_size=1))
def test_any_path_is_one_field_of_a_mount(path):
    assert next(csv.reader([mount(path, "/input")])) == [
        "type=bind",
        f"src={path}",
        "dst=/input",
        "readonly",
    ]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("backend", ["docker", "local"])
def test_nasty_paths_stay_whole(engines, name, backend):
    folder = f"/tmp/{name}"
    settings = replace(DOCKER, backend=backend, bundle=f"{folder}/b.zip")
    argv = build("segment", settings, folder, "n", HERE)
    if backend == "local":
        assert values(argv, "--bundle") == [f"{folder}/b.zip"]
    else:
        sources = [next(csv.reader([one]))[1] for one in values(argv, "--mount")]
        assert sources[2] == f"src={folder}/b.zip"


def test_a_missing_program_has_a_remedy(engines, monkeypatch):
    with pytest.raises(ProblemError, match=r"docker at /not/there.*settings"):
        found_program(replace(DOCKER, program="/not/there"), os.environ)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProblemError, match="no program docker on the PATH"):
        found_program(DOCKER, os.environ)
    given = str(engines / "podman")
    assert found_program(replace(DOCKER, program=given), os.environ) == given
