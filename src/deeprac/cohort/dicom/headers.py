"""The headers of DICOM files: what is needed of them, and nothing else.

Values that are missing or damaged are None; whoever needs them complains.
"""

import logging
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)

_TAGS = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "ImageType", "Modality",
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "PatientAge", "StudyDate", "StudyInstanceUID", "SeriesInstanceUID",
    "SeriesDescription", "FrameOfReferenceUID", "AcquisitionNumber",
    "TemporalPositionIdentifier", "GantryDetectorTilt", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "RescaleSlope",
    "RescaleIntercept",
    "StructureSetDate", "StructureSetTime", "ContentDate", "ContentTime",
    "ReferencedSeriesSequence", "ReferencedFrameOfReferenceSequence",
)  # fmt: skip


class Unusable(Enum):
    """Why a file has no header."""

    NOT_DICOM = "not DICOM"
    """Any other file, and DICOMDIR; ignored."""
    DAMAGED = "damaged"
    """DICOM that cannot be read or lacks its preamble; told."""


@dataclass(frozen=True, slots=True, repr=False)
class Header:
    """What is needed of one file. It identifies the patient: never show it.

    ``position_mm`` is the centre of the first pixel, ``orientation`` the direction of
    rows, then of columns, in LPS; ``spacing_mm`` is between rows, then between columns.
    ``is_plain``: the pixels are not compressed; ``is_inverted``: low ones are bright.
    """

    path: Path
    sop_class: str
    sop_uid: str
    modality: str
    image_type: tuple[str, ...]
    patient_id: str
    issuer: str
    person: tuple[str, str, str]
    age: str
    study_date: str
    study_uid: str
    series_uid: str
    description: str
    frame_of_reference: str
    acquisition: str
    temporal_position: str
    tilt_deg: float | None
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing_mm: tuple[float, ...] | None
    rows: int
    columns: int
    frames: int
    samples: int
    bits: int
    is_plain: bool
    is_inverted: bool
    slope: float | None
    intercept: float | None
    created: str
    referenced_series: frozenset[str]
    referenced_frames: frozenset[str]

    @property
    def is_multi_frame_ct(self) -> bool:
        """Whether the file holds a whole CT series."""
        return self.sop_class in MULTI_FRAME_CT


def read_header(path: Path) -> Header | Unusable:
    """Read the header of a file.

    Call it inside ``quiet``: pydicom tells paths and values in warnings.
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
                stream, stop_before_pixels=True, specific_tags=list(_TAGS)
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
    """Keep pydicom, highdicom and ITK from telling paths and values of headers."""
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
    def text(keyword: str) -> str:
        try:
            return str(dataset.get(keyword) or "").strip()
        except UNREADABLE:
            return ""

    series, frames = _references(dataset)
    return Header(
        path=path,
        sop_class=text("SOPClassUID"),
        sop_uid=text("SOPInstanceUID"),
        modality=text("Modality"),
        image_type=_texts(dataset, "ImageType"),
        patient_id=text("PatientID"),
        issuer=text("IssuerOfPatientID"),
        person=(text("PatientName"), text("PatientBirthDate"), text("PatientSex")),
        age=text("PatientAge"),
        study_date=text("StudyDate"),
        study_uid=text("StudyInstanceUID"),
        series_uid=text("SeriesInstanceUID"),
        description=text("SeriesDescription"),
        frame_of_reference=text("FrameOfReferenceUID"),
        acquisition=text("AcquisitionNumber"),
        temporal_position=text("TemporalPositionIdentifier"),
        tilt_deg=_number(dataset, "GantryDetectorTilt"),
        position_mm=_numbers(dataset, "ImagePositionPatient", 3),
        orientation=_numbers(dataset, "ImageOrientationPatient", 6),
        spacing_mm=_numbers(dataset, "PixelSpacing", 2),
        rows=int(_number(dataset, "Rows") or 0),
        columns=int(_number(dataset, "Columns") or 0),
        frames=int(_number(dataset, "NumberOfFrames") or 1),
        samples=int(_number(dataset, "SamplesPerPixel") or 1),
        bits=int(_number(dataset, "BitsAllocated") or 0),
        is_plain=dataset.file_meta.get("TransferSyntaxUID") in _PLAIN,
        is_inverted=text("PhotometricInterpretation") == "MONOCHROME1",
        slope=_number(dataset, "RescaleSlope"),
        intercept=_number(dataset, "RescaleIntercept"),
        created=(text("StructureSetDate") or text("ContentDate"))
        + (text("StructureSetTime") or text("ContentTime")),
        referenced_series=series,
        referenced_frames=frames,
    )


def _texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    try:
        value = dataset.get(keyword) or ()
        values = (value,) if isinstance(value, str) else value
        return tuple(str(item).strip().upper() for item in values)
    except UNREADABLE:
        return ()


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(value) for value in dataset.get(keyword) or ())
    except UNREADABLE:
        return None
    good = len(values) == count and all(math.isfinite(value) for value in values)
    return values if good else None


def _number(dataset: Dataset, keyword: str) -> float | None:
    try:
        value: Any = dataset.get(keyword)
        number = math.nan if value is None else float(value)
    except UNREADABLE:
        return None
    return number if math.isfinite(number) else None


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
