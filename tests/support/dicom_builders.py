"""Small DICOM series, segmentations and contours, written by pydicom and highdicom."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentDescription,
)
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    RTStructureSetStorage,
    generate_uid,
)

from deeprac.cohort.grid import Grid

AXIAL = np.eye(3)
"""Axes i, j, k as columns: to the left, to the back, to the head."""


@dataclass
class Series:
    """A series written slice by slice: HU [k, j, i], anisotropic, off centre."""

    hu: np.ndarray
    spacing_mm: tuple[float, float, float] = (0.7, 0.9, 2.5)
    origin_mm: tuple[float, float, float] = (-31.0, 17.5, 102.0)
    axes: np.ndarray = field(default_factory=lambda: AXIAL)
    patient: str = "child 7"
    study_uid: str = field(default_factory=generate_uid)
    series_uid: str = field(default_factory=generate_uid)
    frame_uid: str = field(default_factory=generate_uid)
    tags: dict[str, Any] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        size = self.hu.shape[::-1]
        return Grid.along(self.axes, size, self.spacing_mm, self.origin_mm)

    def position_mm(self, k: int) -> np.ndarray:
        return np.array(self.origin_mm) + self.axes[:, 2] * self.spacing_mm[2] * k

    def write(self, folder: Path) -> list[Path]:
        """Write all slices; file names go against the order of the slices."""
        folder.mkdir(parents=True, exist_ok=True)
        count = len(self.hu)
        paths = [folder / f"IM{count - k:04d}" for k in range(count)]
        for k, path in enumerate(paths):
            self.slice(k).save_as(path, enforce_file_format=True)
        return paths

    def slice(self, k: int) -> FileDataset:
        dataset = _dataset(CTImageStorage, self.patient, self.study_uid)
        rows, columns = self.hu.shape[1:]
        for keyword, value in {
            "Modality": "CT",
            "SeriesInstanceUID": self.series_uid,
            "SeriesNumber": 3,
            "InstanceNumber": k + 1,
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "FrameOfReferenceUID": self.frame_uid,
            "PositionReferenceIndicator": "",
            "ImagePositionPatient": [round(float(v), 6) for v in self.position_mm(k)],
            "ImageOrientationPatient": [
                round(float(v), 8) for v in self.axes[:, :2].T.ravel()
            ],
            "PixelSpacing": [self.spacing_mm[1], self.spacing_mm[0]],
            "SliceThickness": self.spacing_mm[2],
            "Rows": rows,
            "Columns": columns,
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 0,
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
        }.items():
            setattr(dataset, keyword, value)
        slope, intercept = 1, -1024
        for keyword, value in self.tags.items():
            setattr(dataset, keyword, value)
            slope = value if keyword == "RescaleSlope" else slope
        stored = np.rint((self.hu[k] - intercept) / slope).astype(np.uint16)
        dataset.PixelData = stored.tobytes()
        return dataset


def _dataset(sop_class: str, patient: str, study_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientID = patient
    dataset.PatientName = "Anonymous"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.StudyInstanceUID = study_uid
    dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = ""
    dataset.StudyID = dataset.ReferringPhysicianName = ""
    return dataset


def hu_of(shape: tuple[int, int, int]) -> np.ndarray:
    """CT [k, j, i]: air, a body, and a value in each voxel that tells its place."""
    k, j, i = np.indices(shape)
    hu = np.full(shape, -1000)
    hu[:, 1:-1, 2:-2] = (10 * k + 3 * j + i)[:, 1:-1, 2:-2]
    return hu


def write_seg(
    path: Path,
    slices: Sequence[Path],
    masks: dict[str, np.ndarray],
    *,
    kind: str = "BINARY",
) -> None:
    """Write masks [k, j, i] as DICOM-SEG; ``slices`` are in the order of k."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptions = [
        SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Kidney,
            algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, name in enumerate(masks, start=1)
    ]
    array = np.stack([mask.astype(np.uint8) for mask in masks.values()], axis=-1)
    if kind == "LABELMAP":
        array = (array * np.arange(1, len(masks) + 1, dtype=np.uint8)).max(axis=-1)
    if kind == "FRACTIONAL":
        array = array.astype(float)
    Segmentation(
        source_images=[dcmread(path) for path in slices],
        pixel_array=array,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    ).save_as(path)


def rtstruct(
    series: Series, contours: dict[str, list[np.ndarray]], **changes: Any
) -> FileDataset:
    """RTSTRUCT of contours, points [n, 3] in LPS mm."""
    dataset = _dataset(RTStructureSetStorage, series.patient, series.study_uid)
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = generate_uid()
    dataset.StructureSetLabel = "test"
    reference = Dataset()
    reference.SeriesInstanceUID = series.series_uid
    study = Dataset()
    study.RTReferencedSeriesSequence = [reference]
    frame = Dataset()
    frame.FrameOfReferenceUID = series.frame_uid
    frame.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence = []
    dataset.ROIContourSequence = []
    for number, (name, polygons) in enumerate(contours.items(), start=1):
        roi = Dataset()
        roi.ROINumber = number
        roi.ROIName = name
        dataset.StructureSetROISequence.append(roi)
        drawn = Dataset()
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = [_contour(points_mm) for points_mm in polygons]
        dataset.ROIContourSequence.append(drawn)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def _contour(points_mm: np.ndarray) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType = "CLOSED_PLANAR" if len(points_mm) > 1 else "POINT"
    contour.NumberOfContourPoints = len(points_mm)
    contour.ContourData = [f"{value:.4f}" for value in np.ravel(points_mm)]
    return contour


def write(dataset: FileDataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def ring_mm(
    series: Series, k: float, centre: Sequence[float], radii_mm: Sequence[float]
) -> np.ndarray:
    """Points of an ellipse in slice k: centre in voxels (i, j), radii along i and j."""
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    spacing = series.spacing_mm
    along_i = centre[0] * spacing[0] + radii_mm[0] * np.cos(angles)
    along_j = centre[1] * spacing[1] + radii_mm[1] * np.sin(angles)
    depth = np.full(angles.shape, k * spacing[2])
    offsets = np.column_stack([along_i, along_j, depth])
    return np.array(series.origin_mm) + offsets @ series.axes.T
