"""A pass over all cases of a cohort: parallel, resumable, reporting every problem.

What a case has left is finished when its sidecar ``{case}.json`` carries the hash of
everything that it depends on; the sidecar is written last.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tqdm import tqdm

from deeprac import files
from deeprac.cohort.case import Source
from deeprac.cohort.findings import CaseError, Finding, unforeseen
from deeprac.errors import CohortError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Task(Protocol[T_co]):
    """What is done with every case; workers receive a copy of it."""

    def finished(self, name: str, settings: str) -> T_co | None:
        """What an earlier pass with the same settings left of a case."""

    def make(self, source: Source, name: str, settings: str) -> T_co:
        """Load a case, do the work and leave a sidecar.

        ``settings`` is a hash of everything that the case depends on.

        Raises:
            CohortError: the case cannot be used.
            Anything else that is raised stops the pass: a full disk, a bug. What
            libraries raise over foreign files ``Source.load`` makes the case's.
        """


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What a pass made of the cases, and what was found in those it could not use.

    ``names`` are all cases in the source's order; the other two are in that order too.
    """

    names: tuple[str, ...]
    made: dict[str, T]
    failed: dict[str, tuple[Finding, ...]]


def run_pass(source: Source, task: Task[T], *, workers: int, title: str) -> Outcome[T]:
    """Do what is not finished yet in so many processes, with a progress bar."""
    names = source.names()
    settings = {name: json_sha256(source.settings(name)) for name in names}
    made = {name: task.finished(name, settings[name]) for name in names}
    todo = {name: settings[name] for name in names if made[name] is None}
    failed = {}
    doing = _do_all(source, task, todo, workers)
    for name, result, findings in tqdm(doing, total=len(todo), desc=title):
        made[name], failed[name] = result, findings
    # As they became ready, they are in no order.
    return Outcome(
        names=tuple(names),
        made={name: one for name, one in made.items() if one is not None},
        failed={name: failed[name] for name in names if made[name] is None},
    )


Done = tuple[str, T | None, tuple[Finding, ...]]
"""Name; the result, or None and what was found."""


def _do_all(
    source: Source, task: Task[T], todo: Mapping[str, str], workers: int
) -> Iterator[Done[T]]:
    """Do cases, each with the hash of its settings, as they become ready.

    Raises:
        CohortError: a process was killed from outside.
    """
    if workers <= 1 or len(todo) <= 1:
        for case in todo.items():
            yield _do(source, task, *case)
        return
    # Fresh processes receive source and task once: to find the cases may be slow.
    with ProcessPoolExecutor(
        min(workers, len(todo)),
        multiprocessing.get_context("spawn"),
        initializer=_share,
        initargs=(source, task),
    ) as pool:
        futures = [pool.submit(_do_in_worker, *case) for case in todo.items()]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise CohortError(
                "a process that worked on cases was killed, most likely for want of "
                "memory. Finished cases are kept: run the same command again with "
                "fewer workers."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_SHARED: list[Any] = []
"""Source and task of a worker process."""


def _share(*source_and_task: Any) -> None:
    _SHARED.extend(source_and_task)


def _do_in_worker(name: str, settings: str) -> Done[Any]:
    source, task = _SHARED
    return _do(source, task, name, settings)


def _do(source: Source, task: Task[T], name: str, settings: str) -> Done[T]:
    """Do one case; why a case cannot be used is returned, not raised."""
    try:
        return name, task.make(source, name, settings), ()
    except CaseError as error:
        return name, None, error.findings
    except CohortError as error:
        return name, None, CaseError.of("case", str(error).rstrip(".")).findings
    except MemoryError as error:
        return name, None, unforeseen(error).findings


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that a killed process left behind."""
    for path in folder.rglob(".tmp-*"):
        path.unlink(missing_ok=True)


def json_sha256(content: Any) -> str:
    """Hash of JSON values, whatever the order of keys."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Sidecars:
    """What is kept of each case in the folder ``.done`` of a folder.

    ``depends_on`` are JSON values on which it depends beside a case's settings.
    """

    folder: Path
    depends_on: tuple[Any, ...]

    def path(self, name: str, ending: str = ".json") -> Path:
        """Where the sidecar of a case lies, or what is kept beside it."""
        return self.folder / ".done" / f"{name}{ending}"

    def names(self) -> list[str]:
        """The cases that have a sidecar, sorted."""
        return sorted(path.stem for path in self.path("").parent.glob("*.json"))

    def write(self, name: str, settings: str, content: Mapping[str, Any]) -> None:
        """Write what is kept of a case."""
        digest = json_sha256([settings, *self.depends_on])
        files.write_json(self.path(name), {"settings_sha256": digest, **content})

    def read(self, name: str, settings: str) -> dict[str, Any] | None:
        """What was kept of a case with the same settings."""
        if not self.path(name).is_file():
            return None
        done = files.read_json(self.path(name))
        digest = json_sha256([settings, *self.depends_on])
        return done if done["settings_sha256"] == digest else None
