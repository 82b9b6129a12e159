"""What the voxels of a volume file may be: their number and their kind."""

from collections.abc import Sequence

import numpy as np

from deeprac.cohort.findings import CaseError, Finding

MAX_VOXELS = 2**29
"""The largest volume that is read: 512 x 512 x 2048 voxels."""


def three_dimensions(
    shape: Sequence[int],
) -> tuple[tuple[int, int, int], list[Finding]]:
    """The size of a volume without its trailing axes of one frame.

    Args:
        shape: size along every axis of the file, those of space first.

    Returns:
        Size along the three axes of space, and what was found.

    Raises:
        CaseError: it is not one volume, or too large to be read.
    """
    sizes = " x ".join(map(str, shape))
    if len(shape) < 3 or min(shape) < 1:
        raise CaseError.of(
            "shape",
            f"it has {sizes} voxels: not a volume. Store a single slice as a volume "
            "of one slice with its spacing",
        )
    if max(shape[3:], default=1) > 1:
        raise CaseError.of(
            "shape",
            f"it has {sizes} voxels: several frames or channels. Store one volume per "
            "file",
        )
    size = (int(shape[0]), int(shape[1]), int(shape[2]))
    refuse_too_large(size)
    if len(shape) == 3:
        return size, []
    note = f"{len(shape)} dimensions with one frame ({sizes}): read as one volume"
    return size, [Finding.note("shape", note)]


def refuse_too_large(size: Sequence[int]) -> None:
    """Make sure, before anything is allocated, that a volume can be read.

    Raises:
        CaseError: it has more than ``MAX_VOXELS``.
    """
    if np.prod(size, dtype=float) > MAX_VOXELS:
        raise CaseError.of(
            "shape",
            f"it has {' x '.join(map(str, size))} voxels; at most {MAX_VOXELS} "
            "(512 x 512 x 2048) are read. Crop it to the abdomen",
        )


def refuse_large_numbers(values: np.ndarray) -> None:
    """Make sure that whole numbers of 64 bits fit into 32.

    Raises:
        CaseError: they do not.
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return
    limits = np.iinfo(np.int32)
    if values.min() < limits.min or values.max() > limits.max:
        raise CaseError.of(
            "values",
            "it holds whole numbers beyond 32 bits, which neither CT nor labels need. "
            "Export it again",
        )
