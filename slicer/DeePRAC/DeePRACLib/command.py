"""The command lines: lists of arguments, never one string, never a shell.

The arguments after the program are the same in a container and on this machine but for
the paths, so that a machine without an engine tests all but the engine.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .errors import ProblemError
from .settings import Settings

VOLUME = "ct.nrrd"
"""The volume, in the run's ``input`` folder."""

LABELS = "labels.seg.nrrd"
"""A segmentation to measure, in the same folder."""

RESULT = "result"
"""The folder that ``deeprac`` makes in the run's ``output`` folder."""

STOP_SECONDS = 5
"""From SIGTERM to SIGKILL; what a run writes is removed, so it need not tidy up."""

SEGMENT, MEASURE = "segment", "measure"

SEGMENT_CLI = "segment for the CLI"
"""The same as ``SEGMENT``, with progress as Slicer's CLI modules tell it."""

TASKS = (SEGMENT, MEASURE, SEGMENT_CLI)


class Places(NamedTuple):
    """Where ``deeprac`` finds what it reads, and where it writes."""

    input: str
    output: str
    bundle: str


IN_CONTAINER = Places("/input", "/output", "/opt/ml/model/bundle.zip")


@dataclass(frozen=True)
class Machine:
    """What of this machine changes the command.

    Attributes:
        user: ``uid:gid`` to run as; empty where the engine maps users by itself, as
            Docker Desktop, a rootless docker, and all of Windows do.
        keep_id: the engine maps users unless told to keep them: rootless podman.
        gpu: there is an NVIDIA GPU with its driver.
    """

    user: str = ""
    keep_id: bool = False
    gpu: bool = False

    @classmethod
    def here(
        cls, settings: Settings, environment: Mapping[str, str], engine_info: str = ""
    ) -> Machine:
        """This machine.

        Args:
            settings: for the backend.
            environment: of the engine.
            engine_info: output of ``ENGINE_INFO`` of docker.
        """
        gpu = shutil.which("nvidia-smi", path=environment.get("PATH")) is not None
        maps_users = "Docker Desktop" in engine_info or "rootless" in engine_info
        if os.name != "posix" or maps_users:
            return cls(gpu=gpu)
        uid, gid = os.getuid(), os.getgid()
        keep_id = settings.backend == "podman" and uid != 0
        return cls(f"{uid}:{gid}", keep_id, gpu)


ENGINE_INFO = ("info", "--format", "{{.OperatingSystem}} {{json .SecurityOptions}}")
"""Arguments of docker that tell who maps users."""


def found_program(settings: Settings, environment: Mapping[str, str]) -> str:
    """Path of the engine, or of ``deeprac`` for the local backend.

    Args:
        settings: for the backend and the program's path.
        environment: of the program, with its PATH.

    Raises:
        ProblemError: it is not there, or not executable.
    """
    name = settings.backend if settings.in_container else "deeprac"
    path = shutil.which(settings.program or name, path=environment.get("PATH"))
    if path is None:
        given = f" at {settings.program}" if settings.program else " on the PATH"
        raise ProblemError(
            f"There is no program {name}{given}.",
            "Install it, or give its path in the settings.",
        )
    return path


def task_arguments(task: str, settings: Settings, places: Places) -> list[str]:
    """Arguments of ``deeprac``.

    Args:
        task: one of ``TASKS``.
        settings: checked ones.
        places: as ``deeprac`` sees them.
    """
    volume = f"{places.input}/{VOLUME}"
    out = ["--out", f"{places.output}/{RESULT}"]
    patient = []
    if settings.age_years is not None:
        patient += ["--age", f"{settings.age_years:g}"]
    if settings.timepoint:
        patient += ["--timepoint", settings.timepoint]
    if settings.margin_mm:
        patient += ["--margin", f"{settings.margin_mm:g}"]
    if task == MEASURE:
        labels = f"{places.input}/{LABELS}"
        return [MEASURE, labels, "--image", volume, *out, *patient]
    arguments = [SEGMENT, volume, "--bundle", places.bundle, *out]
    arguments += ["--device", settings.device]
    arguments += ["--slicer-cli"] if task == SEGMENT_CLI else ["--events", "-"]
    if settings.folds:
        arguments += ["--folds", *map(str, settings.folds)]
    if settings.batch:
        arguments += ["--batch", str(settings.batch)]
    if not settings.postprocessing:
        arguments.append("--no-postprocessing")
    return arguments + patient


def container_arguments(
    settings: Settings, name: str, machine: Machine, mounts: list[str]
) -> list[str]:
    """Arguments of the engine, up to and with the image.

    No network, nothing writable but /tmp and what is mounted so, no rights, bounded
    memory and processes, and an image that is there already.
    """
    podman = settings.backend == "podman"
    arguments = ["run", "--name", name, "--init", "--pull", "never"]
    arguments += ["--network", "none", "--read-only"]
    arguments += ["--tmpfs", "/tmp:rw,noexec,nosuid,size=4g", "--cap-drop", "ALL"]
    arguments += ["--security-opt", "no-new-privileges", "--pids-limit", "512"]
    arguments += ["--memory", f"{settings.memory_gib}g", "--shm-size", "2g"]
    if podman:
        # Where SELinux is on, private folders are else hidden from the container.
        arguments += ["--security-opt", "label=disable"]
    if machine.user:
        arguments += ["--user", machine.user]
    if machine.keep_id:
        arguments += ["--userns", "keep-id"]
    for mount in mounts:
        arguments += ["--mount", mount]
    arguments += gpu_arguments(settings, machine)
    return [*arguments, settings.image]


def gpu_arguments(settings: Settings, machine: Machine) -> list[str]:
    """How the engine is told to hand the GPU over; empty where none is wanted.

    With ``cuda`` it is always told: an engine that cannot is an error, never a run on
    the CPU.
    """
    if settings.device == "cpu" or (settings.device == "auto" and not machine.gpu):
        return []
    if settings.backend == "podman":
        return ["--device", f"nvidia.com/gpu={settings.gpu}"]
    if settings.gpu == "all":
        return ["--gpus", "all"]
    # The quotes are docker's: without them a list of devices is taken for a count.
    return ["--gpus", f'"device={settings.gpu}"']


def mount(source: str, target: str, *, readonly: bool = True) -> str:
    """Value of ``--mount``, which the engines read as a row of CSV.

    Unlike ``--volume`` it never makes a missing source.

    Example:
        >>> mount("/data/a,b", "/input")
        'type=bind,"src=/data/a,b",dst=/input,readonly'
    """
    row = ["type=bind", f"src={source}", f"dst={target}"] + ["readonly"] * readonly
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def build_argv(
    program: str,
    task: str,
    settings: Settings,
    folder: str,
    name: str,
    machine: Machine,
) -> list[str]:
    """The whole command of a run.

    Args:
        program: the engine, or ``deeprac`` for the local backend.
        task: one of ``TASKS``.
        settings: checked ones.
        folder: the run's private folder, with ``input`` and ``output``.
        name: the container's own name.
        machine: where it runs.
    """
    places = Places(
        os.path.join(folder, "input"), os.path.join(folder, "output"), settings.bundle
    )
    if not settings.in_container:
        return [program, *task_arguments(task, settings, places)]
    mounts = [
        mount(places.input, IN_CONTAINER.input),
        mount(places.output, IN_CONTAINER.output, readonly=False),
    ]
    if task != MEASURE:
        mounts.append(mount(places.bundle, IN_CONTAINER.bundle))
    engine = container_arguments(settings, name, machine, mounts)
    return [program, *engine, *task_arguments(task, settings, IN_CONTAINER)]


def child_environment(environment: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of engine or program; None: this process's.

    Slicer's own Python must not leak into it: the module passes the environment with
    which Slicer was started.
    """
    given = os.environ if environment is None else environment
    return {**given, "PYTHONUNBUFFERED": "1"}
