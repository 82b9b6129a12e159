"""Loading the one case of a folder of DICOM files as the workflow does."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deeprac.cohort.case import Case
from deeprac.cohort.formats import open_source
from deeprac.labels import source_names
from support.cohort_builders import cohort_config, dicom_section
from support.dicom_builders import Series, hu_of

SHAPE = (6, 11, 14)
"""Slices, rows, columns of most series here."""


def a_series(shape: tuple[int, int, int] = SHAPE, **changes) -> Series:
    """An off-centre series of a patient whose id is a name; square axial pixels.

    Others are refused; what reads them is tested without the rest of the workflow.
    """
    usual = {"patient": "Jane_Doe", "spacing_mm": (0.8, 0.8, 2.5)}
    return Series(hu_of(shape), **(usual | changes))


def load(folder: Path, segmentations: str = "one", labels=None, **changes) -> Case:
    """The only case of a folder, in the canonical frame."""
    config = cohort_config(
        format="dicom",
        path=folder,
        labels=source_names("dicom", labels or {}),
        dicom=dicom_section(segmentations=segmentations),
        **changes,
    )
    source = open_source(config)
    (name,) = source.names()
    return source.load(name)


def label_of(case: Case) -> np.ndarray:
    """The cohort's label map [z, y, x]: x to the left, y to the back, z to the head."""
    return sitk.GetArrayFromImage(case.label)


def messages(found) -> list[str]:
    """Messages of a case or an error, with their severity and check."""
    return [
        f"{one.severity.value} {one.check}: {one.message}" for one in found.findings
    ]
