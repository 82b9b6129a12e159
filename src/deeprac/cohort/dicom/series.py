"""Which images make the volume of a case: series split into stacks, one chosen by rule.

A series may mix what belongs apart: a scout, another reconstruction, phases. A stack is
the part of a series with one orientation, size and spacing of pixels, and where images
lie on top of or between each other, with one acquisition or point in time.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from deeprac.cohort.dicom.headers import Header
from deeprac.cohort.findings import CaseError, Finding
from deeprac.settings.cohort import DicomConfig

MIN_SLICES = 4
"""Fewer slices do not show whether they are evenly spaced."""

SAME_DIRECTION = 1e-3
"""Direction cosines of one stack differ by no more than this."""

SAME_SPACING_MM = 1e-3
"""Pixel spacings of one stack differ by no more than this."""

SAME_POSITION_MM = 1e-2
"""Slices that are closer lie on top of each other."""

MIN_AXIAL = 0.8
"""Cosine between the slices' normal and the patient's axis; gantries tilt up to 30°."""

_SCOUT = {"LOCALIZER", "SCOUT", "TOPOGRAM"}
_PROJECTION = {
    "MIP", "MINIP", "MAX_IP", "MIN_IP", "PROJECTION IMAGE", "VOLUME RENDERING",
}  # fmt: skip
_MODALITIES = {
    "CR", "DX", "ES", "MG", "MR", "NM", "OT", "PT", "RF", "RTIMAGE", "SC", "US", "XA",
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Stack:
    """Images of one series on parallel planes, sorted along their normal.

    ``lacking`` images of the series have no place: position, orientation, pixel
    spacing or size are missing. ``left_out`` are in other stacks of the series.
    """

    headers: tuple[Header, ...]
    lacking: int = 0
    left_out: int = 0

    @property
    def slices(self) -> int:
        """Number of slices."""
        return sum(header.frames for header in self.headers)

    @property
    def slice_distance_mm(self) -> float | None:
        """Median distance between slices; None where it is not known yet."""
        if any(h.position_mm is None or h.orientation is None for h in self.headers):
            return None
        steps = np.diff(np.sort(depths_mm(self.headers)))
        steps = steps[steps > SAME_POSITION_MM]
        return float(np.median(steps)) if steps.size else None


def normal(header: Header) -> np.ndarray:
    """Unit normal of a slice that has an orientation."""
    return np.cross(header.orientation[:3], header.orientation[3:])


def depths_mm(headers: Sequence[Header]) -> np.ndarray:
    """Positions along the normal of the first; all have one."""
    return np.array([h.position_mm for h in headers]) @ normal(headers[0])


def stacks_of(images: Iterable[Header]) -> list[Stack]:
    """Split images into stacks, those of one series one after another."""
    by_series = grouped(images, "series_uid")
    return [stack for uid in sorted(by_series) for stack in _split(by_series[uid])]


def grouped(headers: Iterable[Header], field: str) -> dict[str, list[Header]]:
    """Headers by the value of one of their fields."""
    groups: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        groups[getattr(header, field)].append(header)
    return dict(groups)


def _split(headers: Sequence[Header]) -> list[Stack]:
    """The stacks of one series; images without a place go with the largest."""
    groups = [[header] for header in headers if header.is_multi_frame_ct]
    single = [header for header in headers if not header.is_multi_frame_ct]
    placed = [header for header in single if _has_place(header)]
    parallel: list[list[Header]] = []
    for header in placed:
        same = (group for group in parallel if _same_plane(header, group[0]))
        if (group := next(same, None)) is None:
            parallel.append(group := [])
        group.append(header)
    for group in parallel:
        groups += _unstacked(group)
    lacking = len(single) - len(placed)
    if not groups:
        return [Stack(tuple(headers), lacking=lacking)]
    groups.sort(key=lambda group: -sum(header.frames for header in group))
    total = sum(map(len, groups))
    return [
        Stack(_sorted(group), 0 if index else lacking, left_out=total - len(group))
        for index, group in enumerate(groups)
    ]


def _has_place(header: Header) -> bool:
    known = (header.position_mm, header.orientation, header.spacing_yx_mm)
    return None not in known and header.rows > 0 and header.columns > 0


def _same_plane(a: Header, b: Header) -> bool:
    return (
        (a.rows, a.columns, a.frames, a.modality)
        == (b.rows, b.columns, b.frames, b.modality)
        and np.allclose(a.orientation, b.orientation, rtol=0, atol=SAME_DIRECTION)
        and np.allclose(a.spacing_yx_mm, b.spacing_yx_mm, rtol=0, atol=SAME_SPACING_MM)
    )


def _unstacked(group: list[Header]) -> list[list[Header]]:
    """Separate volumes in the same place, where time or acquisition differ.

    Slices of two phases that lie between each other would look like one volume.
    """
    for mark in ("temporal_position", "acquisition"):
        parts = list(grouped(group, mark).values())
        volumes = [part for part in parts if len(part) >= MIN_SLICES]
        if volumes and _same_place(parts) and not any(map(_overlap, parts)):
            return parts
    return [group]


def _same_place(parts: Sequence[Sequence[Header]]) -> bool:
    """Whether the extents of two parts along the normal overlap."""
    depths = [depths_mm(part) for part in parts]
    starts, ends = zip(*sorted((d.min(), d.max()) for d in depths), strict=True)
    furthest = np.maximum.accumulate(ends)
    return bool(np.any(starts[1:] < furthest[:-1] + SAME_POSITION_MM))


def _overlap(group: Sequence[Header]) -> bool:
    return bool(np.any(np.diff(np.sort(depths_mm(group))) < SAME_POSITION_MM))


def _sorted(group: Sequence[Header]) -> tuple[Header, ...]:
    if group[0].is_multi_frame_ct:
        return tuple(group)
    along = normal(group[0])
    return tuple(
        sorted(group, key=lambda h: (float(np.dot(h.position_mm, along)), h.sop_uid))
    )


def choose(
    stacks: Sequence[Stack], config: DicomConfig, *, segmented: bool
) -> tuple[Stack, list[Finding]]:
    """Choose the stack that makes the volume.

    Args:
        stacks: all stacks of the case.
        config: ``cohort.dicom``.
        segmented: a segmentation refers to these stacks: only what rules a stack out as
            a CT volume counts, not the range of spacings or the description.

    Returns:
        The stack, and why this one.

    Raises:
        CaseError: none can be used, or two are equally good.
    """
    reasons = [_unfit(stack) or _unwanted(stack, config, segmented) for stack in stacks]
    fit = [s for s, reason in zip(stacks, reasons, strict=True) if reason is None]
    if not fit:
        raise CaseError.of("series", _none_fits(reasons))
    original = [s for s in fit if "DERIVED" not in s.headers[0].image_type] or fit
    ranked = sorted(original, key=lambda stack: _rank(stack, config.prefer))
    best = ranked[0]
    equal = [s for s in ranked if _rank(s, config.prefer) == _rank(best, config.prefer)]
    if len(equal) > 1:
        raise CaseError.of("series", _none_is_best(equal))
    rule = "to which the segmentation refers" if segmented else "by rule"
    choice = f"the series {rule}: {_size(best)}"
    if len(stacks) > 1:
        choice += (
            f"; of {len(stacks)} series or parts of series {len(fit)} could be used, "
            f"{config.prefer.replace('_', ' ')} is preferred"
        )
    findings = [Finding.note("series", choice)]
    if best.left_out:
        left_out = (
            f"{best.left_out} further images of the same series have another "
            "orientation, size, pixel spacing, acquisition or point in time and were "
            "left out"
        )
        findings.append(Finding.warning("series", left_out))
    return best, findings


def _rank(stack: Stack, prefer: str) -> tuple[float, ...]:
    """Smallest first."""
    distance_mm = round(stack.slice_distance_mm or 0, 2)
    if prefer == "thinnest":
        return distance_mm, -stack.slices
    return -stack.slices, distance_mm


def _unfit(stack: Stack) -> str | None:
    """Why a stack is no CT volume, or None."""
    first = stack.headers[0]
    kinds = set(first.image_type)
    if first.modality != "CT":
        # The field could hold anything, a name too.
        known = first.modality in _MODALITIES
        code = first.modality if known else "missing or unknown"
        return f"the modality is {code}, not CT"
    if kinds & _SCOUT:
        return "it is a scout"
    if kinds & _PROJECTION:
        return "it is a projection"
    if first.frames != 1 and not first.is_multi_frame_ct:
        return "its files hold several frames, but are no multi-frame CT"
    if first.samples != 1:
        return f"it has {first.samples} values per pixel"
    return None if first.is_multi_frame_ct else _misplaced(stack)


def _misplaced(stack: Stack) -> str | None:
    """Why the slices of a stack are no axial volume, or None."""
    if not _has_place(stack.headers[0]):
        return "position, orientation, pixel spacing or size of its slices are missing"
    if abs(normal(stack.headers[0])[2]) < MIN_AXIAL:
        return "its slices are not axial"
    if stack.slices < MIN_SLICES:
        return f"it has {stack.slices} slices, fewer than {MIN_SLICES}"
    return None


def _unwanted(stack: Stack, config: DicomConfig, segmented: bool) -> str | None:
    """Why the rules of the configuration leave a stack out, or None."""
    if segmented:
        return None
    low, high = config.slice_spacing_mm
    apart_mm = stack.slice_distance_mm
    if apart_mm is not None and not low <= apart_mm <= high:
        return (
            f"its slices are {apart_mm:.3g} mm apart, not {low:g} to {high:g} mm "
            "(cohort.dicom.slice_spacing_mm)"
        )
    pattern, text = config.description, stack.headers[0].description
    if pattern and not re.search(pattern, text, re.IGNORECASE):
        return "its description does not contain cohort.dicom.description"
    return None


def _none_fits(reasons: Sequence[str | None]) -> str:
    if not reasons:
        return "it has no images. Put the CT series beside its segmentation"
    if len(reasons) == 1:
        return f"the series cannot be used: {reasons[0]}. Give an axial CT series"
    counted = "; ".join(f"{n} x {reason}" for reason, n in Counter(reasons).items())
    return (
        f"none of {len(reasons)} series or parts of series can be used: {counted}. "
        "Give an axial CT series"
    )


def _none_is_best(equal: Sequence[Stack]) -> str:
    count, each = len(equal), f"{_size(equal[0])} each"
    if len({stack.headers[0].series_uid for stack in equal}) == 1:
        return (
            f"the series holds {count} acquisitions or points in time that are equally "
            f"good: {each}. Keep the files of one of them"
        )
    return (
        f"{count} series are equally good: {each}. Narrow cohort.dicom.description, "
        "or keep one of them"
    )


def _size(stack: Stack) -> str:
    apart_mm = stack.slice_distance_mm
    distance = "" if apart_mm is None else f" {apart_mm:.3g} mm apart"
    return f"{stack.slices} slices{distance}"
