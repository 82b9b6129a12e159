"""DICOM cohorts of one small case on disk, and what is told about them."""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from pydicom import dcmread

from deeprac.cohort.dicom.headers import Header, quiet, read_header
from deeprac.cohort.findings import CaseError
from deeprac.cohort.formats import open_source
from deeprac.labels import source_names
from deeprac.settings.cohort import CohortConfig
from support.cohort_builders import cohort_config, ct_like, dicom_section
from support.dicom_builders import Series


def dicom_config(folder: Path, **dicom: Any) -> CohortConfig:
    """The configuration of a DICOM folder; ``dicom`` are keys of cohort.dicom."""
    return cohort_config(
        format="dicom",
        path=folder,
        labels=source_names("dicom", {}),
        dicom=dicom_section(**dicom),
    )


def trunk(**changes: Any) -> Series:
    """Four slices of a trunk whose kidney, in ``kidney``, has 58 ml."""
    return Series(
        **(
            {"hu": ct_like(1), "spacing_mm": (6.0, 6.0, 10.0), "patient": "p7"}
            | changes
        )
    )


def kidney(shape: tuple[int, ...] = (4, 48, 64)) -> np.ndarray:
    """A label [k, j, i] of the trunk: kidney 1, tumour 2."""
    label = np.zeros(shape, np.uint8)
    label[1:3, 18:26, 15:25] = 1
    label[2, 18:22, 15:18] = 2
    return label


def add_label(series: Series, folder: Path) -> None:
    """A label file beside the slices, on the grid of the trunk."""
    sitk.WriteImage(series.grid.volume(kidney()), str(folder / "kidney.nii.gz"))


def edit(path: Path, **tags: Any) -> None:
    """Change tags of a file on disk; None deletes one."""
    dataset = dcmread(path)
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)


def told(config: CohortConfig) -> list[tuple[str, str]]:
    """Severity and message of all that is told about the first case, as it comes."""
    source = open_source(config)
    try:
        findings = source.load(source.names()[0]).findings
    except CaseError as error:
        findings = error.findings
    return [(finding.severity.value, finding.message) for finding in findings]


def headers_of(paths: list[Path]) -> tuple[Header, ...]:
    """The headers of good files."""
    with quiet():
        return tuple(read_header(path) for path in paths)
