"""Structures as DICOM-SEG beside the series that was segmented.

It carries the patient's identity, as DICOM demands; nothing else that is written does.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import highdicom
import numpy as np
import SimpleITK as sitk
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from highdicom.sr import CodedConcept
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

import deeprac
from deeprac.cohort.dicom.headers import quiet
from deeprac.cohort.dicom.segmentations import geometry
from deeprac.cohort.grid import Grid
from deeprac.files import atomic_path
from deeprac.surgery.anatomy import Anatomy, Structure
from deeprac.surgery.terminology import ABNORMAL, ALTERED, Code, terms

DESCRIPTION = "DeePRAC, research, not for clinical use"
"""Of the series; at most 64 characters."""

SERIES_NUMBER = 9901
"""High, so that a viewer lists it after what the scanner made."""


def read_series(files: Iterable[Path]) -> Sequence[Dataset]:
    """Read the files of a series without their pixels."""
    with quiet():
        return [dcmread(path, stop_before_pixels=True) for path in files]


def write_dicom_seg(
    anatomy: Anatomy, source: Grid, series: Sequence[Dataset], target: Path
) -> None:
    """Write the structures as binary DICOM-SEG, frames without structure included.

    Every file is an instance of its own: the same structures written again have other
    UIDs and times.

    Args:
        anatomy: at least one structure.
        source: the grid of the series.
        series: its images.
        target: the file.
    """
    numbers = sitk.GetArrayFromImage(
        source.restore(anatomy.grid.volume(anatomy.numbers))
    )
    # DICOM numbers segments without gap.
    segments = np.zeros(256, np.uint8)
    for index, structure in enumerate(anatomy.structures, start=1):
        segments[structure.number] = index
    volume = highdicom.Volume(
        segments[numbers],
        geometry(source).affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=series[0].FrameOfReferenceUID,
    )
    with quiet():
        file = Segmentation(
            source_images=series,
            pixel_array=volume,
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=[
                _description(structure, index)
                for index, structure in enumerate(anatomy.structures, start=1)
            ],
            series_instance_uid=highdicom.UID(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="DeePRAC",
            manufacturer_model_name="deeprac",
            software_versions=deeprac.__version__,
            device_serial_number="none",
            content_label="KIDNEYS",
            content_description=DESCRIPTION,
            series_description=DESCRIPTION,
            # Some viewers take frames that are left out for a shifted volume.
            omit_empty_frames=False,
        )
        with atomic_path(target) as temporary:
            file.save_as(temporary)


def _description(structure: Structure, number: int) -> SegmentDescription:
    known = terms(structure)
    # DICOM's own meaning of the code.
    category = ABNORMAL if known.category == ALTERED else known.category
    description = SegmentDescription(
        segment_number=number,
        segment_label=structure.name,
        segmented_property_category=_code(category),
        segmented_property_type=_code(known.type),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name="DeePRAC",
            family=codes.DCM.ArtificialIntelligence,
            version=deeprac.__version__,
        ),
        anatomic_regions=[_code(known.region)] if known.region else None,
        display_color=CIELabColor.from_rgb(*known.colour),
    )
    if known.type_side:
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_code(known.type_side)]
    if known.region_side:
        region = description.AnatomicRegionSequence[0]
        region.AnatomicRegionModifierSequence = [_code(known.region_side)]
    return description


def _code(code: Code) -> CodedConcept:
    return CodedConcept(code.value, "SCT", code.meaning)
