"""A workflow that is disturbed: its folder, its processes, and how it goes on."""

import re
import subprocess
import time
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
SLICES = "results/smoke/preprocessed/coarse/cases.json"
TARGET = "results/smoke/summary/cases.csv"
DISK_MB = 24
ATTEMPTS = 8
"""So many restarts must do."""

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
    """The last sentence that says what went wrong: ours, else Snakemake's."""
    lines = ["", *said.strip().splitlines()]
    ours = [
        one for one in lines if re.search(r"deeprac \S+: (error|stopped|inte)", one)
    ]
    theirs = [
        line
        for before, line in pairwise(lines)
        if before.startswith(("WorkflowError", "LockException"))
    ]
    return (ours or theirs or lines)[-1]


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


def snakemake_runs(work: Workflow) -> bool:
    return any(name_of(one) == "snakemake" for one in work.processes())


def until(
    work: Workflow, condition: Callable[[], object], seconds: float = 120
) -> None:
    """Wait for a condition, or for the end of the workflow."""
    stop = time.monotonic() + seconds
    while not condition() and snakemake_runs(work) and time.monotonic() < stop:
        time.sleep(0.1)


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


def make(folder: Path) -> Path:
    (folder / "results/smoke").mkdir(parents=True)
    return folder.resolve()
