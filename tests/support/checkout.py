"""Calling Snakemake on a working folder of its own, for the tests."""

import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from support.job_forks import become, python_of_forks

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *("snakemake.cli", "snakemake.report", "snakemake.spawn_jobs"),
        *("pandas", "psutil", "yaml", "jsonschema", "jinja2"),
    ]
)


def working_folder(folder: Path) -> Path:
    """Make a folder from which the workflow can run: it has its own config/."""
    shutil.copytree(ROOT / "config", folder / "config")
    return folder


def snakemake(
    folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile"
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in ``folder``; standard output and error come together.

    It runs in a fork of a process that has imported Snakemake and the libraries of our
    rules, nothing of deeprac: the import is half of the time of a dry run. So do its
    jobs: ``job_forks``.
    """
    python = python_of_forks()
    command = [str(BIN / "snakemake"), "--snakefile", str(snakefile), *arguments]
    with tempfile.NamedTemporaryFile() as output:
        process = _FORKS.Process(
            target=_run, args=(command, folder, dict(os.environ), python, output.name)
        )
        process.start()
        process.join()
        text = Path(output.name).read_text(errors="replace")
    return subprocess.CompletedProcess(command, process.exitcode or 0, text)


def _run(
    command: list[str],
    folder: Path,
    environment: dict[str, str],
    python: str,
    output: str,
) -> None:
    """Be the ``snakemake`` command; called in a process of its own."""
    from snakemake.cli import main  # noqa: PLC0415

    stream = os.open(output, os.O_WRONLY | os.O_APPEND)
    become(command, folder, environment, {1: stream, 2: stream})
    sys.executable = python  # what calls jobs
    main()


def planned_jobs(folder: Path, *arguments: str, **kwargs: Path) -> dict[str, int]:
    """Number of jobs by rule that Snakemake would run; empty if none."""
    result = snakemake(folder, "--dry-run", *arguments, **kwargs)
    assert result.returncode == 0, result.stdout
    table = result.stdout.rpartition("Job stats:")[2]
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE))
    return {rule: int(count) for rule, count in jobs.items() if rule != "total"}
