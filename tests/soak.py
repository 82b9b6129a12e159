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
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil

from support.checkout import BIN, ROOT, working_folder

OVERLAY = """
run: {experiments: [coarse_nnunet, coarse_stn]}
stress: {experiments: []}
training: {epochs: 10, iterations_per_epoch: 8}
"""
OTHER = """
run: {experiments: [coarse_nnunet_augment]}
stress: {experiments: []}
inference: {mirroring: true}
training: {epochs: 1, iterations_per_epoch: 3}
"""
COMPARED = ("cohort/cases.csv", "summary/cases.csv", "*/seed0/fold_0/metrics.csv")
SLICES = "results/smoke/preprocessed/coarse/cases.json"
TARGET = "results/smoke/summary/cases.csv"
DISK_MB = 24
ATTEMPTS = 8
"""So many restarts must do."""
BUG = "this is a bug in deeprac"

Tell = Callable[[str], None]


class Workflow:
    """One folder and the workflow that is run in it."""

    def __init__(self, folder: Path, tell: Tell) -> None:
        self.folder = working_folder(folder)
        self.tell = tell
        self.said = ""
        self.restarts = 0
        (folder / "overlay.yaml").write_text(OVERLAY)
        (folder / "other.yaml").write_text(OTHER)

    @property
    def results(self) -> Path:
        return self.folder / "results/smoke"

    def start(self, *arguments: str, overlay: str = "overlay.yaml") -> psutil.Popen:
        """Start Snakemake; what it says is kept in ``log``."""
        command = [BIN / "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "2"]
        command += ["--configfile", "config/smoke.yaml", overlay, *arguments]
        with (self.folder / f"{overlay}.log").open("w") as log:
            return psutil.Popen(command, cwd=self.folder, stdout=log, stderr=log)

    def run_for(self, seconds: float) -> psutil.Popen:
        """Start Snakemake and let it work for a while, or to its end."""
        process = self.start("--", TARGET)
        stop = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < stop:
            time.sleep(0.1)
        return process

    def ended(self, process: psutil.Popen, overlay: str = "overlay.yaml") -> str:
        """Wait for the end; return what it has said."""
        process.wait()
        said = (self.folder / f"{overlay}.log").read_text(errors="replace")
        self.said += said
        return said

    def finish(self, target: str = TARGET) -> None:
        """Start again, as one would, until a file is there."""
        for _ in range(ATTEMPTS):
            process = self.start("--", target)
            said = self.ended(process)
            if process.returncode == 0:
                return
            self.recover(said)
        raise AssertionError(f"not done after {ATTEMPTS} attempts:\n{said[-3000:]}")

    def recover(self, said: str) -> None:
        """Do what a workflow that has ended asks for, before it is started again."""
        self.restarts += 1
        if "LockException" in said:
            self.tell("  it is locked: --unlock")
            self.ended(self.start("--unlock"))
        elif found := re.search(r"computed by process (\d+)", said):
            self.tell(f"  {found[0]}, it says: kill {found[1]}")
            end(int(found[1]))
        else:
            self.tell(f"  start again after: {error_in(said)}")

    def processes(self) -> list[psutil.Process]:
        """All processes that work in the folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()) == self.folder:
                    found.append(process)
            except psutil.Error:
                continue  # gone, or somebody else's
        return found

    def unsaved(self) -> str:
        """How much of a training is not in a checkpoint."""
        newest = max(
            (path.stat().st_mtime for path in self.results.rglob("checkpoint_l*.pth")),
            default=None,
        )
        training = any(self.results.rglob(".checkpoints/*/*/*.lease"))
        if not training or newest is None:
            return "no saved training runs"
        return f"{time.time() - newest:.1f} s of training were not saved"


def error_in(said: str) -> str:
    """The last sentence that says what went wrong."""
    lines = ["", *said.strip().splitlines()]
    errors = [
        line
        for before, line in pairwise(lines)
        if re.search(r"deeprac \S+: (error|stopped|interrupted)", line)
        or before.startswith(("WorkflowError", "LockException"))
    ]
    return (errors or lines)[-1]


def end(number: int) -> None:
    """End a process as a person does, and wait until it is gone."""
    try:
        process = psutil.Process(number)
        process.terminate()
        process.wait(60)
    except psutil.NoSuchProcess:
        return


def name_of(process: psutil.Process) -> str:
    """What a process does, in two words."""
    words = process.cmdline()
    if "deeprac" in words:
        return "deeprac " + words[words.index("deeprac") + 1]
    return "snakemake" if any("snakemake" in word for word in words) else process.name()


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


def snakemake_runs(work: Workflow) -> bool:
    return any(name_of(one) == "snakemake" for one in work.processes())


def until(
    work: Workflow, condition: Callable[[], object], seconds: float = 120
) -> None:
    """Wait for a condition, or for the end of the workflow."""
    stop = time.monotonic() + seconds
    while not condition() and snakemake_runs(work) and time.monotonic() < stop:
        time.sleep(0.1)


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
        delay = rng.uniform(0.05, 0.35) * seconds
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


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of ``DISK_MB`` for the results, where mounting is allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


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


def make(folder: Path) -> Path:
    (folder / "results/smoke").mkdir(parents=True)
    return folder.resolve()


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
