"""One GPU for each process that trains or segments, on a machine with several.

A scheduler says in ``CUDA_VISIBLE_DEVICES`` which one a job may use, and that is
respected. Where nobody does, processes agree by locks, which end with their process
however that ends. PyTorch reads the variable when it is imported: this comes before.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deeprac.errors import DeviceError

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Variable with the GPUs that CUDA shows to a process."""

PRETENDED = "DEEPRAC_PRETENDED_GPUS"
"""For tests alone: so many GPUs are there, on which nothing can be computed."""


def number_of_gpus() -> int:
    """Return how many GPUs this machine has, as NVIDIA's driver says; 0 without one."""
    if PRETENDED in os.environ:
        return int(os.environ[PRETENDED])
    if (command := shutil.which("nvidia-smi")) is None:
        return 0
    listed = subprocess.run(
        [command, "--query-gpu=index", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return len(listed.stdout.split()) if listed.returncode == 0 else 0


@contextmanager
def one_gpu(folder: Path | None = None) -> Iterator[None]:
    """Show PyTorch one GPU that no other process holds, until the block ends.

    Where there is no GPU, or the environment names the ones to use, nothing is done.

    Args:
        folder: of the locks; the one for temporary files by default.

    Raises:
        DeviceError: every GPU is held by another process.
    """
    gpus = 0 if VISIBLE in os.environ else number_of_gpus()
    if not gpus:
        yield
        return
    index, lock = _free_one(gpus, folder or Path(tempfile.gettempdir()))
    # The numbers of nvidia-smi, which CUDA would sort by speed.
    own = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", VISIBLE: str(index)}
    os.environ |= own
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)
        os.close(lock)


def _free_one(gpus: int, folder: Path) -> tuple[int, int]:
    """Lock a GPU; return its number and the open file that holds the lock."""
    for index in range(gpus):
        lock = _opened(folder / f"deeprac-gpu-{index}.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return index, lock
    raise DeviceError(
        f"A training or prediction takes a GPU for itself, and all of this machine's "
        f"({gpus}) are taken by others. Wait for one, start fewer at a time "
        f"(`--resources gpu={gpus}`), or name one to share in {VISIBLE}."
    )


def _opened(path: Path) -> int:
    """Open a lock for all users: in /tmp nobody may create another's file."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
