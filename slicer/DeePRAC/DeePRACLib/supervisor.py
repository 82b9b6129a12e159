"""The process that watches over one run and leaves nothing behind.

It is started before anything of the patient is written, and lives by its standard
input: when that closes, because the user cancelled, Slicer was closed or was killed, it
ends the container and all processes, and removes the run's folder. The module itself
therefore never waits for an engine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from .command import (
    ENGINE_INFO,
    STOP_SECONDS,
    Machine,
    build_argv,
    child_environment,
    found_program,
)
from .errors import Ending, ProblemError
from .settings import Settings

ENDED = "ended"
"""Event of the last line; it holds an ``Ending``."""

_POLL_SECONDS, _LATE_SECONDS = 0.05, 0.5
_ANSWER_SECONDS = 8
"""Within which an engine answers; a hanging one is not waited for."""

_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


def main(folder: str) -> None:
    """Watch over the run of one private folder.

    The first line of standard input is the job: a JSON object with ``task``,
    ``settings``, ``name`` and ``environment``.
    """
    _leave_parent()
    closed = threading.Event()
    ending = Ending(cancelled=True)
    try:
        if line := sys.stdin.buffer.readline():
            threading.Thread(target=_wait_for_end, args=(closed,), daemon=True).start()
            ending = _run(json.loads(line), folder, closed)
        if not ending.cancelled:
            _tell(ending)
            closed.wait()
    finally:
        left = [*ending.left, *_remove(folder)]
    if ending.cancelled:
        _tell(ending._replace(left=left))


def _leave_parent() -> None:
    """Survive a parent that kills all its children, as Slicer does with CLI modules."""
    if os.name == "posix":
        if os.fork():
            os._exit(0)
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Not SIG_IGN, which the program that is started would inherit.
            signal.signal(number, lambda *_: None)


def _wait_for_end(closed: threading.Event) -> None:
    with suppress(OSError):
        while sys.stdin.buffer.read(1):
            pass
    closed.set()


def _tell(ending: Ending) -> None:
    _write((json.dumps({"event": ENDED, **ending._asdict()}) + "\n").encode())


def _write(line: bytes) -> None:
    # Nobody may be left to read it.
    with suppress(OSError, ValueError):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def _run(job: dict[str, Any], folder: str, closed: threading.Event) -> Ending:
    """Run the job until it ends or standard input closes."""
    settings = Settings.from_json(json.dumps(job["settings"]))
    environment = child_environment(job["environment"])
    try:
        program = found_program(settings, environment)
        container = Container.of(settings, program, job["name"], environment)
        info = container.info if container else ""
        machine = Machine.here(settings, environment, info)
        argv = build_argv(program, job["task"], settings, folder, job["name"], machine)
        client = _start(argv, environment)
    except (ProblemError, OSError) as error:
        return Ending(message=str(error))
    reader = threading.Thread(target=_pass_on, args=(client,), daemon=True)
    reader.start()
    while client.poll() is None and not closed.wait(_POLL_SECONDS):
        pass
    if closed.is_set():
        return Ending(cancelled=True, left=_end(client, container))
    reader.join(_ANSWER_SECONDS)
    out_of_memory, left = False, []
    if container:
        out_of_memory = container.out_of_memory()
        left = container.remove()
    return Ending(client.returncode, out_of_memory, left=left)


def _start(argv: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    # A group of its own, so that all its processes can be ended.
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=os.name == "posix",
        creationflags=_NO_WINDOW,
    )


def _pass_on(client: subprocess.Popen[bytes]) -> None:
    assert client.stdout is not None
    for line in client.stdout:
        _write(line if line.endswith(b"\n") else line + b"\n")


def _end(client: subprocess.Popen[bytes], container: Container | None) -> list[str]:
    """End container and processes, the patient ones by force."""
    if container:
        container.stop()
        container.remove()
    _end_tree(client, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        client.wait(1 if container else STOP_SECONDS)
    # Also where the client is gone: its children may not be.
    _end_tree(client, getattr(signal, "SIGKILL", signal.SIGTERM))
    client.wait()
    if not container:
        return []
    # The engine may have made the container after it was asked to remove it.
    time.sleep(_LATE_SECONDS)
    return container.remove()


def _end_tree(client: subprocess.Popen[bytes], number: int) -> None:
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(client.pid, number)
    elif client.poll() is None:
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(client.pid)],
            capture_output=True,
            check=False,
            creationflags=_NO_WINDOW,
        )


def _remove(folder: str) -> list[str]:
    """Remove the run's folder; its path where that failed."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return []
        time.sleep(0.1)
    return [folder]


class Container:
    """One container by its own name.

    Args:
        engine: path of the engine.
        name: the container's.
        environment: of the engine's client.
    """

    def __init__(self, engine: str, name: str, environment: dict[str, str]) -> None:
        self.engine = engine
        self.name = name
        self.environment = environment
        self.info = ""

    @classmethod
    def of(
        cls, settings: Settings, engine: str, name: str, environment: dict[str, str]
    ) -> Container | None:
        """The container of a run; None for the local backend."""
        if not settings.in_container:
            return None
        found = cls(engine, name, environment)
        if settings.backend == "docker":
            found.info = found._ask(*ENGINE_INFO) or ""
        return found

    def out_of_memory(self) -> bool:
        """Whether the engine ended it for its memory."""
        answer = self._ask("inspect", "--format", "{{.State.OOMKilled}}", self.name)
        return (answer or "").strip() == "true"

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after ``STOP_SECONDS``."""
        self._ask("stop", "--time", str(STOP_SECONDS), self.name)

    def remove(self) -> list[str]:
        """Remove it by force; its name where it is still there."""
        for _ in range(3):
            self._ask("rm", "--force", self.name)
            listed = self._ask(
                "ps", "--all", "--quiet", "--filter", f"name={self.name}"
            )
            if listed is not None and not listed.strip():
                return []
            time.sleep(0.2)
        return [self.name]

    def _ask(self, *arguments: str) -> str | None:
        """What the engine answers; None: nothing, or an error."""
        try:
            answer = subprocess.run(
                [self.engine, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                env=self.environment,
                timeout=_ANSWER_SECONDS,
                creationflags=_NO_WINDOW,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return (
            answer.stdout.decode("utf-8", "replace") if not answer.returncode else None
        )
