"""What takes a while, in a thread of its own, for a window that never waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Background(Generic[Item]):
    """Runs an iterator to its end in a thread.

    Args:
        items: what yields; an exception of it ends the thread and is kept.

    Attributes:
        is_over: whether nothing more will come, as of the last ``poll``.
        error: the exception that ended it.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self.is_over = False
        self.error: Exception | None = None
        self._queue: queue.SimpleQueue[tuple[Item, ...]] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(items,), daemon=True).start()

    def poll(self) -> list[Item]:
        """What came since the last call."""
        found: list[Item] = []
        with suppress(queue.Empty):
            while not self.is_over:
                item = self._queue.get_nowait()
                found.extend(item)
                self.is_over = not item
        return found

    def _run(self, items: Iterable[Item]) -> None:
        try:
            for item in items:
                self._queue.put((item,))
        except Exception as error:  # the window shows it
            self.error = error
        self._queue.put(())
