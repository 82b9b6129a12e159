"""The canonical frame: axial slices, LPS, true spacing; and the way back.

A volume that is a little oblique counts as axial: calling its nearest axes x, y and z
turns the patient as a whole by that angle and changes no voxel, spacing or volume. The
middle of the volume stays where it was, and ``frames.csv`` keeps the source's grid.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from deeprac.cohort.findings import Finding
from deeprac.cohort.grid import Grid

FRAME = "LPS"
"""Orientation of every case, in DICOM's letters."""

TILT_LIMIT_DEG = 20.0
"""Slices whose axes are turned by more than this against the patient are refused."""

TILT_NOTED_DEG = 0.5
"""A turn by more than this is recorded."""

SQUARE_TOLERANCE = 0.01
"""Pixels count as square up to this relative difference of their sides."""

FRAME_COLUMNS = (
    "case",
    *(f"size_{axis}" for axis in "xyz"),
    *(f"spacing_{axis}_mm" for axis in "xyz"),
    *(f"origin_{axis}_mm" for axis in "xyz"),
    *(f"direction_{row}{column}" for row in "xyz" for column in "xyz"),
)
"""Columns of ``frames.csv``; ``direction_xy`` is the x of the step along axis y."""


def ordered(volume: sitk.Image) -> sitk.Image:
    """Order the axes of a volume as in the canonical frame; they keep their tilt."""
    return sitk.DICOMOrient(volume, FRAME)


def upright(volume: sitk.Image) -> sitk.Image:
    """Take the tilt off the axes of an ordered volume, in place."""
    exact = np.eye(3).ravel()
    if not np.array_equal(volume.GetDirection(), exact):
        half = (np.array(volume.GetSize()) - 1) / 2
        middle = volume.TransformContinuousIndexToPhysicalPoint(half.tolist())
        volume.SetOrigin((middle - half * np.array(volume.GetSpacing())).tolist())
    volume.SetDirection(exact.tolist())
    return volume


def canonical(volume: sitk.Image) -> sitk.Image:
    """Reorient a volume to the canonical frame; small tilts are taken off."""
    return upright(ordered(volume))


def frame_findings(volume: sitk.Image) -> list[Finding]:
    """What was found in the axes of a volume, in any orientation."""
    direction = np.abs(np.reshape(volume.GetDirection(), (3, 3)))
    # For each canonical axis the nearest axis of the volume, and the angle to it.
    nearest = direction.argmax(axis=1)
    cosines = direction[range(3), nearest].clip(max=1)
    tilt = float(np.degrees(np.arccos(cosines.min())))
    if tilt > TILT_LIMIT_DEG:
        problem = (
            f"the slices are not axial: the axes are turned by {tilt:.0f} degrees, and "
            f"at most {TILT_LIMIT_DEG:g} are taken as they are. Resample image and "
            "label to axial slices"
        )
        return [Finding.error("geometry", problem)]
    findings = []
    if tilt > TILT_NOTED_DEG:
        note = f"the axes are turned by {tilt:.1f} degrees; taken as axial"
        findings.append(Finding.note("geometry", note))
    x, y, _ = np.array(volume.GetSpacing())[nearest]
    if abs(x / y - 1) > SQUARE_TOLERANCE:
        problem = (
            f"the pixels of its axial slices are {x:g} x {y:g} mm, not square. "
            "Resample image and label to square pixels"
        )
        findings.append(Finding.error("geometry", problem))
    return findings


def frames_table(frames: Mapping[str, Grid]) -> pd.DataFrame:
    """``frames.csv``: the grid of every case's source, one row per case."""
    rows = [
        (name, *grid.size, *grid.spacing_xyz_mm, *grid.origin_mm, *grid.direction)
        for name, grid in frames.items()
    ]
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))


def read_frames(path: Path) -> dict[str, Grid]:
    """The sources' grids of a cohort by case, from its ``frames.csv``."""
    # As text: pandas' own numbers may differ in the last digit.
    table = pd.read_csv(path, dtype=str)[list(FRAME_COLUMNS)]
    frames = {}
    for name, *cells in table.itertuples(index=False):
        numbers = [float(cell) for cell in cells[3:]]
        axes = np.reshape(numbers[6:], (3, 3))
        size = [int(cell) for cell in cells[:3]]
        frames[name] = Grid.along(axes, size, numbers[:3], numbers[3:6])
    return frames
