"""The headers of DICOM files: what is needed of them, and nothing else.

Values that are missing or damaged are None; whoever needs them complains.
"""

import logging
import math
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
)

UNREADABLE = (
    ArithmeticError, AttributeError, BytesLengthException, EOFError, InvalidDicomError,
    LookupError, MemoryError, NotImplementedError, OSError, RecursionError,
    RuntimeError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
"""What parsers of DICOM raise on damaged files: nearly everything."""

MULTI_FRAME_CT = (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
"""Classes of CT with all slices in one file."""

_CT = (CTImageStorage, *MULTI_FRAME_CT)

_LENGTHS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
"""How many numbers an element must have."""

_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


class Unusable(Enum):
    """Why a file has no header."""

    NOT_DICOM = "not DICOM"
    """Any other file, and DICOMDIR; ignored."""
    DAMAGED = "damaged"
    """DICOM that cannot be read or lacks its preamble; reported."""


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword) or "").strip()
    except UNREADABLE:
        return ""


def _texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    try:
        value = dataset.get(keyword) or ()
        values = (value,) if isinstance(value, str) else value
        return tuple(str(item).strip().upper() for item in values)
    except UNREADABLE:
        return ()


def _numbers(dataset: Dataset, keyword: str) -> tuple[float, ...] | None:
    try:
        values = tuple(float(value) for value in dataset.get(keyword) or ())
    except UNREADABLE:
        return None
    good = len(values) == _LENGTHS[keyword] and all(map(math.isfinite, values))
    return values if good else None


def _number(dataset: Dataset, keyword: str) -> float | None:
    try:
        value: Any = dataset.get(keyword)
        number = math.nan if value is None else float(value)
    except UNREADABLE:
        return None
    return number if math.isfinite(number) else None


def _count(dataset: Dataset, keyword: str) -> int:
    return int(_number(dataset, keyword) or 0)


def _at_least_one(dataset: Dataset, keyword: str) -> int:
    return _count(dataset, keyword) or 1


def _element(read: Callable[[Dataset, str], Any], keyword: str) -> Any:
    """A field that is read from the element of this keyword."""
    return field(metadata={"keyword": keyword, "read": read})


@dataclass(frozen=True, slots=True, repr=False)
class Header:
    """What is needed of one file. It identifies the patient: never show it.

    ``position_mm`` is the centre of the first pixel, ``orientation`` the direction of
    rows, then of columns, in LPS; ``spacing_yx_mm`` DICOM's pixel spacing: between rows
    (y), then between columns (x).
    ``is_plain``: the pixels are not compressed; ``is_inverted``: low ones are bright.
    """

    path: Path
    person: tuple[str, ...]
    is_plain: bool
    is_inverted: bool
    created: str
    referenced_series: frozenset[str]
    referenced_frames: frozenset[str]
    sop_class: str = _element(_text, "SOPClassUID")
    sop_uid: str = _element(_text, "SOPInstanceUID")
    modality: str = _element(_text, "Modality")
    image_type: tuple[str, ...] = _element(_texts, "ImageType")
    patient_id: str = _element(_text, "PatientID")
    issuer: str = _element(_text, "IssuerOfPatientID")
    age: str = _element(_text, "PatientAge")
    study_date: str = _element(_text, "StudyDate")
    study_uid: str = _element(_text, "StudyInstanceUID")
    series_uid: str = _element(_text, "SeriesInstanceUID")
    description: str = _element(_text, "SeriesDescription")
    frame_of_reference: str = _element(_text, "FrameOfReferenceUID")
    acquisition: str = _element(_text, "AcquisitionNumber")
    temporal_position: str = _element(_text, "TemporalPositionIdentifier")
    tilt_deg: float | None = _element(_number, "GantryDetectorTilt")
    position_mm: tuple[float, ...] | None = _element(_numbers, "ImagePositionPatient")
    orientation: tuple[float, ...] | None = _element(
        _numbers, "ImageOrientationPatient"
    )
    spacing_yx_mm: tuple[float, ...] | None = _element(_numbers, "PixelSpacing")
    rows: int = _element(_count, "Rows")
    columns: int = _element(_count, "Columns")
    frames: int = _element(_at_least_one, "NumberOfFrames")
    samples: int = _element(_at_least_one, "SamplesPerPixel")
    bits: int = _element(_count, "BitsAllocated")
    slope: float | None = _element(_number, "RescaleSlope")
    intercept: float | None = _element(_number, "RescaleIntercept")

    @property
    def is_multi_frame_ct(self) -> bool:
        """Whether the file holds a whole CT series."""
        return self.sop_class in MULTI_FRAME_CT


_ELEMENTS = tuple(field for field in fields(Header) if field.metadata)
_PERSON = ("PatientName", "PatientBirthDate", "PatientSex")
_CREATED = (("StructureSetDate", "ContentDate"), ("StructureSetTime", "ContentTime"))
_TAGS = [
    *(field.metadata["keyword"] for field in _ELEMENTS),
    *("SpecificCharacterSet", "PhotometricInterpretation", "ReferencedSeriesSequence"),
    *("ReferencedFrameOfReferenceSequence", *_PERSON, *_CREATED[0], *_CREATED[1]),
]


def read_header(path: Path) -> Header | Unusable:
    """Read the header of a file.

    Call it inside ``quiet``: pydicom's warnings have paths and values.
    """
    try:
        if path.exists() and not path.is_file():
            return Unusable.NOT_DICOM  # a pipe or a device, which could wait for ever
        with path.open("rb") as stream:
            start = stream.read(132)
    except OSError:
        return Unusable.DAMAGED
    if start[128:] != b"DICM":
        return Unusable.DAMAGED if _lacks_preamble(start) else Unusable.NOT_DICOM
    try:
        with (
            path.open("rb") as stream,
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            dataset = pydicom.dcmread(
                stream, stop_before_pixels=True, specific_tags=_TAGS
            )
            ended = stream.tell() >= path.stat().st_size
            if dataset.file_meta.get("MediaStorageSOPClassUID") == _DICOMDIR:
                return Unusable.NOT_DICOM
            header = _header(path, dataset)
    except UNREADABLE:
        return Unusable.DAMAGED
    # pydicom returns what it has got when a file ends too early.
    warned = any("end of file" in str(warning.message).lower() for warning in caught)
    cut_short = warned or _is_cut_short(header, dataset, ended)
    return Unusable.DAMAGED if cut_short else header


def _is_cut_short(header: Header, dataset: Dataset, ended: bool) -> bool:
    """Whether a header lacks its first elements, or that of a CT image its last."""
    if not (header.sop_class and header.sop_uid):
        return True
    # Deflated files are read to their end at once.
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    is_ct = header.modality == "CT" or header.sop_class in _CT
    return ended and is_ct and syntax != DeflatedExplicitVRLittleEndian


_DICOMDIR = "1.2.840.10008.1.3.10"


def _lacks_preamble(start: bytes) -> bool:
    """Whether a file begins with a data element of group 2 or 8, as DICOM does."""
    return start[:1] in (b"\x02", b"\x08") and start[1:2] == b"\x00" == start[3:4]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom, highdicom and ITK from printing paths and values of headers."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _header(path: Path, dataset: Dataset) -> Header:
    series, frames = _references(dataset)
    return Header(
        path=path,
        person=tuple(_text(dataset, keyword) for keyword in _PERSON),
        is_plain=dataset.file_meta.get("TransferSyntaxUID") in _PLAIN,
        is_inverted=_text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        created="".join(
            _text(dataset, first) or _text(dataset, second)
            for first, second in _CREATED
        ),
        referenced_series=series,
        referenced_frames=frames,
        **{
            one.name: one.metadata["read"](dataset, one.metadata["keyword"])
            for one in _ELEMENTS
        },
    )


def _references(dataset: Dataset) -> tuple[frozenset[str], frozenset[str]]:
    """Series and frames of reference that a segmentation refers to."""
    frames = dataset.get("ReferencedFrameOfReferenceSequence") or []
    series = list(dataset.get("ReferencedSeriesSequence") or [])
    for frame in frames:
        for study in frame.get("RTReferencedStudySequence") or []:
            series += study.get("RTReferencedSeriesSequence") or []
    uids = {str(frame.get("FrameOfReferenceUID") or "") for frame in frames}
    uids.add(str(dataset.get("FrameOfReferenceUID") or ""))
    return (
        frozenset(str(item.get("SeriesInstanceUID") or "") for item in series) - {""},
        frozenset(uids) - {""},
    )
