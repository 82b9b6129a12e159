"""Calling Snakemake on a working folder of its own, for the tests."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def working_folder(folder: Path) -> Path:
    """Make a folder from which the workflow can run: it has its own config/."""
    shutil.copytree(ROOT / "config", folder / "config")
    return folder


def snakemake(
    folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile"
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in ``folder``; standard output and error come together."""
    command = [str(BIN / "snakemake"), "--snakefile", str(snakefile), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def planned_jobs(folder: Path, *arguments: str, **kwargs: Path) -> dict[str, int]:
    """Number of jobs by rule that Snakemake would run; empty if none."""
    result = snakemake(folder, "--dry-run", *arguments, **kwargs)
    assert result.returncode == 0, result.stdout
    table = result.stdout.rpartition("Job stats:")[2]
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE))
    return {rule: int(count) for rule, count in jobs.items() if rule != "total"}
