"""Whether the disk has room for a training, before hours are spent on it."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from deeprac.errors import RunError

FILES = 3
"""Checkpoints that are there at the same time: the newest, the one before, and the one
that is being written."""

STATES = 3
"""A parameter and the two moments that an optimiser may keep of it."""


def check_space(weights: Iterable[Tensor], folder: Path, what: str) -> None:
    """Make sure that the checkpoints of a training fit on the disk.

    Args:
        weights: that are trained.
        folder: of the checkpoints; it exists.
        what: is trained: experiment and fold.

    Raises:
        RunError: they do not fit.
    """
    needed = FILES * STATES * sum(one.numel() * one.element_size() for one in weights)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"{what}: the checkpoints of a training take up to {needed / 1e9:.2f} GB, "
            f"and the disk of {folder} has {free / 1e9:.2f} GB left. Free space there, "
            "and run the same command again."
        )
