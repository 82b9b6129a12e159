"""The grid of a stack of slices, and whether its slices make a volume.

Convention: the grid's (x, y, z) are (i, j, k) here: i along rows of pixels (columns of
the image), j down the columns, k along the normal of the slices, upwards in the order
of the stack. Millimetres are LPS. DICOM's pixel spacing is between rows first, (j, i);
a grid's is (i, j, k). Array order is [k, j, i].
"""

import itertools
from collections.abc import Iterator

import numpy as np

from deeprac.cohort.dicom.headers import Header
from deeprac.cohort.dicom.series import MIN_SLICES, Stack
from deeprac.cohort.findings import Finding
from deeprac.cohort.grid import Grid

TILT_DEG = 0.2
"""Steps between slices may lean this much against their normal."""

SHIFT_MM = 0.1
"""Slices may lie this much beside the line through the first and the last."""

UNEVEN_SHARE = 0.1
"""A slice may lie this share of the slice distance beside its even place."""

NOT_UNIT = 1e-3
"""Lengths and products of direction cosines may be off by this much."""


def grid_of(headers: tuple[Header, ...]) -> Grid:
    """The grid of slices that ``slice_findings`` has no error about, unchecked."""
    first, last = headers[0], headers[-1]
    axes = _axes(first.orientation)
    length_mm = (np.array(last.position_mm) - first.position_mm) @ axes[:, 2]
    between_rows_mm, between_columns_mm = first.spacing_yx_mm
    between_slices_mm = length_mm / (len(headers) - 1)
    return Grid.along(
        axes,
        size=(first.columns, first.rows, len(headers)),
        spacing_xyz_mm=(between_columns_mm, between_rows_mm, between_slices_mm),
        origin_mm=first.position_mm,
    )


def _axes(cosines: tuple[float, ...]) -> np.ndarray:
    """Exactly orthonormal axes as columns: rows of pixels, columns, normal."""
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    row = row / np.linalg.norm(row)
    column = column - row * (row @ column)
    column = column / np.linalg.norm(column)
    return np.column_stack([row, column, np.cross(row, column)])


def slice_findings(stack: Stack) -> Iterator[Finding]:
    """What keeps the slices of a stack from being a volume; no doubles any more."""
    headers = stack.headers
    if stack.lacking:
        yield Finding.error(
            "slices",
            f"{stack.lacking} images of the series lack position, orientation, pixel "
            "spacing or size. Export the series again",
        )
    row, column = np.array(headers[0].orientation).reshape(2, 3)
    off = max(abs(row @ row - 1), abs(column @ column - 1), abs(row @ column))
    if off > NOT_UNIT:
        yield Finding.error(
            "orientation",
            f"the axes of the slices are not orthonormal (off by {off:.2g}). Export "
            "the series again",
        )
        return
    if min(headers[0].spacing_yx_mm) <= 0:
        text = "the pixel spacing is not positive. Correct the header"
        yield Finding.error("spacing", text)
        return
    yield from _step_findings(headers)
    lacking = sum(not h.slope or h.intercept is None for h in headers)
    if lacking:
        yield Finding.error(
            "rescale",
            f"{lacking} of {len(headers)} slices have no rescale slope and intercept, "
            "so their values are not HU. Export the series again",
        )


def _step_findings(headers: tuple[Header, ...]) -> Iterator[Finding]:
    axes = _axes(headers[0].orientation)
    # One row per slice: along i, along j, along the normal.
    positions_mm = np.array([h.position_mm for h in headers])
    places_mm = (positions_mm - positions_mm[0]) @ axes
    yield from _tilt_findings(headers, places_mm)
    steps_mm = np.diff(places_mm[:, 2])
    step_mm = float(np.median(steps_mm))
    missing = np.rint(steps_mm / step_mm).astype(int) - 1
    even = np.abs(steps_mm - (missing + 1) * step_mm) <= UNEVEN_SHARE * step_mm
    line_mm = np.linspace(0, places_mm[-1, 2], len(headers))
    uneven = np.abs(places_mm[:, 2] - line_mm).max() > UNEVEN_SHARE * step_mm
    range_mm = f"{steps_mm.min():.3g} to {steps_mm.max():.3g} mm apart"
    if uneven and (count := _acquisitions(headers, steps_mm)) > 1:
        yield Finding.error(
            "slices",
            f"the series holds {count} acquisitions that do not continue each other: "
            f"slices are {range_mm}. Keep the files of one of them",
        )
    elif missing.any() and even.all() and missing.min() >= 0:
        yield Finding.error(
            "slices",
            f"{missing.sum()} slices are missing: gaps of up to {steps_mm.max():.3g} "
            f"mm where slices are {step_mm:.3g} mm apart. Complete the series",
        )
    elif uneven:
        yield Finding.error(
            "slices",
            f"the slices are unevenly spaced: {range_mm}. Choose another series, or "
            "resample it",
        )


def _acquisitions(headers: tuple[Header, ...], steps_mm: np.ndarray) -> int:
    """Number of acquisitions one after another, each evenly spaced, or 0."""
    numbers = [header.acquisition for header in headers]
    seams = 1 + np.flatnonzero([a != b for a, b in itertools.pairwise(numbers)])
    # Of each acquisition but the first, the first step leads to it.
    parts = np.split(np.concatenate([[np.nan], steps_mm]), seams)
    inner = [part[1:] for part in parts]
    even = all(
        len(part) >= MIN_SLICES and np.ptp(steps) <= UNEVEN_SHARE * np.median(steps)
        for part, steps in zip(parts, inner, strict=True)
    )
    return len(parts) if even else 0


def _tilt_findings(
    headers: tuple[Header, ...], places_mm: np.ndarray
) -> Iterator[Finding]:
    along_mm = places_mm[-1, 2]
    aside_mm = places_mm[-1, :2]
    angle_deg = float(np.degrees(np.arctan2(np.linalg.norm(aside_mm), along_mm)))
    if angle_deg > TILT_DEG:
        yield Finding.error(
            "gantry tilt",
            f"the slices are sheared: the gantry was tilted by {angle_deg:.1f} "
            "degrees. Choose another series, or resample it to untilted slices",
        )
        return
    on_line_mm = np.outer(places_mm[:, 2] / along_mm, aside_mm)
    shift_mm = float(np.abs(places_mm[:, :2] - on_line_mm).max())
    if shift_mm > SHIFT_MM:
        yield Finding.error(
            "slices",
            f"slices are shifted against each other by up to {shift_mm:.2g} mm. Choose "
            "another series",
        )
    header_deg = max((abs(h.tilt_deg or 0) for h in headers), default=0)
    normal = _axes(headers[0].orientation)[:, 2]
    normal_deg = float(np.degrees(np.arccos(min(abs(normal[2]), 1))))
    if header_deg > TILT_DEG and normal_deg < TILT_DEG:
        yield Finding.warning(
            "gantry tilt",
            f"the header tells a gantry tilt of {header_deg:.1f} degrees, the "
            "positions of the slices none. Look at sagittal slices: if they are "
            "sheared, leave the case out",
        )
