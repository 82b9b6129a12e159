"""Causes of failures: what engines, drivers and deeprac say, and their exit codes."""

import pytest
from DeePRACLib.errors import Ending, explain

LINES = [
    (
        "docker: permission denied while trying to connect to the Docker daemon socket "
        "at unix:///var/run/docker.sock",
        "may not talk",
    ),
    (
        "Error: unable to connect to Podman socket: dial unix /run/podman/podman.sock: "
        "connect: permission denied",
        "may not talk",
    ),
    ("Cannot connect to the Docker daemon at unix:///x. Is it running?", "not answer"),
    (
        "error during connect: this error may indicate that the docker daemon is not "
        "running: open //./pipe/docker_engine",
        "not answer",
    ),
    ("Cannot connect to Podman. Please verify your connection", "not answer"),
    ("Unable to find image 'deeprac:1' locally", "no image of this name"),
    ("Error: deeprac:1: image not known", "no image of this name"),
    ("Error: No such image: deeprac:1", "no image of this name"),
    (
        'could not select device driver "" with capabilities: [[gpu]]',
        "cannot hand the GPU over",
    ),
    (
        "setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=0",
        "hand the GPU",
    ),
    ("RuntimeError: Found no NVIDIA driver on your system.", "hand the GPU"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to", "GPU's memory is full"),
    ("OSError: [Errno 28] No space left on device", "disk is full"),
    ("invalid mount config: bind source path does not exist: /tmp/x", "cannot see"),
    ("Error: statfs /tmp/x: no such file or directory", "cannot see"),
    ("OSError: [Errno 30] Read-only file system: '/opt/x'", "read-only"),
    ("unknown flag: --pull", "do not fit each other"),
    ("deeprac segment: error: unrecognized arguments: --new", "unrecognized"),
    ("deeprac segment: this is a bug in deeprac 0.1.0 (Python 3", "fault of its own"),
]


@pytest.mark.parametrize(("line", "words"), LINES)
def test_known_lines(line, words):
    problem = explain(Ending(1), ["before", line, "after"], True)
    assert words in problem.what


def test_every_cause_but_our_own_has_a_remedy():
    for line, _ in LINES:
        problem = explain(Ending(1), [line], True)
        assert problem.remedy or "unrecognized" in problem.what


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (125, "refused to start"),
        (126, "cannot be executed"),
        (127, "no program"),
        (137, "killed from outside"),
        (-9, "killed from outside"),
        (3, "exit code 3"),
        (None, "watches over the run"),
    ],
)
def test_exit_codes(code, words):
    assert words in explain(Ending(code), [], True).what


def test_codes_of_an_engine_mean_nothing_without_one():
    assert "exit code 125" in explain(Ending(125), [], False).what


def test_what_deeprac_says_is_passed_on():
    log = ["INFO x", "deeprac segment: error: the volume is no CT. Give one in HU."]
    problem = explain(Ending(1), log, True)
    assert problem.what == "the volume is no CT. Give one in HU."


def test_the_engine_knows_best_that_memory_ran_out():
    problem = explain(Ending(137, out_of_memory=True), ["anything"], True)
    assert "more memory" in problem.what


def test_a_run_that_never_started_says_why():
    problem = explain(Ending(message="There is no program docker."), [], True)
    assert problem.what == "There is no program docker."
