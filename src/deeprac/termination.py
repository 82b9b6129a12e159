"""Ending on SIGTERM within seconds, with what was begun removed.

Python notices a signal between two of its own steps. Where a library computes for long
without one, a thread that waits for the signal ends the process.
"""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM
"""143, as shells report it."""

PATIENCE_SECONDS = 5.0
"""Time for an orderly end."""


@dataclass
class Termination:
    """Whether SIGTERM asked for the end."""

    asked: bool = False

    def obey(self) -> None:
        """End here too: a library may have caught the first ``SystemExit``.

        An ``except:`` without a kind is enough, such as of optional imports.
        """
        if self.asked:
            raise SystemExit(EXIT_CODE)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        self.asked = True
        self.obey()


@contextmanager
def ended_by_signal(leftovers: Callable[[], Iterable[Path]]) -> Iterator[Termination]:
    """Let SIGTERM leave the block by ``SystemExit``, or end the process at last.

    Args:
        leftovers: folders and files to remove where the block does not end in time.

    Yields:
        what a block obeys before it makes its result visible.
    """
    termination = Termination()
    if threading.current_thread() is not threading.main_thread():
        yield termination  # signals are the main thread's
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    old_handler = signal.signal(signal.SIGTERM, termination.handle)
    old_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    ended = threading.Event()
    watched = (reader, leftovers, ended)
    watcher = threading.Thread(target=_watch, args=watched, daemon=True)
    watcher.start()
    try:
        yield termination
    finally:
        signal.set_wakeup_fd(old_writer)
        signal.signal(signal.SIGTERM, old_handler)
        ended.set()
        os.close(writer)  # the watcher reads nothing and ends


def _watch(
    reader: int, leftovers: Callable[[], Iterable[Path]], ended: threading.Event
) -> None:
    """Wait for SIGTERM, which arrives here whatever the main thread does."""
    asked = False
    while not asked and (received := os.read(reader, 1)):
        asked = received[0] == signal.SIGTERM
    in_time = not asked or ended.wait(PATIENCE_SECONDS)
    os.close(reader)
    if in_time:
        return
    # Still here: the main thread is inside a library.
    for path in leftovers():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    os._exit(EXIT_CODE)
