"""RTSTRUCT: contours of radiotherapy planning as masks on the grid of their series.

pydicom reads the contours, ``contours`` fills them. rt-utils and dcmrtstruct2nii do the
same, but the former rounds points to whole pixels, takes the spacing of rows for that
of columns and needs libGL, and the latter calls what pydicom 3 has removed.

Convention: points become continuous indices of the series' grid, where a whole number
is a voxel's centre; a voxel belongs to a region when its centre does. Contours of one
region in one slice count by the even-odd rule: a contour inside another is a hole, and
the channel of a keyhole contour has no area. Centres on a contour belong to the region,
and the points of contours through centres, as rt-utils draws them, are taken to mean
these centres.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from deeprac.cohort.dicom.contours import centred, filled
from deeprac.cohort.dicom.headers import UNREADABLE, Header
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.grid import Grid

OFF_SLICE = 0.25
"""Contours may lie this share of the slice distance beside the centre of a slice."""

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


@dataclass
class _Region:
    """The closed contours of one region, points [n, 3] in LPS mm, and other ones."""

    name: str
    contours: list[np.ndarray] = field(default_factory=list)
    other: int = 0


def masks(
    header: Header, grid: Grid, wanted: Callable[[str], bool], findings: list[Finding]
) -> tuple[list[str], Iterator[tuple[str, np.ndarray]]]:
    """Read the contours of a file.

    Returns:
        Names of all regions; and as they are asked for, name and mask [k, j, i] of bool
        of each wanted one, whose ``findings`` are added then.

    Raises:
        CaseError: it cannot be read; later, contours do not lie on the series' slices.
    """
    try:
        regions = _regions(pydicom.dcmread(header.path))
    except UNREADABLE as error:
        raise CaseError.of(
            "segmentation",
            "the RTSTRUCT file cannot be read: damaged, or not as DICOM asks. Export "
            "it again",
        ) from error
    made = (
        (region.name, _mask(region, grid, findings))
        for region in regions
        if wanted(region.name)
    )
    return [region.name for region in regions], made


def _mask(region: _Region, grid: Grid, findings: list[Finding]) -> np.ndarray:
    contours = _closed(region, grid, findings)
    _refuse_off_slices(region.name, contours, grid)
    by_slice: dict[int, list[np.ndarray]] = defaultdict(list)
    for index in _inside(region.name, contours, grid, findings):
        by_slice[_slice_of(index)].append(index[:, :2])
    mask = np.zeros(grid.size[::-1], bool)
    shared: list[int] = []
    for k, in_slice in by_slice.items():
        mask[k], voxels = filled(in_slice, (grid.size[1], grid.size[0]))
        shared += [voxels] if voxels else []
    if shared:
        _warn(
            findings,
            f"contours of {region.name!r} overlap in {len(shared)} slices, and "
            f"neither lies inside the other: the {sum(shared)} voxels that they "
            "share were taken as a hole. Look at them; if they are no hole, merge "
            "these contours and export again",
        )
    drawn = np.flatnonzero(mask.any(axis=(1, 2)))
    if drawn.size and (gaps := drawn[-1] - drawn[0] + 1 - drawn.size):
        _warn(
            findings,
            f"{gaps} slices between the first and the last of {region.name!r} have no "
            f"contour ({drawn.size} have one). Look at them: contours may have been "
            "drawn on every other slice only",
        )
    return mask


def _closed(region: _Region, grid: Grid, findings: list[Finding]) -> list[np.ndarray]:
    """Indices [n, 3] of the contours that enclose something.

    Fewer than three points do where they are centres of voxels: so rt-utils draws
    thin structures.
    """
    indices = [grid.index_from_mm(points_mm) for points_mm in region.contours]
    centres = [centred(index[:, :2]) for index in indices]
    closed = []
    for index, there in zip(indices, centres, strict=True):
        if there is not None:
            closed.append(np.column_stack([there, index[:, 2]]))
        elif len(index) >= 3:
            closed.append(index)
    if other := region.other + len(indices) - len(closed):
        _warn(
            findings,
            f"{other} contours of {region.name!r} are points, open lines or "
            "have fewer than 3 points and were ignored",
        )
    if through := sum(there is not None for there in centres):
        note = (
            f"{through} of {len(closed)} contours of {region.name!r} are drawn "
            "through the centres of voxels, as rt-utils does: the voxels on them "
            "belong to it"
        )
        findings.append(Finding.note("contours", note))
    return closed


def _inside(
    name: str, contours: list[np.ndarray], grid: Grid, findings: list[Finding]
) -> list[np.ndarray]:
    """The contours that reach into the series, with a finding on the others."""
    size = np.array(grid.size)
    inside = []
    cut = 0
    for index in contours:
        low, high = index.min(axis=0) + 0.5, index.max(axis=0) + 0.5
        k = _slice_of(index)
        if not 0 <= k < size[2] or (high < 0)[:2].any() or (low > size)[:2].any():
            continue
        cut += bool((low < 0)[:2].any() or (high > size)[:2].any())
        inside.append(index)
    outside = len(contours) - len(inside)
    if outside and not inside:
        raise CaseError.of(
            "segmentation",
            f"all {outside} contours of {name!r} lie outside the series. "
            "Give the series on which they were drawn",
        )
    if outside or cut:
        _warn(
            findings,
            f"{outside} contours of {name!r} lie outside the series and "
            f"{cut} reach beyond its edge; what is outside was cut off",
        )
    return inside


def _warn(findings: list[Finding], message: str) -> None:
    findings.append(Finding.warning("contours", message))


def _slice_of(index: np.ndarray) -> int:
    return round(float(index[:, 2].mean()))


def _refuse_off_slices(name: str, indices: list[np.ndarray], grid: Grid) -> None:
    off = [float(np.abs(index[:, 2] - _slice_of(index)).max()) for index in indices]
    between_slices_mm = grid.spacing_xyz_mm[2]
    if count := sum(share > OFF_SLICE for share in off):
        raise CaseError.of(
            "segmentation",
            f"{count} of {len(indices)} contours of {name!r} do not lie on the slices "
            f"of the series: up to {max(off) * between_slices_mm:.2g} mm beside one. "
            "Export them on the series to which they refer",
        )


def _regions(dataset: Dataset) -> list[_Region]:
    """All regions, in the order of the file, those without contours too."""
    contours: dict[int, list[Dataset]] = defaultdict(list)
    for item in dataset.get("ROIContourSequence") or []:
        contours[int(item.ReferencedROINumber)] += item.get("ContourSequence") or []
    regions = []
    for item in dataset.StructureSetROISequence:
        region = _Region(str(item.get("ROIName") or "").strip())
        for contour in contours[int(item.ROINumber)]:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            if not np.isfinite(points).all():
                raise ValueError("a point that is not finite")
            if contour.ContourGeometricType in _CLOSED and len(points):
                # Listed twice, a contour would be a hole in itself.
                if not any(np.array_equal(points, one) for one in region.contours):
                    region.contours.append(points)
            else:
                region.other += 1
        regions.append(region)
    return regions
