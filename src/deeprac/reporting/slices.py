"""Axial slices of the cohort for the figures, as they are and through a transform.

Transforms are those of :mod:`deeprac.geometry.square`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from deeprac.errors import MetricsError
from deeprac.evaluation.metrics.regions import united
from deeprac.files import read_json
from deeprac.geometry.planar import transform_points
from deeprac.geometry.square import Square
from deeprac.labels import CohortLabels, Label


@dataclass(frozen=True)
class AxialSlice:
    """One native axial slice: row 0 is anterior, x grows to the patient's left.

    Attributes:
        image: ``(h, w)`` in HU or the cohort's grey values.
        label: ``(h, w)`` label numbers, kidneys united.
        z: Index of the slice in its volume, from 0.
        count: Slices of the volume.
        spacing_mm: Pixel spacing ``(x, y)``.
    """

    image: NDArray
    label: NDArray
    z: int
    count: int
    spacing_mm: tuple[float, float]

    @property
    def number(self) -> int:
        """The slice as readers count, from 1: as in the case browser."""
        return self.z + 1


def read_slice(cohort: Path, row: pd.Series, *, by: Sequence[Label]) -> AxialSlice:
    """The slice of a case with the largest area of a label.

    Args:
        cohort: Folder of the cohort.
        row: Row of cases.csv.
        by: Labels by priority; the first that the case has decides.
    """
    label_map = read_label_map(cohort / row.label, cohort=cohort)
    return slice_of(cohort, row, label_map, largest_slice(label_map, by=by))


def slice_of(cohort: Path, row: pd.Series, label_map: NDArray, z: int) -> AxialSlice:
    """Slice ``z`` of a case whose labels were read."""
    return AxialSlice(
        image=read_volume(cohort / row.image)[z],
        label=label_map[z],
        z=z,
        count=len(label_map),
        spacing_mm=(float(row.spacing_x_mm), float(row.spacing_y_mm)),
    )


def largest_slice(label_map: NDArray, *, by: Sequence[Label]) -> int:
    """Index of the slice with the largest area; the middle one without any label."""
    for label in by:
        area = np.count_nonzero(label_map == label, axis=(1, 2))
        if area.any():
            return int(area.argmax())
    return len(label_map) // 2


def read_label_map(path: Path, *, cohort: Path) -> NDArray:
    """Read a label map of the cohort or of a prediction, kidneys united.

    Args:
        path: The volume.
        cohort: Folder of the cohort, whose ``dataset.json`` lists its labels.
    """
    labels = CohortLabels.listed(read_json(cohort / "dataset.json"))
    return united(read_volume(path), labels)


def read_volume(path: Path) -> NDArray:
    """Read a volume ``(z, y, x)``.

    Raises:
        MetricsError: The file is missing or unreadable.
    """
    # Released results come without volumes, and their readers without this library.
    import SimpleITK as sitk  # noqa: PLC0415

    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise MetricsError(
            f"A figure needs a volume that cannot be read: {path}. Run the stage that "
            "writes it again (`deeprac cohort` or `deeprac predict`)."
        ) from error


def warp(
    image: NDArray, image_from_output: NDArray, *, side: int, fill: float
) -> NDArray[np.floating]:
    """Resample a native slice into a square output, bilinear.

    Args:
        image: Native slice ``(h, w)``.
        image_from_output: ``(2, 3)``; normalised points of the output square to
            normalised points of the padded native square.
        side: Side of the output in pixels.
        fill: Value outside the native slice (air).

    Returns:
        ``(side, side)`` in float; of a mask the shares in 0..1.
    """
    centres = (2 * np.arange(side) + 1) / side - 1
    points = np.stack(np.meshgrid(centres, centres), axis=-1)
    source = Square(*image.shape).to_px(transform_points(image_from_output, points))
    rows_columns = [source[..., 1], source[..., 0]]
    return map_coordinates(
        image.astype(float), rows_columns, order=1, mode="grid-constant", cval=fill
    )
