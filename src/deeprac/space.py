"""Bytes of what fills the disk: one function per kind, and whether they fit.

The estimate adds them up before anything runs; a job asks for its own before it begins.
"""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from deeprac.errors import RunError

GB = 1e9

VOXEL_BYTES = 1.1
"""Of a converted case, compressed: 0.9 of whole CT at 512 x 512, 1.05 of phantoms at
128 x 128, whose noise fills more of a slice."""

LABEL_VOXEL_BYTES = 0.007
"""Of its label map: 0.002 of whole CT, 0.007 of phantoms at 128 x 128."""

PIXEL_BYTES = 0.95
"""Of a preprocessed slice whose pixels are the CT's own, image and labels: 0.93 of
whole CT at 512 x 512, 0.44 of phantoms."""

SHRUNK_PIXEL_BYTES = 1.7
"""Of one that was shrunk, whose values are no whole numbers of HU any more: 1.66 of
whole CT from 512 to 128, 1.1 of phantoms."""

LOCATIONS_BYTES = 320_000
"""Of the places that nnU-Net keeps of a label in a case: 10 000 of four numbers."""

NUMBER_BYTES = 4
"""Of a weight in float32."""

STATES = {"sgd": 2, "adamw": 3}
"""Numbers in a checkpoint per weight, by ``training.optimiser``: the weight itself and
the moments that the optimiser keeps of it."""

FILES = 3
"""Checkpoints that are there at the same time: the newest, the one before, and the one
that is being written."""

COPIES = 2
"""Of final weights: the published ones, and those from which they are published again
where Snakemake has deleted them."""

STRESS_ROW_BYTES = 200
"""Of a row of stress.csv."""


def converted_bytes(voxels: float) -> int:
    """Cases in the canonical frame, image and label map.

    Args:
        voxels: of all cases together.
    """
    return round(voxels * (VOXEL_BYTES + LABEL_VOXEL_BYTES))


def slices_bytes(
    slices: float, pixels: float, *, cases: int, labels: int, shrunk: bool
) -> int:
    """Preprocessed slices on one matrix.

    Args:
        slices: of all cases together.
        pixels: of a slice on the matrix.
        cases: their number.
        labels: of the cohort, without the background.
        shrunk: whether the cases' own slices have more pixels.
    """
    each = SHRUNK_PIXEL_BYTES if shrunk else PIXEL_BYTES
    return round(slices * pixels * each + cases * labels * LOCATIONS_BYTES)


def weights_bytes(parameters: int) -> int:
    """Final weights of one run, in all their copies.

    Example:
        >>> weights_bytes(46_326_581) / COPIES / 1e6  # the paper's U-Net at 512 x 512
        185.306324
    """
    return COPIES * NUMBER_BYTES * parameters


def checkpoints_bytes(parameters: int, optimiser: str) -> int:
    """Checkpoints of one training while it runs."""
    return FILES * STATES[optimiser] * NUMBER_BYTES * parameters


def predictions_bytes(label_maps: Iterable[Path]) -> int:
    """Predictions of cases: label maps on the same grids as these."""
    return sum(path.stat().st_size for path in label_maps)


def stress_bytes(rows: int) -> int:
    """Table of a run under stress; its volumes are not kept."""
    return STRESS_ROW_BYTES * rows


def bytes_below(folder: Path) -> int:
    """What the files in a folder take; 0 where it is not there."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a job at work has removed it meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def free_bytes(folder: Path) -> int:
    """What is left on the disk of a folder, which need not be there yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def require_space(needed: int, folder: Path, what: str) -> None:
    """Make sure that something fits on the disk.

    Args:
        needed: bytes.
        folder: where it is written.
        what: is written, as the message begins.

    Raises:
        RunError: it does not fit.
    """
    free = free_bytes(folder)
    if free < needed:
        raise RunError(
            f"{what} may take up to {needed / GB:.2f} GB, and the disk of {folder} has "
            f"{free / GB:.2f} GB left. Free space there, and run the same command "
            "again."
        )
