"""How much memory a process can still take: of the machine, and of its container."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_FILES = (
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Limit and use of a control group, of version 2 and of version 1."""


def free_bytes(
    groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> int:
    """The smaller of what the machine and the process's control groups have left.

    Args:
        groups: where control groups are mounted; nowhere but on Linux.
        own: lists those of the process.
    """
    return min([psutil.virtual_memory().available, *_left(groups, own)])


def _left(groups: Path, own: Path) -> Iterator[int]:
    """What is left in each group that has a limit."""
    for folder in _folders(groups, own):
        for limit, used in _FILES:
            # No such file, or "max": it sets no limit.
            with suppress(OSError, ValueError):
                whole = int((folder / limit).read_text())
                yield max(0, whole - int((folder / used).read_text()) + _cache(folder))


def _cache(folder: Path) -> int:
    """Pages of files that count as used, and that the kernel gives back first."""
    lines = (folder / "memory.stat").read_text().splitlines()
    counts = {name: count for name, _, count in (line.partition(" ") for line in lines)}
    return int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """The groups of memory that the process is in, and those above them."""
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            top = groups / "memory" if controllers else groups
            inner = top / name.strip("/")
            yield from (x for x in (inner, *inner.parents) if x.is_relative_to(top))
