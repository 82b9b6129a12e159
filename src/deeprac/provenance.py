"""Who computed a number: code, packages, machine. No torch at import."""

import hashlib
import json
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "deeprac",
    "torch",
    "nnunetv2",
    "dynamic-network-architectures",
    "batchgeneratorsv2",
    "SimpleITK",
    "numpy",
    "scipy",
    "pandas",
    "snakemake",
)


def git_state(folder: Path = Path(__file__).parent) -> dict[str, Any]:
    """Return commit and dirty flag of the checkout that holds the package.

    Returns:
        ``{"commit": str, "dirty": bool}``; both None outside a checkout, which a
        release refuses, so nothing is guessed.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def software(*more: str) -> dict[str, str | None]:
    """Return the versions of Python and of packages: those of numbers, and more."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in (*PACKAGES, *more):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return versions


def host() -> dict[str, Any]:
    """Return name, processor and memory of this machine."""
    return {
        "name": socket.gethostname(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def device_title(run: Mapping[str, Any]) -> str:
    """Return what a run was trained on, from its run.json: GPU and processor."""
    device, processor = run["device"], run["host"]["processor"]
    on_cpu = device["type"] == "cpu"
    return processor if on_cpu else f"{device['name']} ({processor})"


def digest(content: Any) -> str:
    """SHA-256 of JSON-able content, independent of the order of its keys."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
