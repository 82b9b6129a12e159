"""Why a run failed, in words: from its exit code and its last lines.

``deeprac`` itself says what is wrong in one line, which is passed on as it is. The
table is for what happens around it: engine, driver, memory, disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong and what to do about it, a sentence or two each."""

    what: str
    remedy: str

    def __str__(self) -> str:
        """Both, as one line."""
        return f"{self.what} {self.remedy}"


class ProblemError(Exception):
    """A problem that ends what was being done."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} {remedy}")
        self.problem = Problem(what, remedy)


class Ending(NamedTuple):
    """How a run ended.

    Attributes:
        exit_code: of the engine's client or of ``deeprac``; None: it never started.
        out_of_memory: the engine killed it at its memory limit.
        cancelled: the user ended it.
        left: what could not be removed afterwards: a container, a folder.
        message: why it never started.
    """

    exit_code: int | None = None
    out_of_memory: bool = False
    cancelled: bool = False
    left: Sequence[str] = ()
    message: str = ""


_OWN_ERROR = re.compile(r"deeprac [\w -]+: error: (?P<text>.+)")
_OWN_BUG = re.compile(r"deeprac [\w -]+: this is a bug")

_PATTERNS: tuple[tuple[str, str, str], ...] = (
    (
        r"permission denied.*(docker\.sock|podman\.sock|daemon socket)"
        r"|(docker\.sock|podman\.sock).*permission denied",
        "This user may not talk to the container engine.",
        "Add the user to the engine's group (Linux: `docker` group, then log in "
        "again), or choose podman, which needs no group.",
    ),
    (
        r"cannot connect to the docker daemon|is the docker daemon running"
        r"|error during connect|cannot connect to podman|docker desktop is unable",
        "The container engine does not answer.",
        "Start it (Docker Desktop, `systemctl start docker` or `podman machine "
        "start`) and press Check.",
    ),
    (
        r"no such image|unable to find image|image not known"
        r"|image .*not (found|present)|does not exist locally",
        "The engine has no image of this name. None is ever fetched.",
        "Load it (`docker load -i FILE` or `podman load -i FILE`) and give its name "
        "in the settings.",
    ),
    (
        r"could not select device driver|no nvidia driver|nvidia-container-cli"
        r"|unresolvable cdi devices|found no nvidia|nvml: driver"
        r"|cuda driver version is insufficient|nvidia\.com/gpu",
        "The engine cannot hand the GPU over: no NVIDIA driver or toolkit.",
        "Install the NVIDIA driver and the NVIDIA Container Toolkit, or choose cpu as "
        "device; nothing was run on the CPU by itself.",
    ),
    (
        r"cuda out of memory|outofmemoryerror|cuda error: out of memory"
        r"|cublas_status_alloc_failed",
        "The GPU's memory is full.",
        "Close other programs that use the GPU, set a smaller slice batch, or choose "
        "cpu as device.",
    ),
    (
        r"no space left on device|disk quota exceeded|errno 28",
        "The disk is full.",
        "Free some space, or choose another temporary folder in the settings.",
    ),
    (
        r"bind source path does not exist|statfs .*no such file"
        r"|mounts denied|not shared from the host",
        "The engine cannot see the run's folder or the bundle.",
        "Choose a temporary folder in your home folder and put the bundle there too: "
        "an engine installed as a snap, or in a virtual machine, sees only some "
        "folders.",
    ),
    (
        r"read-only file system",
        "Something wrote where the container is read-only.",
        "Use the image that belongs to this version of the module.",
    ),
    (
        r"unknown flag|unknown shorthand flag|unrecognized arguments|invalid choice",
        "Module and image, or module and engine, do not fit each other.",
        "Install the image and the module of one version; docker 20.10 or podman 4.3 "
        "are the oldest engines.",
    ),
)
"""Pattern in a line, without case; what it means; what to do. The first one counts."""

_LAST_LINES = 200
"""In which the patterns are sought."""

_CODES: dict[int, tuple[str, str]] = {
    125: (
        "The engine refused to start the container.",
        "The log says why; press Check.",
    ),
    126: (
        "The image's program cannot be executed.",
        "Use the image that belongs to this version of the module, for this "
        "machine's kind of processor.",
    ),
    127: (
        "The image has no program `deeprac`.",
        "Give the name of the image that envs/Containerfile.segment builds.",
    ),
}

_MEMORY = (
    "The run was ended because it needed more memory than it may use.",
    "Allow more memory in the settings, choose fewer folds or a smaller slice batch, "
    "or crop the volume to the abdomen.",
)


def explain(ending: Ending, log: Sequence[str], in_container: bool) -> Problem:
    """The cause of a failure and its remedy.

    Args:
        ending: how the run ended.
        log: its lines, oldest first.
        in_container: whether an engine ran it, whose exit codes have meanings.

    Example:
        >>> explain(Ending(137, True), [], True).what
        'The run was ended because it needed more memory than it may use.'
    """
    if ending.message:
        return Problem(ending.message, "Press Check: it says what is missing.")
    if ending.out_of_memory:
        return Problem(*_MEMORY)
    own = _last(_OWN_ERROR, log)
    if own is not None:
        return Problem(own["text"], "")
    return _around(log) or _by_code(ending.exit_code, in_container)


def _around(log: Sequence[str]) -> Problem | None:
    """What engine, driver or system say."""
    text = "\n".join(log[-_LAST_LINES:])
    for pattern, what, remedy in _PATTERNS:
        if re.search(pattern, text, re.IGNORECASE):
            return Problem(what, remedy)
    if _last(_OWN_BUG, log) is not None:
        return Problem(
            "deeprac stopped by a fault of its own.",
            "Report the lines of the log; they name no patient.",
        )
    return None


def _by_code(code: int | None, in_container: bool) -> Problem:
    """What an exit code alone says."""
    if code is None:
        return Problem(
            "The process that watches over the run ended before it.",
            "Run it again; if it happens again, report it with the log.",
        )
    if in_container and code in _CODES:
        return Problem(*_CODES[code])
    if code in (137, -9):
        return Problem(
            "The run was killed from outside, most often by a machine out of memory.",
            _MEMORY[1],
        )
    return Problem(f"The run ended with exit code {code}.", "The log says more.")


def _last(pattern: re.Pattern[str], log: Sequence[str]) -> re.Match[str] | None:
    found = (pattern.search(line) for line in reversed(log))
    return next((match for match in found if match is not None), None)
