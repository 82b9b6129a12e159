"""The canonical frame: axial slices, LPS, true spacing; and the way back.

A volume that is a little oblique counts as axial: calling its nearest axes x, y and z
turns the patient as a whole by that angle and changes no voxel, spacing or volume. The
middle of the volume stays where it was, and ``SourceFrame`` keeps the true axes.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from deeprac.cohort.findings import Finding, Severity
from deeprac.errors import CohortError

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


@dataclass(frozen=True)
class SourceFrame:
    """The grid of the source's image: what restores a canonical label map.

    Sizes, spacings and origins in SimpleITK's order (x, y, z), in mm; ``direction`` are
    the nine direction cosines row by row.
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> "SourceFrame":
        """The frame of an image as it came."""
        return cls(
            size=image.GetSize(),
            spacing_mm=image.GetSpacing(),
            origin_mm=image.GetOrigin(),
            direction=image.GetDirection(),
        )

    def restore(self, label: sitk.Image) -> sitk.Image:
        """Bring a canonical volume of this case back onto the source's grid.

        Voxels are only permuted and flipped, never resampled: what ``canonical`` did
        is undone exactly.

        Raises:
            CohortError: the volume has not this case's size.
        """
        back = sitk.DICOMOrient(label, orientation(self.direction))
        if back.GetSize() != self.size:
            raise CohortError(
                f"a label map of {label.GetSize()} voxels does not belong to a source "
                f"of {self.size}. Give the one of the same case."
            )
        back.SetSpacing(self.spacing_mm)
        back.SetOrigin(self.origin_mm)
        back.SetDirection(self.direction)
        return back

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "SourceFrame":
        """The frame of what ``as_json`` gave."""
        return cls(**{key: tuple(value) for key, value in fields.items()})


def orientation(direction: tuple[float, ...]) -> str:
    """DICOM's letters of the nearest of the 48 orientations."""
    return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(direction)


def canonical(volume: sitk.Image) -> sitk.Image:
    """Reorient a volume to the canonical frame; small tilts are taken off."""
    turned = sitk.DICOMOrient(volume, FRAME)
    exact = np.eye(3).ravel()
    if not np.array_equal(turned.GetDirection(), exact):
        half = (np.array(turned.GetSize()) - 1) / 2
        middle = turned.TransformContinuousIndexToPhysicalPoint(half.tolist())
        turned.SetOrigin((middle - half * np.array(turned.GetSpacing())).tolist())
    turned.SetDirection(exact.tolist())
    return turned


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
        return [Finding(Severity.ERROR, "geometry", problem)]
    findings = []
    if tilt > TILT_NOTED_DEG:
        note = f"the axes are turned by {tilt:.1f} degrees; taken as axial"
        findings.append(Finding(Severity.NOTE, "geometry", note))
    x, y, _ = np.array(volume.GetSpacing())[nearest]
    if abs(x / y - 1) > SQUARE_TOLERANCE:
        problem = (
            f"the pixels of its axial slices are {x:g} x {y:g} mm, not square. "
            "Resample image and label to square pixels"
        )
        findings.append(Finding(Severity.ERROR, "geometry", problem))
    return findings


def frames_table(frames: Mapping[str, SourceFrame]) -> pd.DataFrame:
    """``frames.csv``: one row per case."""
    rows = [
        (name, *frame.size, *frame.spacing_mm, *frame.origin_mm, *frame.direction)
        for name, frame in frames.items()
    ]
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))


def read_frames(path: Path) -> dict[str, SourceFrame]:
    """The source frames of a cohort by case, from its ``frames.csv``."""
    # As text: pandas' own numbers may differ in the last digit.
    table = pd.read_csv(path, dtype=str)[list(FRAME_COLUMNS)]
    frames = {}
    for name, *numbers in table.itertuples(index=False):
        cosines = tuple(map(float, numbers[9:]))
        size = tuple(map(int, numbers[:3]))
        spacing_mm, origin_mm = map(float, numbers[3:6]), map(float, numbers[6:9])
        frames[name] = SourceFrame(size, tuple(spacing_mm), tuple(origin_mm), cosines)
    return frames
