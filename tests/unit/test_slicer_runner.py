"""Whole runs with a fake engine: they end well, fail with a cause, or leave nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from DeePRACLib.command import STOP_SECONDS
from DeePRACLib.errors import ProblemError
from DeePRACLib.results import Grid, read_result
from DeePRACLib.runner import Runner, State
from DeePRACLib.settings import Settings

from support import fake_engine
from support.slicer_paths import NASTY

pytestmark = pytest.mark.slow

STAND_IN = [sys.executable, str(fake_engine.STAND_IN)]
LIBRARY = Path(__file__).parents[2] / "slicer" / "DeePRAC"


class Place:
    """Engines, a bundle and a folder for temporary folders of one test."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "engine"
        fake_engine.install(folder / "bin", STAND_IN, self.state)
        program = folder / "bin" / "deeprac"
        program.write_text(f'#!/bin/sh\nexec "{STAND_IN[0]}" "{STAND_IN[1]}" "$@"\n')
        program.chmod(0o755)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.bundle = folder / "bundle.zip"
        self.bundle.write_bytes(b"PK")

    def settings(self, backend="docker"):
        return Settings(
            backend=backend,
            image="" if backend == "local" else "deeprac-segment:1",
            bundle=str(self.bundle),
            temporary_folder=str(self.temporary),
        )

    def runner(self, behaviour="", settings=None, task="segment"):
        settings = settings or self.settings()
        environment = os.environ | {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "STAND_IN": behaviour,
        }
        runner = Runner(settings.temporary_folder, environment=environment)
        grid = write_volume(Path(runner.folder) / "input" / "ct.nrrd")
        runner.start(task, settings, lambda output: read_result(output, grid))
        return runner

    def containers(self):
        return list((self.state / "containers").iterdir())

    def processes(self):
        """Ids of living processes that have to do with this place."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.folder) in line and fake_engine.alive(int(folder.name)):
                found.append(int(folder.name))
        return found

    def left(self):
        return [*self.containers(), *self.temporary.iterdir(), *self.processes()]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def write_volume(path):
    volume = sitk.GetImageFromArray(np.zeros((5, 7, 9), np.int16))
    volume.SetSpacing((0.7, 0.7, 3.0))
    volume.SetOrigin((-40.0, 10.0, 5.0))
    sitk.WriteImage(volume, str(path))
    return Grid(
        volume.GetSize(),
        volume.GetSpacing(),
        volume.GetOrigin(),
        volume.GetDirection(),
    )


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within its time"
        time.sleep(0.05)


def wait(runner, seconds=60):
    """Poll as the window does; all events."""
    events = []

    def over():
        events.extend(runner.poll())
        return runner.is_over

    until(over, seconds)
    return events


def stages(runner):
    return [event.stage for event in runner.poll()]


@pytest.mark.parametrize("backend", ["docker", "podman", "local"])
def test_a_run_that_ends_well(place, backend):
    runner = place.runner(settings=place.settings(backend))
    events = wait(runner)
    assert runner.state is State.DONE, runner.problem
    assert [event.kind for event in events] == [
        *("started", "device", "progress", "log", "finished")
    ]
    assert runner.log == ["a line that is no UTF-8: \ufffd"]
    assert runner.result.overall == "look"
    assert Path(runner.result.path("segmentation.seg.nrrd")).is_file()
    assert place.containers() == []
    assert Path(runner.folder).stat().st_mode & 0o777 == 0o700
    runner.close()
    until(lambda: not place.left())


def test_measure_after_correction(place):
    settings = place.settings()
    runner = place.runner(settings=settings, task="measure")
    wait(runner)
    assert runner.state is State.DONE
    (call,) = fake_engine.calls(place.state, "run")
    assert call[call.index("deeprac-segment:1") + 1] == "measure"
    runner.close()


@pytest.mark.parametrize("name", [*NASTY[:-1], "/".join(NASTY[:-1]), NASTY[-1]])
def test_nasty_paths_of_bundle_and_temporary_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir(parents=True)
    place = Place(folder)
    backend = "local" if "/" in name else "docker"
    runner = place.runner(settings=place.settings(backend))
    wait(runner)
    assert runner.state is State.DONE, (runner.problem, runner.log)
    runner.close()
    until(lambda: not place.left())


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("cuda", "GPU's memory is full"),
        ("full disk", "disk is full"),
        ("error", "the volume is no CT"),
        ("killed", "killed from outside"),
        ("wrong grid", "another grid"),
        ("changed", "bytes of measures.csv"),
        ("schema", "schema 1; got 99"),
    ],
)
def test_failures_of_the_program(place, behaviour, words):
    runner = place.runner(behaviour)
    wait(runner)
    assert runner.state is State.FAILED
    assert words in runner.problem.what
    until(lambda: not place.left())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("daemon off", "does not answer"),
        ("socket denied", "may not talk"),
        ("image missing", "no image of this name"),
        ("no GPU", "hand the GPU over"),
        ("folder unseen", "cannot see the run's folder"),
        ("refused", "refused to start"),
        ("not executable", "cannot be executed"),
        ("no program", "no program"),
    ],
)
def test_failures_of_the_engine(place, fault, words):
    (place.state / "fault").write_text(fault)
    runner = place.runner()
    wait(runner)
    assert runner.state is State.FAILED
    assert words in runner.problem.what
    assert place.containers() == []
    until(lambda: not place.left())


def test_memory_limit(place):
    (place.state / "fault").write_text("out of memory")
    runner = place.runner("killed")
    wait(runner)
    assert "more memory than it may use" in runner.problem.what


def test_an_engine_that_is_missing(place):
    settings = replace(place.settings(), program=str(place.folder / "docker"))
    runner = place.runner(settings=settings)
    wait(runner)
    assert "no program docker" in runner.problem.what
    assert "Check" in runner.problem.remedy
    until(lambda: not place.left())


def test_an_error_of_verification_is_shown(place):
    def broken(output):
        raise ProblemError("It is broken.", "Mend it.")

    def bug(output):
        raise RuntimeError("a bug")

    for verify, words in ((broken, "It is broken."), (bug, "a bug")):
        runner = Runner(str(place.temporary), environment=dict(os.environ))
        write_volume(Path(runner.folder) / "input" / "ct.nrrd")
        program = str(place.folder / "bin" / "deeprac")
        settings = replace(place.settings("local"), program=program)
        runner.start("segment", settings, verify)
        wait(runner)
        assert runner.state is State.FAILED
        assert words in runner.problem.what


def test_a_runner_that_is_never_started_leaves_nothing(place):
    runner = Runner(str(place.temporary))
    runner.close()
    until(lambda: not place.left())


def test_starting_and_stopping_do_not_wait(place):
    start = time.monotonic()
    runner = place.runner("deaf")
    runner.stop()
    runner.stop()
    runner.poll()
    assert time.monotonic() - start < 2
    assert runner.state is State.CANCELLING
    wait(runner)
    assert runner.state is State.CANCELLED


def test_cancel_leaves_nothing_in_20_of_20_tries(place):
    """Cancelled before, while and after the container starts, deaf ones among them."""
    (place.state / "fault").write_text("slow to start")
    behaviours = ("sleep", "deaf", "children", "deaf", "sleep")
    runners = [
        (place.runner(behaviour, place.settings(backend)), 0.4 * number)
        for number, behaviour in enumerate(behaviours)
        for backend in ("docker", "docker", "podman", "local")
    ]
    assert len(runners) == 20
    start = time.monotonic()
    stopped = {}
    while len(stopped) < len(runners):
        for runner, delay in runners:
            if runner not in stopped and time.monotonic() - start >= delay:
                runner.stop()
                stopped[runner] = time.monotonic()
        time.sleep(0.05)
    taken = {}
    while len(taken) < len(runners):
        for runner, when in stopped.items():
            runner.poll()
            if runner.is_over and runner not in taken:
                taken[runner] = time.monotonic() - when
        assert time.monotonic() - start < 60
        time.sleep(0.05)
    assert {runner.state for runner in taken} == {State.CANCELLED}
    assert all(runner.left == [] for runner in taken)
    until(lambda: not place.left(), 5)
    assert max(taken.values()) < 10, sorted(taken.values())


def test_a_program_that_obeys_sigterm_is_not_waited_for(place):
    runner = place.runner("sleep", place.settings("local"))
    until(lambda: "network" in stages(runner))
    start = time.monotonic()
    runner.stop()
    wait(runner)
    assert time.monotonic() - start < STOP_SECONDS - 1
    until(lambda: not place.left(), 5)


def test_a_fault_of_the_supervisor_is_told_and_leaves_nothing(place):
    runner = Runner(str(place.temporary))
    bad = replace(place.settings(), batch="many")
    runner.start("segment", bad, lambda output: None)
    wait(runner)
    assert "watches over the run" in runner.problem.what
    until(lambda: not place.left())


def test_cancel_while_it_runs_and_ignores_sigterm(place):
    runner = place.runner("deaf")
    until(lambda: "network" in stages(runner))
    assert len(fake_engine.calls(place.state, "run")) == 1
    runner.stop()
    wait(runner, 15)
    assert (runner.state, runner.left) == (State.CANCELLED, [])
    # What watched over the run has told its end and is about to go.
    until(lambda: not place.left(), 5)
    calls = (place.state / "calls").read_text().splitlines()
    verbs = [json.loads(call)[0] for call in calls]
    assert verbs[:4] == ["info", "run", "stop", "rm"]


@pytest.mark.parametrize("backend", ["docker", "local"])
def test_a_killed_slicer_leaves_nothing(place, backend):
    """The process of the module is killed; what watches over the run ends it."""
    script = (
        "import os, sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from DeePRACLib.runner import Runner\n"
        "from DeePRACLib.settings import Settings\n"
        "settings = Settings.from_json(sys.argv[2])\n"
        "runner = Runner(settings.temporary_folder)\n"
        "open(os.path.join(runner.folder, 'input', 'ct.nrrd'), 'w').close()\n"
        "runner.start('segment', settings, lambda output: None)\n"
        "while not runner.is_over:\n"
        "    for event in runner.poll(): print(event.stage, flush=True)\n"
        "    time.sleep(0.05)\n"
    )
    environment = os.environ | {
        "PATH": f"{place.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "STAND_IN": "deaf",
    }
    slicer = subprocess.Popen(
        [sys.executable, "-c", script, str(LIBRARY), place.settings(backend).to_json()],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = iter(slicer.stdout.readline, "")
    assert "network\n" in said
    assert place.left()
    slicer.send_signal(signal.SIGKILL)
    slicer.wait()
    slicer.stdout.close()
    until(lambda: not place.left(), 15)
