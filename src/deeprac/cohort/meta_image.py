"""The header of a MetaImage file: what ITK does not check, ignores or reads as zero."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from deeprac.cohort import affine
from deeprac.cohort.findings import CaseError, Finding, refuse_errors
from deeprac.cohort.packed import (
    DAMAGED,
    Packing,
    StoredVoxels,
    header_lines,
    listed_files,
)

_AXES = ("TransformMatrix", "Rotation", "Orientation")
_ORIGIN = ("Offset", "Position", "Origin")
_SPACING = ("ElementSpacing", "ElementSize")
"""Keys of the same meaning."""

_MOST_AXES = 10

_NO_AXES = (
    "the header does not give the axes: nothing tells left from right. Export it again "
    "from the original images"
)


def read_meta_image_header(path: Path) -> StoredVoxels:
    """Read where the voxels lie.

    Raises:
        CaseError: it is no such header, or axes, unit or scale are not as needed.
    """
    header: dict[str, str] = {}
    with path.open("rb") as stream:
        lines = header_lines(stream)
        while "ElementDataFile" not in header:
            key, separator, value = (
                part.strip() for part in next(lines, "").partition("=")
            )
            if not separator:
                raise CaseError.of("file", DAMAGED)
            header[key] = value
        start = stream.tell()
        is_list = header["ElementDataFile"] == "LIST"
        further = list(lines) if is_list else []
    voxels = _voxels(header, path, start, further)
    refuse_errors(_findings(header))
    return voxels


def _voxels(
    header: Mapping[str, str], path: Path, start: int, further: list[str]
) -> StoredVoxels:
    named = header["ElementDataFile"]
    local = named.upper() == "LOCAL"
    files = [path] if local else listed_files(named, path.parent, further)
    packed = _is_true(header.get("CompressedData", "False"))
    packed_bytes = _whole(header, "CompressedDataSize") or None
    # What ITK cannot read of these it replaces by what is in memory.
    if named.upper().startswith("LIST ") or (packed and len(files) > 1):
        raise CaseError.of(
            "file",
            "its voxels lie in several files that are packed or listed by dimension. "
            "Save them in one file",
        )
    if packed and local and packed_bytes is None:
        raise CaseError.of(
            "file",
            "its header does not tell the CompressedDataSize, without which packed "
            "voxels in the same file are not found. Save it again",
        )
    text = not _is_true(header.get("BinaryData", "True"))
    header_bytes = _whole(header, "HeaderSize")
    first = header_bytes if header_bytes > 0 else start if local else 0
    return StoredVoxels(
        files=tuple((file, first) for file in files),
        packing=Packing.TEXT if text else Packing.ZLIB if packed else Packing.PLAIN,
        at_the_end=header_bytes < 0,
        packed_bytes=packed_bytes,
    )


def _findings(header: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with axes, spacing, and unit and scale, which ITK ignores."""
    axes = _whole(header, "NDims")
    if not 1 <= axes <= _MOST_AXES:
        raise CaseError.of("file", DAMAGED)
    if not any(key in header for key in _AXES):
        yield Finding.error("affine", _NO_AXES)
    if not any(key in header for key in _SPACING):
        text = "the header does not give the spacing. Export it again"
        yield Finding.error("spacing", text)
    for count, keys in ((axes**2, _AXES), (axes, _SPACING)):
        for key in sorted({*keys} & {*header}):
            numbers = _numbers(header[key])
            if len(numbers) != count or not all(map(math.isfinite, numbers)):
                text = f"the header's {key} is {header[key]!r:.80}, not {count} numbers"
                yield Finding.error("affine", f"{text}. Export it again")
    unit = header.get("DistanceUnits", "mm")
    if unit not in ("mm", "?", ""):
        text = f"the header's DistanceUnits is {unit!r:.40}, which is not converted"
        yield Finding.error("unit", f"{text}. Save it again in mm")
    slope = header.get("ElementToIntensityFunctionSlope", "1")
    intercept = header.get("ElementToIntensityFunctionOffset", "0")
    if (_numbers(slope), _numbers(intercept)) != ([1], [0]):
        yield Finding.error(
            "scaling",
            f"the header scales values by {slope!r:.20} and {intercept!r:.20} "
            "(ElementToIntensityFunction), which is not applied. Store the scaled "
            "values",
        )
    for key in sorted({*_ORIGIN} & {*header}):
        # ITK reads words that are not numbers as zero.
        origin = [*_numbers(header[key]), *[math.nan] * axes][:axes]
        yield from affine.origin_findings(origin[:3])


def _numbers(text: str) -> list[float]:
    """The words of a text as numbers; NaN for any other word."""
    numbers = []
    for word in text.split():
        try:
            numbers.append(float(word))
        except ValueError:
            numbers.append(math.nan)
    return numbers


def _whole(header: Mapping[str, str], key: str) -> int:
    try:
        return int(header.get(key, "0"))
    except ValueError as error:
        raise CaseError.of("file", DAMAGED) from error


def _is_true(value: str) -> bool:
    """As ITK reads it."""
    return value[:1] in ("T", "t", "1")
