"""One run as the window sees it: started, polled, stopped; nothing here waits."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from enum import Enum
from typing import Any

from .errors import Ending, Problem, ProblemError, explain
from .events import LOG, Event, parse_line
from .settings import Settings
from .supervisor import ENDED

_LIBRARY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from DeePRACLib.supervisor import main; main(sys.argv[2])"
)
_ENDED = json.dumps({"event": ENDED}).encode().rstrip(b"}")
_MOST_LINES = 10_000
"""Of the log; older lines are forgotten."""


def slicer_python() -> str:
    """Slicer's own interpreter as a program; elsewhere this one."""
    names = ("python-real", "PythonSlicer")
    return next(filter(None, map(shutil.which, names)), sys.executable)


class State(Enum):
    """Where a run stands."""

    IDLE = "idle"
    """Its folder is there, nothing runs."""
    RUNNING = "running"
    CANCELLING = "cancelling"
    """Asked to end; it will be ``CANCELLED``."""
    DONE = "done"
    """The result is there and was verified."""
    FAILED = "failed"
    """``problem`` says why."""
    CANCELLED = "cancelled"
    """Nothing is left but what ``left`` names."""


class Runner:
    """A run with a private folder, which is removed when the run is closed.

    Args:
        temporary_folder: where the private folder is made; empty: the system's.
        python: interpreter of the process that watches over the run.
        environment: of the engine or program; None: this process's.

    Attributes:
        folder: the private folder; what is to be segmented goes into its ``input``.
        name: the container's.
        state: where the run stands, as of the last ``poll``.
        log: its lines.
        problem: why it failed.
        result: what ``verify`` returned.
        left: what could not be removed.
    """

    def __init__(
        self,
        temporary_folder: str = "",
        python: str = sys.executable,
        environment: dict[str, str] | None = None,
    ) -> None:
        # Readable by this user only.
        self.folder = tempfile.mkdtemp(prefix="deeprac-", dir=temporary_folder or None)
        for part in ("input", "output"):
            os.mkdir(os.path.join(self.folder, part))
        self.name = f"deeprac-{uuid.uuid4().hex}"
        self.state = State.IDLE
        self.log: list[str] = []
        self.problem: Problem | None = None
        self.result: Any = None
        self.left: list[str] = []
        self._environment = environment
        self._in_container = False
        self._ending: Ending | None = None
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [python, "-c", _START, _LIBRARY, self.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        # So that no ended process is left to be waited for.
        threading.Thread(target=self._process.wait, daemon=True).start()

    def start(
        self, task: str, settings: Settings, verify: Callable[[str], Any]
    ) -> None:
        """Start the task; returns at once.

        Args:
            task: one of ``command.TASKS``.
            settings: checked ones.
            verify: called with the path of ``output`` after a run that ended well, in
                a thread of its own; it raises ``ProblemError`` where the result cannot
                be used.
        """
        job = {
            "task": task,
            "settings": asdict(settings),
            "name": self.name,
            "environment": self._environment,
        }
        assert self._process.stdin is not None
        self._in_container = settings.in_container
        self.state = State.RUNNING
        with suppress(OSError):  # the reader finds out that nobody is there
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._read, args=(verify,), daemon=True).start()

    def poll(self) -> list[Event]:
        """What was written since the last call; updates ``state``."""
        events = []
        with suppress(queue.Empty):
            while True:
                event = self._queue.get_nowait()
                if event is None:
                    self._finish()
                    break
                events.append(event)
                if event.kind == LOG:
                    self.log.append(event.message)
        del self.log[:-_MOST_LINES]
        return events

    def stop(self) -> None:
        """Ask the run to end; returns at once, ``poll`` tells when it has."""
        if self.state is State.RUNNING:
            self.state = State.CANCELLING
            self._close_input()

    def close(self) -> None:
        """End the run if it still runs and remove its folder; returns at once."""
        self._close_input()
        if self.state is State.IDLE and self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in (State.DONE, State.FAILED, State.CANCELLED)

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def _read(self, verify: Callable[[str], Any]) -> None:
        """Read to the end, then verify: all in a thread of its own."""
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                if line.startswith(_ENDED):
                    fields = json.loads(line)
                    del fields["event"]
                    self._ending = Ending(**fields)
                    break
                self._queue.put(parse_line(line))
        ending = self._ending
        if ending and ending.exit_code == 0:
            try:
                self.result = verify(os.path.join(self.folder, "output"))
            except ProblemError as error:
                self.problem = error.problem
            except Exception as error:  # a thread's error must reach the window
                self.problem = Problem(
                    f"The result cannot be read: {error!r}.", "Report this."
                )
        self._queue.put(None)

    def _finish(self) -> None:
        ending = self._ending or Ending()
        self.left = list(ending.left)
        if ending.cancelled or self.state is State.CANCELLING:
            self.state = State.CANCELLED
            self.close()
        elif self.problem is None and ending.exit_code == 0:
            self.state = State.DONE
        else:
            if self.problem is None:
                self.problem = explain(ending, self.log, self._in_container)
            self.state = State.FAILED
            self.close()
