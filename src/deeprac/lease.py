"""The right of one process to write a folder, on one machine or on a cluster.

A lease is a file that is created exclusively, which file systems of clusters do for all
nodes (``flock`` may be a node's own). Its owner keeps it fresh; whoever finds one whose
owner is dead takes it over.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from deeprac.errors import RunError
from deeprac.files import named_in_errors

log = logging.getLogger(__name__)

BEAT_SECONDS = 30.0
"""Time between two signs of life."""
STALE_SECONDS = 600.0
"""Without a sign of life for so long, an owner on another machine counts as dead."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lease.

    Attributes:
        token: of this lease alone.
        host: name of the machine.
        boot: identity of the machine's start, empty where there is none.
        pid: process.
        born: when the process began, in seconds since 1970: numbers are used again.
        job: Slurm's number of the job, or empty.
        since: when the lease was taken, ISO 8601.
        processes: identity of the space of process numbers, which a container has of
            its own; empty where there is none.
    """

    token: str
    host: str
    boot: str
    pid: int
    born: float
    job: str
    since: str
    processes: str = ""

    @classmethod
    def me(cls) -> "Owner":
        """Return this process as an owner."""
        process = psutil.Process()
        return cls(
            token=uuid.uuid4().hex,
            host=socket.gethostname(),
            boot=boot_identity(),
            pid=process.pid,
            born=process.create_time(),
            job=os.environ.get("SLURM_JOB_ID", ""),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            processes=process_space(),
        )

    def is_gone(self, silent_seconds: float) -> bool:
        """Whether the owner cannot be at work any more.

        Args:
            silent_seconds: time since its last sign of life.
        """
        elsewhere = self.host != socket.gethostname()
        if not elsewhere and self.boot != boot_identity():
            return True
        if elsewhere or self.processes != process_space():
            return silent_seconds > STALE_SECONDS
        try:
            process = psutil.Process(self.pid)
            # A zombie has ended; it waits for a parent that may never ask.
            ended = process.status() == psutil.STATUS_ZOMBIE
            return ended or abs(process.create_time() - self.born) > 1
        except psutil.NoSuchProcess:
            return True

    def how_to_stop(self) -> str:
        """Return the command that ends the owner."""
        if self.job:
            return f"`scancel {self.job}`"
        return f"`kill {self.pid}` on {self.host}"


def process_space() -> str:
    """What tells apart whose numbers of processes are whose; empty where nothing does.

    A container on the same machine does not see the processes outside.
    """
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def boot_identity() -> str:
    """What changes when this machine starts anew; empty where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Lease:
    """A lease that this process holds; see ``held``.

    Args:
        path: its file.
        owner: this process.
        what: what may be written, for messages.
    """

    def __init__(self, path: Path, owner: Owner, what: str) -> None:
        self.path = path
        self.owner = owner
        self.what = what
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()

    def check(self) -> None:
        """Make sure that the lease is still this process's, before anything is written.

        Raises:
            RunError: another process took it over, or somebody removed it.
        """
        found = _read(self.path)
        if found == UNREADABLE:
            return  # a disk that does not answer says nothing
        if found is None or found.token != self.owner.token:
            now = "nobody" if found is None else f"process {found.pid} on {found.host}"
            raise RunError(
                f"{self.what}: {self.path} is no longer this process's but {now}'s. "
                "It was silent for too long, or the file was removed. Nothing is "
                "written any more; run the same command again to go on."
            )

    def end(self) -> None:
        """Give the lease back."""
        self._ended.set()
        self._beats.join()
        found = _read(self.path)
        if found is not None and found.token == self.owner.token:
            self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                os.utime(self.path)
            except FileNotFoundError:
                return  # the next check says so
            except OSError as error:
                log.warning("%s: no sign of life this time: %s", self.path, error)


@contextmanager
def held(path: Path, what: str) -> Iterator[Lease]:
    """Hold a lease while something is computed.

    Args:
        path: file of the lease, beside or in the folder that is written.
        what: what is computed, for messages.

    Raises:
        RunError: another process is at work.
    """
    lease = Lease(path, _take(path, what), what)
    try:
        yield lease
    finally:
        lease.end()


def holder_of(path: Path) -> tuple[Owner, float] | None:
    """Return who holds a lease, dead or alive, and its seconds since a sign of life.

    None where nobody does.
    """
    owner = _read(path)
    try:
        silent = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None  # not there, or given back meanwhile
    return None if owner is None else (owner, silent)


def refuse_if_held(path: Path, what: str) -> Owner | None:
    """Find out, before anything is prepared, whether another process is at work.

    Args:
        path: file of a lease, there or not.
        what: what it stands for, for messages.

    Returns:
        The dead owner whose lease lies there, if any.

    Raises:
        RunError: another process is at work.
    """
    if (holder := holder_of(path)) is None:
        return None
    owner, silent = holder
    if not owner.is_gone(silent):
        raise RunError(
            f"{what} is being computed by process {owner.pid} on {owner.host} since "
            f"{owner.since}; its last sign of life was {silent:.0f} s ago. Wait for "
            f"it, or stop it with {owner.how_to_stop()} and run this command again. "
            f"If it is known to be dead, delete {path}."
        )
    return owner


def _take(path: Path, what: str) -> Owner:
    path.parent.mkdir(parents=True, exist_ok=True)
    me = Owner.me()
    while True:
        # Whole or not there: it is written apart and linked to its name, which fails
        # where there is one already.
        draft = path.with_name(f"{path.name}.{me.token}")
        try:
            with named_in_errors(path):
                draft.write_text(json.dumps(asdict(me)))
            os.link(draft, path)
        except FileExistsError:
            _remove_dead(path, what)
        else:
            return me
        finally:
            draft.unlink(missing_ok=True)


def _remove_dead(path: Path, what: str) -> None:
    """Remove the lease of a dead owner.

    Raises:
        RunError: the owner lives.
    """
    owner = refuse_if_held(path, what)
    dead = path.with_name(f"{path.name}.dead.{uuid.uuid4().hex}")
    try:
        path.rename(dead)
    except FileNotFoundError:
        return  # another process was faster
    taken = _read(dead)
    if taken is not None and (owner is None or taken.token != owner.token):
        # Between reading and renaming another process took it: it gets it back.
        os.link(dead, path)
    else:
        log.warning("%s: taken over from a process that is gone: %s", what, owner)
    dead.unlink()


UNKNOWN = Owner("", "an unknown machine", "", 0, 0.0, "", "an unknown time")
"""Of a damaged lease: it is held as long as it is kept fresh."""
UNREADABLE = replace(UNKNOWN, host="a machine that a disk does not tell")
"""The same of one that cannot be read."""


def _read(path: Path) -> Owner | None:
    """Return who holds a lease; None where there is none."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except OSError:
        return UNREADABLE
    try:
        content = json.loads(text)
        # A newer version may write more.
        names = {field.name for field in fields(Owner)}
        return Owner(**{key: content[key] for key in content if key in names})
    except (ValueError, TypeError):
        return UNKNOWN
