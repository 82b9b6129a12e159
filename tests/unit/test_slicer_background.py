"""An iterator in a thread, polled by a window."""

import threading
import time

from DeePRACLib.background import Background


def collected(background):
    found = []
    deadline = time.monotonic() + 10
    while not background.is_over:
        found += background.poll()
        assert time.monotonic() < deadline
    return found


def test_all_items_come_in_order():
    assert collected(Background(range(1000))) == list(range(1000))


def test_polling_does_not_wait():
    release = threading.Event()

    def items():
        yield 1
        release.wait(10)
        yield 2

    background = Background(items())
    first = []
    while not first:
        first = background.poll()
    assert (first, background.poll(), background.is_over) == ([1], [], False)
    release.set()
    assert collected(background) == [2]
    assert background.poll() == []


def test_an_exception_ends_it_and_is_kept():
    def items():
        yield 1
        raise ValueError("broken")

    background = Background(items())
    assert collected(background) == [1]
    assert str(background.error) == "broken"
