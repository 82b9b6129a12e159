"""The smoke workflow while everything goes wrong, again and again, until it is done.

Each round is one workflow in a new folder. A script that chooses by its seed kills
processes of it, fills its disk and starts a second workflow with other settings in the
same folder; then it does what the documentation says (docs/long_runs.md) until the
tables are there. They must be, byte for byte, those of a workflow that was let alone.
The log says what was done and what was lost.

    python tests/soak.py --rounds 20 --seed 0
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from support.disturbed import (
    SLICES,
    TARGET,
    Tell,
    Workflow,
    error_in,
    make,
    name_of,
    small_disk,
    snakemake_runs,
    until,
)

COMPARED = ("cohort/cases.csv", "summary/cases.csv", "*/seed0/fold_0/metrics.csv")
BUG = "this is a bug in deeprac"


def kill_any(work: Workflow, rng: random.Random) -> str:
    """Kill -9 of any process of the workflow."""
    processes = sorted(work.processes(), key=lambda process: process.pid)
    victim = rng.choice(processes)
    what = f"kill -9 of {name_of(victim)}; {work.unsaved()}"
    victim.kill()
    return what


def kill_snakemake(work: Workflow, rng: random.Random) -> str:
    """Kill -9 of Snakemake alone: its jobs go on."""
    for process in work.processes():
        if name_of(process) == "snakemake":
            process.kill()
    left = [
        name for process in work.processes() if "deeprac" in (name := name_of(process))
    ]
    return f"kill -9 of snakemake; {', '.join(left) or 'nothing'} goes on"


def kill_trainer(work: Workflow, rng: random.Random) -> str:
    """Kill the training, with or without asking it."""
    number = rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    until(work, lambda: training(work))
    if not (trainers := training(work)):
        return "no training is left to kill"
    time.sleep(rng.uniform(0, 3))
    what = f"{number.name} to deeprac train; {work.unsaved()}"
    for process in trainers:
        process.send_signal(number)
    return what


def fill_disk(work: Workflow, rng: random.Random) -> str:
    """Leave no byte on the disk for a while."""
    filler = work.results / "filler"
    if not os.path.ismount(work.results):
        return "the disk cannot be filled: mounting is not allowed here"
    with filler.open("wb", buffering=0) as file:
        size = 2**20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    until(work, lambda: not snakemake_runs(work), seconds=30)
    filler.unlink()
    how = "goes on" if snakemake_runs(work) else "has ended"
    return f"the disk was full; the workflow {how}"


def second_workflow(work: Workflow, rng: random.Random) -> str:
    """Another terminal, another configuration, the same folder."""
    target = rng.choice((TARGET, "train"))
    process = work.start("--", target, overlay="other.yaml")
    said = work.ended(process, overlay="other.yaml")
    how = "done" if process.returncode == 0 else f"refused: {error_in(said)}"
    return f"a second workflow with other settings ({target}): {how}"


KINDS = (kill_any, kill_snakemake, kill_trainer, fill_disk, second_workflow)


def training(work: Workflow) -> list[psutil.Process]:
    return [one for one in work.processes() if name_of(one) == "deeprac train"]


def disturb(
    work: Workflow, rng: random.Random, events: int, seconds: float
) -> Iterator[str]:
    """Run the workflow with disturbances until it is done; yield their kinds.

    Args:
        work: in its folder.
        rng: what chooses.
        events: number of disturbances.
        seconds: of an undisturbed run, in which they happen.
    """
    for kind in rng.sample(KINDS, events):
        delay = rng.uniform(0.03, 0.2) * seconds
        while (process := work.run_for(delay)).returncode not in (None, 0):
            work.recover(work.ended(process))
        if process.returncode == 0:
            work.tell(f"all was done before {kind.__name__}")
            continue
        work.tell(kind(work, rng))
        yield kind.__name__
        if process.wait() not in (0, -signal.SIGKILL):
            work.recover(work.ended(process))
    work.finish()


def compared(results: Path) -> dict[str, bytes]:
    """The files that must not depend on what happened."""
    paths = [path for name in COMPARED for path in sorted(results.glob(name))]
    kept = [path for path in paths if "coarse_nnunet_augment" not in path.parts]
    return {str(path.relative_to(results)): path.read_bytes() for path in kept}


def soak(rounds: int, events: int, seed: int, folder: Path, tell: Tell) -> None:
    """Run everything.

    Args:
        rounds: workflows; every second one finds the slices there.
        events: disturbances of each.
        seed: of what is chosen.
        folder: an empty one.
        tell: where the log goes.

    Raises:
        AssertionError: a table differs, a process is left, a message calls it a bug, or
            restarts do not help.
    """
    rng = random.Random(seed)
    began = time.monotonic()
    quiet = Workflow(make(folder / "undisturbed"), tell)
    quiet.finish(SLICES)
    shutil.copytree(quiet.folder, folder / "slices")
    quiet.finish()
    seconds = time.monotonic() - began
    expected = compared(quiet.results)
    assert len(expected) == 4, sorted(expected)
    tell(f"undisturbed: {seconds:.0f} s, {', '.join(expected)}")
    counts: Counter[str] = Counter()
    for number in range(1, rounds + 1):
        tell(f"round {number} of {rounds}")
        work = Workflow(make(folder / f"round{number}"), tell)
        with small_disk(work.results):
            if number % 2 == 0:
                shutil.copytree(folder / "slices", work.folder, dirs_exist_ok=True)
            try:
                counts.update(disturb(work, rng, events, seconds))
                check(work, expected)
            finally:
                for process in work.processes():
                    process.kill()
        counts["restarts"] += work.restarts
        shutil.rmtree(work.folder)
    tell(f"{rounds} rounds, all tables the same. " + str(dict(counts)))


def check(work: Workflow, expected: dict[str, bytes]) -> None:
    """Compare with the undisturbed run; look for what was left or called a bug."""
    found = compared(work.results)
    different = [name for name in expected if found.get(name) != expected[name]]
    assert not different, f"{different} differ from the undisturbed run"
    assert BUG not in work.said, work.said[work.said.index(BUG) - 3000 :]
    stop = time.monotonic() + 10
    while (left := work.processes()) and time.monotonic() < stop:
        time.sleep(0.2)
    assert not left, f"still there: {left}"
    leases = list(work.results.rglob("*.lease*"))
    assert not leases, f"leases are left: {leases}"
    work.tell(f"done; {', '.join(expected)} are the same; {work.restarts} restarts")


def main() -> None:
    """Read the command line and soak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--events", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak(asked.rounds, asked.events, asked.seed, Path(folder), tell)


if __name__ == "__main__":
    main()
