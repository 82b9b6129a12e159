"""What the voxels of a volume file may be: their number and their kind."""

from collections.abc import Sequence

import numpy as np

from deeprac.cohort.findings import CaseError, Finding

MAX_VOXELS = 2**29
"""The largest volume that is read: 512 x 512 x 2048 voxels."""

INT32 = np.iinfo(np.int32)
TOO_LARGE = (
    "it holds whole numbers beyond 32 bits, which neither CT nor labels need. Export "
    "it again"
)


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
    size = tuple(int(n) for n in shape[:3])
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
