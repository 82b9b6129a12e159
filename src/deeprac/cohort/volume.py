"""One CT without a label, from a file or a DICOM folder, checked as every case is."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from deeprac.cohort import affine, frame, intensity, volume_files
from deeprac.cohort.dicom.unsegmented import read_unsegmented
from deeprac.cohort.findings import CaseError, Finding, refuse_errors
from deeprac.cohort.grid import Grid
from deeprac.cohort.reader import SourceCase

LEAST = (16, 16, 4)
"""Voxels along x, y and z; less shows no organ."""

REMEDIES = {
    ", or set cohort.intensity to grey": "",
    "Resample image and label": "Resample the image",
    "cohort.dicom.description": "--series",
    "Check cohort.path": "Check the input",
    "Set cohort.path to": "Give",
}
"""What a message of a cohort's checks says to do, and what it says of one volume."""


@dataclass(frozen=True)
class Volume:
    """One CT, fit to be segmented.

    Attributes:
        image: int16 or float32, axes ordered LPS with the source's true directions.
        source: the grid of the input.
        findings: what was repaired, and what is doubtful.
        age_years: of the patient, where the header says it.
        dicom: the files of the chosen DICOM series; none for other formats.
    """

    image: sitk.Image
    source: Grid
    findings: tuple[Finding, ...]
    age_years: float | None = None
    dicom: tuple[Path, ...] = ()


def open_volume(path: Path, unit: str, series: str | None = None) -> Volume:
    """Read a CT and check it as every case of a cohort is.

    Args:
        path: NIfTI, NRRD or MetaImage file, or a folder of DICOM files.
        unit: hu or grey, as ``cohort.intensity``.
        series: regular expression that the description of a DICOM series must contain.

    Raises:
        CaseError: it cannot be used; everything that was found. No message has the
            name of a file or patient.
    """
    try:
        source, files = _read(path, series)
        grid = Grid.of(source.image)
        found = [*source.findings, *origin_findings("image", source.image)]
        findings = refuse_errors([*found, *_size_findings(grid)])
        image, found = checked_image(source.image, unit)
        findings = refuse_errors([*findings, *found])
    except CaseError as error:
        raise CaseError(map(of_one_volume, error.findings)) from error
    findings = tuple(map(of_one_volume, findings))
    return Volume(image, grid, findings, source.age_years, files)


def checked_image(image: sitk.Image, unit: str) -> tuple[sitk.Image, list[Finding]]:
    """Order the axes of an image and check axes and values.

    Args:
        image: in any orientation, with orthonormal axes.
        unit: hu or grey, as ``cohort.intensity``.

    Returns:
        The image as int16 or float32, its axes ordered as in the canonical frame with
        their tilt, certain faults of the values repaired; and what was found. After an
        error among it the values are as they were.
    """
    findings = frame.frame_findings(image)
    turned = frame.ordered(image)
    # A view: a large volume is not copied once more.
    grey = sitk.GetArrayViewFromImage(turned)
    values, found = intensity.plausible(grey, unit)
    if not np.may_share_memory(values, grey):
        turned = Grid.of(turned).volume(values)
    return turned, findings + found


def origin_findings(which: str, volume: sitk.Image) -> list[Finding]:
    """Whether image or label lies anywhere at all; else no grids can be compared."""
    found = affine.origin_findings(volume.GetOrigin())
    return [finding.about(f"the {which}") for finding in found]


def _read(path: Path, series: str | None) -> tuple[SourceCase, tuple[Path, ...]]:
    if path.is_dir():
        return read_unsegmented(path, series)
    if path.suffix.lower() == ".dcm":
        text = "one DICOM file is no volume. Give the folder of its series"
        raise CaseError.of("file", text)
    image, findings = volume_files.read_volume(path)
    return SourceCase(image, (), findings=tuple(findings)), ()


def _size_findings(grid: Grid) -> list[Finding]:
    canonical = dict(zip(grid.orientation, grid.size, strict=True))
    size = [canonical.get(a) or canonical[b] for a, b in ("LR", "PA", "SI")]
    if all(n >= least for n, least in zip(size, LEAST, strict=True)):
        return []
    text = (
        f"the image has {size[0]} x {size[1]} pixels and {size[2]} slices; at least "
        f"{LEAST[0]} x {LEAST[1]} and {LEAST[2]} are needed. Give the whole volume"
    )
    return [Finding.error("shape", text)]


def of_one_volume(finding: Finding) -> Finding:
    """A finding without the configuration of a cohort in its remedy."""
    message = finding.message
    for of_cohort, of_volume in REMEDIES.items():
        message = message.replace(of_cohort, of_volume)
    return replace(finding, message=message)
